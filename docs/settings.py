"""Writes docs/settings.md from the classes of the settings: `make docs`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from rayrl.config import EvaluationConfig, GRPOConfig, Settings, SFTConfig, TrainingConfig
from rayrl.study.settings import StudyConfig, SweepConfig
from rayrl.synth.settings import SynthConfig

HEAD = """# Settings

`make docs` makes this page from the classes in [rayrl/config](../rayrl/config/__init__.py),
[study](../rayrl/study/settings.py) and [synth](../rayrl/synth/settings.py). Any setting can follow a command as
`--section.field value`. `NAME` is a name of your own, `[]` an item of a list. None is `null` in YAML and on the
command line.
"""
COMMANDS: dict[str, type[Settings]] = {
    "rayrl eval, rayrl grpo and rayrl sft": EvaluationConfig,
    "rayrl grpo and rayrl sft": TrainingConfig,
    "rayrl grpo only": GRPOConfig,
    "rayrl sft only": SFTConfig,
    "rayrl study": StudyConfig,
    "rayrl sweep": SweepConfig,
    "rayrl synth": SynthConfig,
}
COLUMNS = "\n| setting | type | default | meaning |\n|---|---|---|---|"
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def page() -> str:
    places: dict[type[Settings], str] = {}  # where each class is described
    return HEAD + "".join(f"\n## {title}\n{_section(model, '', places)}" for title, model in COMMANDS.items())


def _section(model: type[Settings], path: str, places: dict[type[Settings], str]) -> str:
    """What a class is for, its table, and the sections in it that have no place yet. At the top only what is new."""
    own = {name: field for name, field in model.model_fields.items() if path or name in vars(model)["__annotations__"]}
    parts = [part for name, field in own.items() for part in _parts(field.annotation, path + name)]
    fresh = {part: places.setdefault(part, place) for place, part in parts if part not in places}
    rows = [_row(path + name, field, places) for name, field in own.items()]
    about = f"\n{' '.join(vars(model)['__doc__'].split())}\n" if vars(model).get("__doc__") else ""
    inner = [f"### {place}\n{_section(part, place + '.', places)}" for part, place in fresh.items()]
    return about + "\n".join([COLUMNS, *rows, "", *inner])


def _parts(annotation: Any, place: str) -> Iterator[tuple[str, type[Settings]]]:
    """Sections that a field holds, each with its place."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield place, annotation
    mark = {list: "[]", dict: ".NAME"}.get(get_origin(annotation), "")
    for inner in get_args(annotation):
        yield from _parts(inner, place + mark)


def _row(name: str, field: FieldInfo, places: dict[type[Settings], str]) -> str:
    kind = field.annotation
    shown = kind.__name__ if isinstance(kind, type) and not get_args(kind) else re.sub(r"\b(?:\w+\.)+", "", str(kind))
    shown = re.sub(r"Annotated\[([^,]+|.+?\]), \w+\(.+?\)\](?=[],])", r"\1", shown)
    bounds = [f", {BOUNDS[at]} {getattr(mark, at):g}" for mark in field.metadata for at in BOUNDS if hasattr(mark, at)]
    text = " ".join([field.description or "", *(f"Section `{places[part]}`." for _, part in _parts(kind, name))])
    cells = [f"`{name}`", f"`{shown}`" + "".join(bounds), _default(field), text.strip()]
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default_factory not in (None, dict, list):
        return "required" if field.is_required() else "see the text"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Settings):
        return ", ".join(f"`{name}: {getattr(value, name)}`" for name in sorted(value.model_fields_set))
    shown = [one.function for one in value] if isinstance(value, list) else value  # a list of rewards
    return f"`{'null' if shown is None else str(shown).lower() if isinstance(shown, bool) else shown}`"


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(page(), encoding="utf-8")

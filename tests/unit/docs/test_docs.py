"""What the pages say is so: files, links, functions, commands, settings, tables and verdicts that they show."""

import ast
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from rayrl import cli
from rayrl.actors.verifier import VerifierActor
from rayrl.config import (
    BUILT_IN_REWARDS,
    EvalConfig,
    GRPOConfig,
    Settings,
    SFTConfig,
    VerifierSettings,
    load_config,
    parse_overrides,
    validated,
)
from rayrl.data.registry import SETS
from rayrl.errors import RayrlError
from rayrl.k8s.plan import kind_of
from rayrl.learner.freeze import PRESETS
from rayrl.study.settings import StudyConfig, SweepConfig
from rayrl.synth.settings import SynthConfig
from tests.unit.docs.pages import PAGES, ROOT, anchors, blocks, codes, commands, links

CONFIGS: dict[str, type[Settings]] = {
    "demo": GRPOConfig,
    "eval": EvalConfig,
    "grpo": GRPOConfig,
    "k8s": GRPOConfig,
    "sft": SFTConfig,
    "study": StudyConfig,
    "sweep": SweepConfig,
    "synth": SynthConfig,
}
FILES = {".json", ".jsonl", ".yaml"}
FOLDERS = r"(?:rayrl|configs|tests|docs|examples|launch|k8s|\.ci)"

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if "://" in link:
            continue
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    texts = codes(page) + [block.text for block in blocks(page)]
    named = {path for text in texts for path in re.findall(rf"(?<![\w./-]){FOLDERS}/[\w./-]*\w/?", text)}
    missing = sorted(path for path in named if not (ROOT / path).exists())
    assert not missing


def test_the_tree_names_files_and_folders_that_exist_and_every_folder_of_the_package() -> None:
    tree = next(block.text for block in blocks(ROOT / "CONTRIBUTING.md") if block.text.startswith("rayrl/cli.py"))
    named = set()
    for line in tree.splitlines():
        first, *others = re.split(", ", line.split("  ")[0])
        top = first.split("/")[0]
        named |= {first, *(other if (ROOT / other).exists() else f"{top}/{other}" for other in others)}
    assert not [path for path in named if not (ROOT / path).exists()]
    folders = {f"rayrl/{path.parent.name}/" for path in ROOT.glob("rayrl/*/__init__.py")}
    assert folders <= named


@cache
def defined(file: Path) -> frozenset[str]:
    """Functions, classes and methods of a module, as `name` and `Class.name`."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            own = (part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}.{part.name}" for part in own}
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname}  # `import name as name` hands it on
    return frozenset(names)


def test_functions_of_one_step_are_in_the_files_that_it_names() -> None:
    page = ROOT / "docs/one_step.md"
    pairs = re.findall(r"`([\w/]+\.py)`:((?:[\s,]*`[\w.]+`)+)", page.read_text(encoding="utf-8"))
    assert len(pairs) > 30
    wrong = [(file, name) for file, names in pairs for name in re.findall(r"`([\w.]+)`", names)
             if name not in defined(ROOT / file)]  # fmt: skip
    assert not wrong
    everywhere = set().union(*(defined(file) for file in ROOT.glob("rayrl/**/*.py")))
    methods = {code for code in codes(page) if re.fullmatch(r"_?[A-Z]\w+\.\w+", code)}
    assert not methods - everywhere


def rayrl_commands() -> list[list[str]]:
    shown = [words for page in PAGES for words in commands(page)]
    shown += [code.split() for page in PAGES for code in codes(page) if re.match(r"rayrl \w+ [^-\s]", code)]
    return [words[1:] for words in shown if words[0].rpartition("/")[2] == "rayrl"]


@pytest.mark.parametrize("words", rayrl_commands(), ids=" ".join)
def test_commands_are_what_the_command_line_takes(words: list[str]) -> None:
    known, rest = cli.parser().parse_known_args(words)  # an unknown option of ours goes to `rest`
    if known.command not in CONFIGS:
        assert not rest or known.command == "divergence"
        return
    settings = CONFIGS[known.command]
    overrides = parse_overrides(rest, settings)
    path = Path(known.models[0]) if known.command == "eval" else known.config
    if path.parts[0] == "runs" or str(path).isupper():  # of a run of the reader's
        return
    load_config(ROOT / path, overrides, kind_of(ROOT / path) if known.command == "k8s" else settings)


def test_other_commands_name_targets_files_and_options_that_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    seen = set()
    for words in (words for page in PAGES for words in [*commands(page), *map(str.split, codes(page))]):
        match words:
            case ["make", target]:
                assert target in targets, target
            case ["launch/submit.sh", config, *rest]:
                load_config(ROOT / config, parse_overrides(rest, GRPOConfig), GRPOConfig)
            case [python, "-m", module, *rest] if python.endswith("python") and module.startswith("tests."):
                source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text()
                assert not [word for word in rest if word.startswith("--") and f'"{word}"' not in source], words
            case _:
                continue
        seen.add(words[0])
    assert {"make", "launch/submit.sh"} <= seen


def resolves(settings: Any, path: list[str]) -> bool:
    """Whether a dotted name is a setting. Below mappings of the user's own names anything may stand."""
    if not path:
        return True
    models = [part for part in (settings, *get_args(settings)) if isinstance(part, type) and issubclass(part, Settings)]
    if not models:
        return any(part is not type(None) for part in get_args(settings))
    return any(path[0] in m.model_fields and resolves(m.model_fields[path[0]].annotation, path[1:]) for m in models)


@every_page
def test_settings_that_are_named_exist(page: Path) -> None:
    tops = {name for settings in CONFIGS.values() for name in settings.model_fields}
    named = [re.match(r"([a-z_]+)((?:\.[a-z_]+)+)(?=: |$)", code) for code in codes(page)]
    paths = [found[0].split(".") for found in named if found and found[1] in tops and found[2] not in FILES]
    assert not [path for path in paths if not any(resolves(settings, path) for settings in CONFIGS.values())]


def validate_section(tree: Mapping[str, Any]) -> None:
    """A piece of a config, put into a whole one of its kind."""
    settings, whole = (
        (SynthConfig, "configs/finance/synth.yaml") if "documents" in tree else (GRPOConfig, "configs/demo/grpo.yaml")
    )
    validated(settings, "a block of a page", yaml.safe_load((ROOT / whole).read_text()) | tree)


@every_page
def test_pieces_of_configs_are_valid(page: Path) -> None:
    for block in blocks(page, "yaml"):
        validate_section(yaml.safe_load(block.text))
    for code in codes(page):
        if re.match(r"rewards: \[", code):
            validate_section(yaml.safe_load(code))


@every_page
def test_metrics_that_are_named_are_logged(page: Path) -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("rayrl/**/*.py"))
    named = {code for code in codes(page) if re.fullmatch(r"(reward|policy|sync|train|generate|verify)/\w+", code)}
    assert not {name for name in named if name not in source and not (ROOT / "rayrl" / name).exists()}


@every_page
def test_pieces_of_python_are_lines_of_the_examples(page: Path) -> None:
    lines = {line for file in ROOT.glob("examples/*.py") for line in file.read_text().splitlines()}
    shown = [line for block in blocks(page, "python") for line in block.text.splitlines() if "..." not in line]
    assert not set(shown) - lines


def table(page: Path, heading: str) -> list[str]:
    """First cells of the table whose head begins with `heading`, without backticks."""
    text = page.read_text(encoding="utf-8")
    rows = text[text.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [re.split(r"(?<!\\)\|", row)[1].replace("`", "").strip() for row in rows]


def test_tables_hold_what_the_code_has() -> None:
    classes, codes_of = [RayrlError], {0, 130}
    while classes:
        kind = classes.pop()
        codes_of.add(kind.exit_code)
        classes += kind.__subclasses__()
    training = ROOT / "docs/training.md"
    assert {int(cell) for cell in table(training, "exit code")} == codes_of
    rewards = {name for cell in table(training, "function") for name in cell.split(", ")}
    assert rewards == {*BUILT_IN_REWARDS, "package.module:function"}
    sets = {
        name for cell in table(ROOT / "docs/data.md", "name") for name in cell.removesuffix(" (files only)").split(", ")
    }
    assert sets == set(SETS)
    assert set(PRESETS) <= set(codes(training))


async def test_the_verdicts_shown_are_those_that_the_verifier_gives() -> None:
    rows, verdicts = (
        [json.loads(line) for line in block.text.splitlines()] for block in blocks(ROOT / "docs/verifiers.md", "json")
    )
    actor = VerifierActor([{"function": "finance"}], VerifierSettings(deadline_s=60), "gold")
    try:
        given = await actor.judge(rows)
    finally:
        await actor.close()
    assert [{"line": line, **asdict(verdict)} for line, verdict in enumerate(given, 1)] == verdicts


def test_the_readme_is_short_and_the_lab_notes_are_newest_first() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    parts = re.findall(r"^## (.*)", (ROOT / "docs/lab_notes.md").read_text(encoding="utf-8"), re.MULTILINE)
    dates = [date.fromisoformat(part[:10]) for part in parts]
    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize("name", ["metrics", "settings"])
def test_pages_that_are_made_from_code_are_up_to_date(name: str) -> None:
    spec = importlib.util.spec_from_file_location(f"{name}_page", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == module.page(), "run `make docs`"


def test_the_page_of_settings_names_every_setting_of_the_demo() -> None:
    named = set(codes(ROOT / "docs/settings.md"))
    config = yaml.safe_load((ROOT / "configs/demo/grpo.yaml").read_text())
    paths = {f"{top}.{name}" for top, part in config.items() if isinstance(part, dict) for name in part}
    shown_once = {path.replace("train_data.", "eval_data.") for path in paths}
    assert len(paths) > 10
    assert not {path for path in shown_once if not path.startswith("eval_data.options")} - named

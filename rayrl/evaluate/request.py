"""What `rayrl eval` is asked for: settings of a config or of a run, and the models that they are for."""

from pathlib import Path
from typing import Any

from rayrl.config import (
    EvalConfig,
    GRPOConfig,
    OutputSettings,
    SFTConfig,
    on_gpus,
    parse_overrides,
    read_config,
    with_overrides,
)
from rayrl.errors import ConfigError
from rayrl.gpus import gpus_here

TRAINING_ONLY = (set(GRPOConfig.model_fields) | set(SFTConfig.model_fields)) - set(EvalConfig.model_fields)
"""Sections of a run that say nothing of its evaluation."""


def read_request(named: list[str], rest: list[str]) -> tuple[EvalConfig, list[str]]:
    """(settings, models) of CONFIG and checkpoints as they are named on the command line, with the settings after them.

    The first name may be a config; without one the first run directory among them says what to evaluate. A config's own
    model is evaluated where no other is named.

    Raises:
        ConfigError: No settings are named, or they are wrong.
    """
    first = Path(named[0])
    models = named
    if first.suffix in (".yaml", ".yml"):
        source, models = first, named[1:]
    else:
        source = next((found for name in named if (found := _config_of_run(Path(name)))), first)
        if source == first:
            raise ConfigError(
                f"{named[0]!r} does not say what to evaluate; name a config before it, such as "
                "configs/eval/finance.yaml, or the directory of a run"
            )
    if extra := [name for name in models if Path(name).suffix in (".yaml", ".yml")]:
        raise ConfigError(f"{extra[0]!r}: one config, before the models; name checkpoints after it")
    tree = evaluation_part(read_config(source))
    config = with_overrides(EvalConfig, str(source), tree, parse_overrides(rest, EvalConfig))
    config = on_gpus(config, gpus_here())
    return config, models or [config.model.path]


def evaluation_part(tree: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run as those of its evaluation, which goes to a folder beside it: NAME-eval. Settings of an
    evaluation stay as they are."""
    if not TRAINING_ONLY & tree.keys():
        return tree
    kept = {name: value for name, value in tree.items() if name not in TRAINING_ONLY}
    run = tree.get("run") or {}
    kept["run"] = {name: value for name, value in run.items() if name in OutputSettings.model_fields}
    kept["run"] |= {"name": f"{run.get('name', 'run')}-eval", "overwrite": False}
    longest = (tree.get("sampling") or {}).get("max_tokens")
    own = tree.get("evaluation") or {}
    if longest is not None and own.get("max_tokens") is None:
        kept["evaluation"] = own | {"max_tokens": longest}
    return kept


def _config_of_run(path: Path) -> Path | None:
    config = path / "config.yaml"
    return config if config.is_file() and not (path / "config.json").is_file() else None

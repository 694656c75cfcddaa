"""Whether a trial that has run is the trial that is asked for now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rayrl.config import TrainingConfig
from rayrl.errors import ConfigError

ELSEWHERE = (  # where and how fast a run computes, not what
    *("run.dir", "run.resume", "run.overwrite", "run.max_failures", "run.deadlines", "run.wandb_project"),
    "run.tensorboard",
    *("generator", "verifier.actors", "verifier.processes_per_actor", "verifier.cpus"),
    *("learner.workers", "learner.cpus_per_worker", "learner.gpus_per_worker", "learner.threads"),
    *("learner.microbatch_tokens", "learner.activation_checkpointing", "estimate"),
    *("learner.replicate", "learner.compile", "checkpoint.background"),
)


def require_settings_match(run: Path, config: TrainingConfig) -> None:
    """Raises ConfigError where the run in this folder was made by other settings: its results are not this config's."""
    path = run / "config.yaml"
    if not path.exists():
        return
    before, now = _flat(yaml.safe_load(path.read_text())), _flat(config.model_dump(mode="json"))
    for name in {**before, **now}:
        ignored = any(name == one or name.startswith(f"{one}.") for one in ELSEWHERE)
        if not ignored and before.get(name) != now.get(name):
            raise ConfigError(
                f"resume: trial {run.name} ran with {name}: {before.get(name)!r}, and now it is {now.get(name)!r}; "
                f"set it back, remove {run} to run it again, or choose another name"
            )


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted name -> value."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found

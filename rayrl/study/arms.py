"""Arms of a study as whole run configs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayrl.config import GRPOConfig, SFTConfig, TrainingConfig, on_gpus, validated
from rayrl.errors import ConfigError
from rayrl.gpus import gpus_here
from rayrl.study.settings import Method, StudyConfig


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm: the config of its runs but for name and seed, and what it has of its own."""

    name: str
    method: Method
    config: TrainingConfig
    overrides: dict[str, Any]
    has_steps: bool
    """Its steps are its own, not the budget's."""


UNTRAINED = {"steps": 0, "evaluation": {"at_start": True}}
"""Settings of a GRPO run that evaluates the base and ends. Of an SFT run, with `epochs: 0` too."""


def merge_settings(*trees: Mapping[str, Any]) -> dict[str, Any]:
    """Settings put over settings: mappings are merged, all else is replaced."""
    result: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            below = result.get(key)
            result[key] = (
                merge_settings(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
            )
    return result


def run_config(method: Method, settings: Mapping[str, Any], where: str) -> TrainingConfig:
    """One run's config of a method. The base is a GRPO run of no steps.

    A trained arm does not evaluate the base again, unless it says so. One of no steps has a model of its own, trained
    elsewhere, and is evaluated. Raises ConfigError, which names `where`.
    """
    if method == "base":
        return on_gpus(validated(GRPOConfig, where, merge_settings(settings, UNTRAINED)), gpus_here())
    trains = settings.get("steps", method == "grpo") or (method == "sft" and settings.get("epochs", 1))
    tree = merge_settings({"evaluation": {"at_start": not trains}}, settings)
    return on_gpus(validated(SFTConfig if method == "sft" else GRPOConfig, where, tree), gpus_here())


def expand(config: StudyConfig) -> list[Arm]:
    """The arms, in their order, each validated as a whole.

    Raises:
        ConfigError: What is wrong with an arm, by its name.
    """
    for section in ("base", "grpo", "sft"):
        if config.study.budget and "steps" in getattr(config, section):
            raise ConfigError(f"{section}.steps: study.budget sets the steps of every arm; leave out one of the two")
    arms = []
    for name, given in config.arms.items():
        own = {key: value for key, value in given.items() if key != "method"}
        method: Method = given["method"]
        tree = merge_settings(config.base, config.sft if method == "sft" else config.grpo, own)
        has_steps = method == "base" or "steps" in own or config.study.budget is None
        placeholder = {} if has_steps else {"steps": 1}
        arms.append(
            Arm(name, method, run_config(method, merge_settings(tree, placeholder), f"arms.{name}"), own, has_steps)
        )
    return arms


def seeds_of(arm: Arm, seeds: list[int], tasks_sample: bool = False) -> list[int]:
    """Every seed; of the base only the first where all its completions are greedy and so the same. tasks_sample: those
    of a task of lm-evaluation-harness are not."""
    sets = arm.config.evaluation_sets
    greedy = not tasks_sample and all(one.temperature == 0 for one in sets if one.method == "generate")
    return seeds[:1] if arm.method == "base" and greedy else seeds


def trial_config(config: TrainingConfig, folder: Path, name: str, seed: int, steps: int) -> TrainingConfig:
    """The config of one trial: `folder`/`name`, seed, steps."""
    run = config.run.model_copy(update={"dir": folder, "name": name, "seed": seed, "resume": False})
    return config.model_copy(update={"run": run, "steps": steps})

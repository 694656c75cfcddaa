"""What a run reserves where its settings leave GPUs open: this machine's, where it has some."""

from typing import Any, TypeVar

from rayrl.config.generator import GeneratorSettings
from rayrl.config.settings import Settings, validated
from rayrl.config.training import TrainingConfig
from rayrl.errors import ConfigError

C = TypeVar("C", bound=Settings)


def on_gpus(config: C, count: int) -> C:
    """The settings, which have a `generator`, with what they leave open of `count` GPUs filled in: one for each
    generator and each learner rank, or one that both take turns on (`colocate`) where there are too few. A setting that
    is given, 0 too, is kept, and then nothing is filled in.

    Raises:
        ConfigError: There are some, and too few.
    """
    generator: GeneratorSettings = config.generator  # type: ignore[attr-defined]
    if not count or generator.engine != "vllm" or _given(config, generator):
        return config
    trains, replicas = isinstance(config, TrainingConfig), generator.replicas if getattr(config, "samples", True) else 0
    ranks = config.learner.workers if isinstance(config, TrainingConfig) else 0
    filled: dict[str, Any] = {"generator": {"gpus": 1}} | ({"learner": {"gpus_per_worker": 1}} if trains else {})
    if count < replicas + ranks:
        if not (count >= ranks == replicas and _can_turn(config)):
            raise ConfigError(
                f"this machine has {count} GPUs for {replicas} generators and {ranks} learner ranks: lower "
                "generator.replicas or learner.workers; or set generator.gpus and learner.gpus_per_worker (0: CPU), or "
                "colocate, yourself (docs/cluster.md)"
            )
        filled["colocate"] = True
    tree = config.model_dump(exclude_unset=True)
    for name, value in filled.items():
        tree[name] = tree.get(name, {}) | value if isinstance(value, dict) else value
    if isinstance(config, TrainingConfig) and "compute_dtype" not in config.model.model_fields_set:
        tree["model"] = tree["model"] | {"compute_dtype": "bfloat16"}
    return validated(type(config), f"on the {count} GPUs of this machine", tree)


def _given(config: Settings, generator: GeneratorSettings) -> bool:
    """Whether the settings say what is on GPUs."""
    if "gpus" in generator.model_fields_set:
        return True
    return isinstance(config, TrainingConfig) and (
        "colocate" in config.model_fields_set or "gpus_per_worker" in config.learner.model_fields_set
    )


def _can_turn(config: Settings) -> bool:
    beside = isinstance(config, TrainingConfig) and config.evaluation.beside_training
    return not (getattr(config, "max_staleness", 0) or beside)

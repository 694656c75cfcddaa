"""What is known of a run that is to be elsewhere: from its settings and config.json, without its data and machines."""

from functools import cached_property
from pathlib import Path

from rayrl.config import GRPOConfig, SFTConfig, TrainingConfig, read_config
from rayrl.errors import ConfigError, ModelError
from rayrl.train.cluster import generator_replicas, takes_turns
from rayrl.train.memory import microbatch_of
from rayrl.train.phase_times import cache_room
from rayrl.train.plan import RunPlan
from rayrl.units import GB


class SettingsPlan(RunPlan):
    """The plan of a run whose data need not be here: rows are as long as the settings allow."""

    @cached_property
    def largest_microbatch(self) -> int:
        config = self.config
        longest = config.target.max_tokens if isinstance(config, SFTConfig) else config.prompt.max_tokens
        return microbatch_of(config, longest) if self._trains else 0


def kind_of(path: Path) -> type[TrainingConfig]:
    """Whose settings a file holds: those of `rayrl grpo` or of `rayrl sft`.

    Raises:
        ConfigError: It has no setting that only one of them knows.
    """
    given = set(read_config(path))
    for kind, other in ((GRPOConfig, SFTConfig), (SFTConfig, GRPOConfig)):
        if given & (set(kind.model_fields) - set(other.model_fields)):
            return kind
    raise ConfigError(
        f"{path}: neither a config of rayrl grpo nor of rayrl sft; name group_size (grpo) or examples_per_step (sft) "
        "in it"
    )


def of_other_machines(config: TrainingConfig) -> tuple[TrainingConfig, list[str]]:
    """The settings with what they leave to the processor of this machine filled in, and words of a command line that
    say so to the run.

    On GPUs that is bfloat16, which the run must be told: the processor of its head's pod need not be as fast. On CPU
    the pod's processor says it, and float32 is what takes more memory.
    """
    model, generator = config.model, config.generator
    dtype = "bfloat16" if config.learner.gpus_per_worker else "float32"
    words = []
    if "compute_dtype" not in model.model_fields_set:
        model = model.model_copy(update={"compute_dtype": dtype})
        words = ["--model.compute_dtype", dtype] if config.learner.gpus_per_worker else []
    if not generator.gpus:
        generator = generator.model_copy(update={"options": {"dtype": "float32"} | generator.options})
    return config.model_copy(update={"model": model, "generator": generator}), words


def require_gpu_memory(plan: RunPlan) -> None:
    """Raises ModelError where a GPU of `estimate.hbm_gb` cannot hold its part of the run."""
    config, hbm, path = plan.config, plan.config.estimate.hbm_gb, repr(plan.config.model.path)
    learner, generator = config.learner, config.generator
    if learner.gpus_per_worker and plan.learner_bytes > learner.gpus_per_worker * hbm * GB:
        raise ModelError(
            f"model.path: a learner rank of {path} takes about {plan.learner_bytes / GB:.1f} GB of a GPU (at most "
            f"{plan.activation_bytes / GB:.1f} GB of it activations), and has {learner.gpus_per_worker * hbm:g} GB "
            f"(--gpu-memory {hbm:g}); raise learner.workers ({learner.workers}), lower learner.microbatch_tokens "
            f"({learner.microbatch_tokens}), set learner.activation_checkpointing, freeze more (freeze.preset), or "
            "train an adapter"
        )
    if takes_turns(config) and plan.device_bytes > hbm * GB:
        raise ModelError(
            f"colocate: a learner rank of {path} and the generator beside it take about "
            f"{plan.device_bytes / GB:.1f} GB of a GPU (generator.kv_cache_gb {generator.kv_cache_gb:g}), and it has "
            f"{hbm:g} GB (--gpu-memory); raise learner.workers and generator.replicas, or lower generator.kv_cache_gb"
        )
    longest = 2 * plan.structure.key_value_width * config.longest_sample
    if generator_replicas(config) and generator.gpus and cache_room(config, plan.generator_bytes) < longest:
        raise ModelError(
            f"model.path: a generator of {path} takes {plan.generator_bytes / GB:.1f} GB for weights and "
            f"{longest / GB:.1f} GB for one sequence of {config.longest_sample} tokens, and has {generator.gpus:g} x "
            f"{hbm:g} GB (--gpu-memory) x {generator.gpu_memory_utilization:g} (generator.gpu_memory_utilization); "
            "raise generator.tensor_parallel_size and generator.gpus alike"
        )

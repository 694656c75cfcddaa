"""Every setting of a run: pydantic models, YAML plus dotted command-line overrides. Unknown keys are errors.

Four words speak of batch sizes and nothing else does: `prompts_per_step` (P), `group_size` (G), `updates_per_step`
and `microbatch_tokens`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rayrl import processor
from rayrl.errors import ConfigError
from rayrl.overrides import parse_overrides as parse_overrides
from rayrl.overrides import put
from rayrl.plugins import is_import_path


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, validate_default=True)


class RunSettings(Settings):
    name: str = "grpo"
    """Name of the run; its files go to `dir`/`name`."""
    dir: Path = Path("runs")
    """Folder of all runs. On several machines: a folder that all of them see."""
    seed: int = 42
    """Seeds prompts' order, sampling, initialisation and dropout."""
    resume: bool = False
    """Go on from the newest checkpoint of a run of this name. False: a run of this name must not exist yet."""
    overwrite: bool = False
    """Remove a run of this name first."""
    max_failures: int = Field(2, ge=0)
    """How often dead learner workers are restarted from the newest checkpoint before the run fails."""
    deadline_s: float = Field(600.0, gt=0)
    """Longest wait for any one thing (a batch, a weight sync, an actor's start) before the run fails and says for
    what it waited, in seconds."""
    samples_per_step: int = Field(4, ge=0)
    """Prompts whose completions are written to rollouts/ each step."""
    wandb_project: str | None = None
    """Weights & Biases project; None: metrics.jsonl only."""


class ModelSettings(Settings):
    path: str
    """Folder of a Hugging Face model, a hub name, or `embedded:smollm2-135m` (needs no download)."""
    chat_template: Path | None = None
    """Jinja file of the chat template, for a tokenizer that has none (base models), or instead of its own. The exported
    model gets it."""
    attention: Literal["blocks", "flex"] = "blocks"
    """Attention of the learner. blocks: plain matmuls over what each segment sees; flex: FlexAttention (CUDA)."""
    compute_dtype: Literal["bfloat16", "float32"] = Field(default_factory=processor.compute_dtype)
    """Type of forward and backward. Weights that train, and the optimiser, are float32. Left out: bfloat16, but float32
    on x86 processors without AVX-512, whose bfloat16 is slow (generators on them do likewise)."""

    @field_validator("chat_template")
    @classmethod
    def absolute(cls, path: Path | None) -> Path | None:
        return path and path.absolute()  # actors run in folders of their own


class DatasetSettings(Settings):
    source: str
    """A dataset of rayrl/data/named.py (`gsm8k` from the hub, `gsm8k:FILE` as its authors publish it),
    `reasoning_gym:TASK`, a .jsonl, .json, .parquet or .csv file or pattern of such, a hub name, or
    `package.module:function` (called with `options`, returns rows)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Passed to the source: the dataset's or task's own settings, or `datasets.load_dataset`'s."""
    question_column: str = "question"
    """Column with the problem: text, or a chat (list of role and content) whose last message asks it, with its tools in
    the column `tools`."""
    answer_column: str = "answer"
    """Column with the gold answer."""
    size: int | None = Field(None, ge=1)
    """Rows to use (reasoning_gym: to generate). None: all."""
    seed: int = 0
    """Seed of generated rows. Train and held-out must differ."""
    bad_golds: Literal["error", "skip"] = "error"
    """What to do about rows without a question or an answer, with a gold that no verifier can read, without text for a
    template, or that the chat template refuses: end with their list, or leave them out and say how many."""


class PromptSettings(Settings):
    system: str | None = None
    """System message; None: the chat template's own default."""
    template: str = "{question}"
    r"""User message; `{column}` is replaced by the row's column, `{{` is one brace. Braces around no plain word, as in
    `\boxed{}`, stay."""
    max_tokens: int = Field(512, ge=1)
    """Longest prompt, in tokens. Longer ones are left out, counted and listed."""


class RewardSettings(Settings):
    function: str
    """`maths`, `finance`, `choice` (verifiers), `format` (think and answer tags), `length` (soft overlong penalty), or
    `package.module:function` called as `f(completions, **columns)` returning `list[float | None]`; None means no
    reward for this completion. `columns` are the row's, and `completion_tokens`."""
    weight: float = 1.0
    """Factor in the sum of rewards."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the verifier or function."""


class VerifierSettings(Settings):
    actors: int = Field(1, ge=1)
    """Verifier actors."""
    processes_per_actor: int = Field(1, ge=1)
    """Killable worker processes in each."""
    deadline_s: float = Field(5.0, gt=0)
    """Longest time for one completion; then its worker is killed and the verdict is `timeout`, in seconds."""
    memory_limit_mb: int = Field(2048, ge=256)
    """Address space of one worker process, in MB."""
    cpus: float = Field(0.0, ge=0)
    """CPUs that Ray reserves for each actor."""


class SamplingSettings(Settings):
    temperature: float = Field(1.0, ge=0)
    """Softmax temperature of rollouts. 0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of rollouts; in GRPO 1 (all tokens), so that sampler and learner speak of one distribution. Evaluations
    have their own."""
    max_tokens: int = Field(256, ge=1)
    """Longest completion, in tokens."""


PROCESSED = "processed_logprobs"
"""vLLM's log-probabilities of the distribution that is sampled from, temperature included."""


class GeneratorSettings(Settings):
    engine: str = "vllm"
    """`vllm`, or `package.module:Class` that has the methods of rayrl.generate.engine.Engine."""
    replicas: int = Field(1, ge=1)
    """Generator actors, each with a copy of the model."""
    tensor_parallel_size: int = Field(1, ge=1)
    """GPUs over which one copy is split."""
    cpus: float = Field(1.0, ge=0)
    """CPUs that Ray reserves for each actor."""
    gpus: float = Field(0.0, ge=0)
    """GPUs that Ray reserves for each actor."""
    threads: int | None = Field(None, ge=1)
    """Compute threads of vLLM on CPU. None: one for each core."""
    max_concurrent_prompts: int = Field(64, ge=1)
    """Prompts in flight on one generator."""
    max_sequences: int = Field(256, ge=1)
    """Sequences that vLLM runs at once."""
    kv_cache_gb: float = Field(1.0, gt=0)
    """KV cache on CPU, in GB."""
    gpu_memory_utilization: float = Field(0.85, gt=0, le=1)
    """Share of the GPU's memory that vLLM takes."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further vLLM engine arguments, as named there."""


Band = tuple[Annotated[float, Field(ge=0)], float]
"""Least and largest ratio learner / generator that is kept; 1 lies between."""


class ObjectiveSettings(Settings):
    name: Literal["grpo", "dr_grpo", "dapo", "gspo", "rloo", "cispo"] = "dr_grpo"
    """Preset of the parts below: a part left at None takes the preset's value.
    dr_grpo (arXiv:2503.20783): mean, no std, token ratio, constant normaliser, ppo surrogate, clip 0.2.
    grpo (arXiv:2402.03300): the same with std and the sequence normaliser.
    dapo (arXiv:2503.14476): std, token normaliser, clip_high 0.28, truncated completions masked.
    gspo (arXiv:2507.18071): grpo with the sequence ratio, clip 3e-4 and 4e-4.
    rloo (arXiv:2402.14740): dr_grpo with the leave-one-out baseline.
    cispo (arXiv:2506.13585): std, token normaliser, cispo surrogate, clip 1 (no lower bound) and 4 (a ratio of at most
    5, arXiv:2510.13786)."""
    baseline: Literal["mean", "leave_one_out"] | None = None
    """What a reward is compared with: its group's mean, or the mean of the group's other rewards."""
    scale_by_std: bool | None = None
    """Divide a group's advantages by its standard deviation."""
    ratio: Literal["token", "sequence"] | None = None
    """Policy ratio (and importance weight) of each token, or of the sequence: the geometric mean over its tokens."""
    normalizer: Literal["token", "sequence", "constant"] | None = None
    """What the summed loss is divided by: all loss tokens; each sequence's tokens, then sequences; or sequences x
    `sampling.max_tokens` (arXiv:2503.20783)."""
    surrogate: Literal["ppo", "cispo"] | None = None
    """What the clip does. ppo (arXiv:1707.06347, eq. 7): a token whose ratio has left the clip range has no gradient.
    cispo (arXiv:2506.13585): it keeps one, with the clipped ratio as its weight."""
    clip_low: float | None = Field(None, gt=0)
    """Lower clip distance of the policy ratio: 1 - clip_low; from 1 on there is no lower bound. The ratio is exactly 1
    in the first update of a step, so clips act where `updates_per_step` is above 1."""
    clip_high: float | None = Field(None, gt=0)
    """Upper clip distance of the policy ratio: 1 + clip_high."""
    mask_truncated: bool | None = None
    """Leave completions that hit the length limit out of the loss."""
    importance_cap: float | None = Field(2.0, gt=0)
    """Truncated importance sampling: the importance weight learner / generator, at most this (TRL: token_truncate;
    verl: rollout_is). None: no correction. Off where `importance_mask` is set."""
    importance_mask: Band | None = None
    """IcePop (arXiv:2510.18855), instead of the cap: the importance weight within this band, and 0 outside, such as
    [0.5, 5.0] (TRL: token_mask)."""
    geometric_mask: Band | None = None
    """Leave sequences out of the loss whose geometric mean of learner / generator lies outside this band, such as
    [0.99, 1.01] (Liu, Li et al. 2025, richardli.xyz/rl-collapse; verl: rollout_rs seq_mean_k1). Acts beside cap or
    mask."""
    kl_coefficient: float = Field(0.0, ge=0)
    """Weight of the KL divergence to the model that training started from (k3 estimator, arXiv:2402.03300 eq. 4).
    Above 0 it costs a forward pass more and a copy, in `model.compute_dtype`, of the weights that train."""

    @field_validator("importance_mask", "geometric_mask")
    @classmethod
    def holds_one(cls, band: Band | None) -> Band | None:
        if band is not None and not band[0] < 1 < band[1]:
            raise ValueError("a band [low, high] must hold 1, the ratio of equal policies: low < 1 < high")
        return band

    @model_validator(mode="after")
    def one_correction(self) -> Self:
        if self.importance_mask is not None and self.importance_cap is not None:
            if "importance_cap" in self.model_fields_set:
                raise ValueError(
                    f"importance_cap ({self.importance_cap:g}) cannot act beside importance_mask "
                    f"({list(self.importance_mask)}), which takes its place; leave one of them out"
                )
            self.importance_cap = None
        return self

    def resolved(self) -> "ObjectiveSettings":
        """The same with every None replaced by the preset's value."""
        parts = _DR_GRPO | _OBJECTIVES[self.name]
        return self.model_copy(update={key: value for key, value in parts.items() if getattr(self, key) is None})

    def idle(self, updates_per_step: int) -> list[str]:
        """The parts that are set, and that cannot change the gradient at so many updates a step."""
        if updates_per_step > 1:
            return []
        parts = ["surrogate", "clip_low", "clip_high"]
        if self.importance_cap is None and self.importance_mask is None:
            parts.append("ratio")
        return [part for part in parts if part in self.model_fields_set and getattr(self, part) is not None]


_DR_GRPO: dict[str, Any] = {
    "baseline": "mean",
    "scale_by_std": False,
    "ratio": "token",
    "normalizer": "constant",
    "surrogate": "ppo",
    "clip_low": 0.2,
    "clip_high": 0.2,
    "mask_truncated": False,
}
# What each preset changes.
_OBJECTIVES: dict[str, dict[str, Any]] = {
    "dr_grpo": {},
    "grpo": {"scale_by_std": True, "normalizer": "sequence"},
    "dapo": {"scale_by_std": True, "normalizer": "token", "clip_high": 0.28, "mask_truncated": True},
    "gspo": {"scale_by_std": True, "normalizer": "sequence", "ratio": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
    "rloo": {"baseline": "leave_one_out"},
    "cispo": {"scale_by_std": True, "normalizer": "token", "surrogate": "cispo", "clip_low": 1.0, "clip_high": 4.0},
}


class FreezeRule(Settings):
    match: str = "*"
    """Glob over parameter names (`*.mlp.*`, `*.q_proj.*`), as `transformers` names them."""
    layers: str | None = None
    """Layers it speaks of: `19-25`, `3,5`, or fractions of depth `0.6-0.8`. None: any, and what is in no layer."""
    train: bool
    """True: the matched parameters train. False: they are frozen."""


class FreezeSettings(Settings):
    preset: str = "none"
    """`none`, `qk_only`, `qk_and_head`, `attention_only`, `mlp_only`, `freeze_mid_mlps`, `embeddings_frozen`,
    `last_N` (a number), or `package.module:function` that returns rules."""
    rules: list[FreezeRule] = Field(default_factory=list)
    """Applied after the preset, in order: the later wins. One that matches nothing is an error."""


class LoRASettings(Settings):
    """A low-rank adapter (arXiv:2106.09685) beside frozen base weights; `freeze` then says which modules get one."""

    rank: int = Field(16, ge=1, le=512)
    """Rank of each pair of matrices."""
    alpha: int = Field(32, ge=1)
    """The adapter's output is scaled by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter. GRPO takes 0 only: it compares probabilities of one policy."""
    targets: Literal["all-linear"] | list[str] = "all-linear"
    """Linear modules that get an adapter: `all-linear` (all but the head), or names such as `q_proj`."""
    quantize: Literal["nf4"] | None = None
    """nf4: the base's linear weights are held in 4 bits by bitsandbytes (QLoRA, arXiv:2305.14314)."""
    double_quantization: bool = True
    """With nf4: the scales of the blocks are quantised too."""
    merge: bool = False
    """What is exported. False: a PEFT folder. True: a whole model, the adapter added to the base's own weights (with
    nf4 to the original ones, not to those rounded to 4 bits that it was trained on)."""


class LearnerSettings(Settings):
    workers: int = Field(1, ge=1)
    """Ranks: FSDP2 shards the model over them."""
    cpus_per_worker: float = Field(1.0, ge=0)
    """CPUs that Ray reserves for each."""
    gpus_per_worker: float = Field(0.0, ge=0)
    """GPUs that Ray reserves for each: 0 (CPU, gloo) or 1 (NCCL)."""
    threads: int | None = Field(None, ge=1)
    """Torch threads of each on CPU. None: the machine's cores divided by `workers`."""
    learning_rate: float = Field(1e-6, gt=0)
    """Peak rate of AdamW."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Rate after warm-up: kept, or brought to 0 linearly or by a cosine."""
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of all updates in which the rate rises linearly from 0."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's betas."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this global norm."""
    microbatch_tokens: int = Field(16384, ge=1)
    """Most packed tokens of one forward and backward on a rank. Changes memory, never the result."""
    activation_checkpointing: bool = False
    """Recompute each layer's activations in backward."""


class EvalSettings(Settings):
    at_start: bool = True
    """Evaluate before the first step."""
    every_steps: int = Field(0, ge=0)
    """Evaluation every so many steps, beside that after the last; 0: after the last only."""
    temperature: float = Field(0.0, ge=0)
    """Sampling of held-out completions; 0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of held-out completions."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest held-out completion, in tokens; None: as in rollouts, in SFT 256."""


class BenchmarkSettings(Settings):
    """Problems that are evaluated beside the held-out ones, asked and scored in a way of their own."""

    data: DatasetSettings
    prompt: PromptSettings = PromptSettings()
    rewards: list[RewardSettings] = Field([RewardSettings(function="maths")], min_length=1)
    """As in the run; the first that is a verifier scores."""
    temperature: float | None = Field(None, ge=0)
    """Of its completions; None: as in `evaluation`."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Of its completions; None: as in `evaluation`."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest completion, in tokens; None: as in `evaluation`."""

    @field_validator("rewards")
    @classmethod
    def known(cls, rewards: list[RewardSettings]) -> list[RewardSettings]:
        return known_rewards(rewards)


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """One set of problems that a run evaluates, with nothing left open."""

    name: str
    field: str
    """Of the config, for messages."""
    data: DatasetSettings
    prompt: PromptSettings
    rewards: list[RewardSettings]
    temperature: float
    top_p: float
    max_tokens: int


HELD_OUT = "held_out"
"""Name of the set that is `eval_data`."""


class CheckpointSettings(Settings):
    every_steps: int = Field(10, ge=1)
    """Full state (weights, optimiser, cursor, RNG) every so many steps, and after the last."""
    keep: int = Field(1, ge=1)
    """Newest full checkpoints that are kept."""


class TargetSettings(Settings):
    template: str = "{answer}"
    """Assistant message that is learned; `{column}` is replaced by the row's column."""
    messages_column: str | None = None
    """Column with a chat (list of role and content): every assistant message is learned, with its tool calls, and
    `prompt.template` and `template` are not used. `prompt.system` is put before a chat that has no system message. The
    chat template also gets the column `tools` (JSON schemas of functions)."""
    loss: Literal["answers", "all"] = "answers"
    """Tokens that bear a loss: the assistant's, or all."""
    max_tokens: int = Field(4096, ge=2)
    """Longest example (prompt and answer), in tokens."""
    too_long: Literal["drop", "truncate"] = "drop"
    """What happens to longer ones: left out, or cut at the end. Both are counted and listed."""
    share_column: str | None = None
    """Rows with the same value here (such as `context`) stay together, and what their prompts begin with is computed
    once. None: each row alone."""


class TextSettings(Settings):
    """Texts on which the distribution of each next token is compared with the base's."""

    data: DatasetSettings
    """Rows with a question and a reference answer."""
    prompt: PromptSettings | None = None
    """System message and template. None: the run's own; of `rayrl divergence`, the defaults."""
    template: str = "{answer}"
    """Assistant message; `{column}` is replaced by the row's column."""
    max_tokens: int = Field(2048, ge=2)
    """Longest text (prompt and answer), in tokens. Longer ones are left out and counted."""


class TrainingConfig(Settings):
    """What GRPO and SFT have in common."""

    command: ClassVar[str]
    """`rayrl COMMAND CONFIG` runs it."""

    run: RunSettings = RunSettings()
    model: ModelSettings
    train_data: DatasetSettings
    eval_data: DatasetSettings | None = None
    benchmarks: dict[str, BenchmarkSettings] = Field(default_factory=dict)
    """Further sets of problems to evaluate, by names of your own. `held_out` is that of `eval_data`."""
    prompt: PromptSettings = PromptSettings()
    rewards: list[RewardSettings] = Field([RewardSettings(function="maths")], min_length=1)
    """Functions whose weighted sum is a completion's reward. The first that is a verifier also scores the held-out
    completions."""
    verifier: VerifierSettings = VerifierSettings()
    generator: GeneratorSettings = GeneratorSettings()
    freeze: FreezeSettings = FreezeSettings()
    adapter: LoRASettings | None = None
    """LoRA or QLoRA; None: the weights themselves train."""
    learner: LearnerSettings = LearnerSettings()
    evaluation: EvalSettings = EvalSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    drift: bool = True
    """Write to drift.jsonl, at each checkpoint, how far each matrix is from the base."""
    divergence: dict[str, TextSettings] = Field(default_factory=dict)
    """Sets of texts, by names of your own, whose KL divergence from the base goes to divergence.jsonl at the start and
    at each checkpoint."""
    steps: int = Field(ge=0)
    """Steps of the loop."""

    @field_validator("rewards")
    @classmethod
    def known(cls, rewards: list[RewardSettings]) -> list[RewardSettings]:
        return known_rewards(rewards)

    @field_validator("benchmarks")
    @classmethod
    def named(cls, benchmarks: dict[str, BenchmarkSettings]) -> dict[str, BenchmarkSettings]:
        for name in benchmarks:
            if name == HELD_OUT or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
                raise ValueError(
                    f"{name!r} is no benchmark's name: letters, digits, '_', '-', '.'; {HELD_OUT!r} is eval_data's"
                )
        return benchmarks

    @property
    def evaluation_sets(self) -> list[EvaluationSet]:
        """All that is evaluated, the held-out problems first."""
        common = self.evaluation
        sets = []
        if self.eval_data:
            how = (common.temperature, common.top_p, self.evaluation_tokens)
            sets.append(EvaluationSet(HELD_OUT, "eval_data", self.eval_data, self.prompt, self.rewards, *how))
        for name, own in self.benchmarks.items():
            temperature = common.temperature if own.temperature is None else own.temperature
            how = (temperature, own.top_p or common.top_p, own.max_tokens or self.evaluation_tokens)
            sets.append(EvaluationSet(name, f"benchmarks.{name}.data", own.data, own.prompt, own.rewards, *how))
        return sets

    @property
    def all_rewards(self) -> list[RewardSettings]:
        """Those of training and of each set that is evaluated."""
        return [*self.rewards, *(reward for one in self.evaluation_sets for reward in one.rewards)]

    @property
    def step_in_words(self) -> str:
        """What one step takes, for the plan."""
        raise NotImplementedError

    def resolved(self, steps: int) -> Self:
        """The same with what the settings leave open filled in."""
        return self.model_copy(update={"steps": steps})

    @property
    def evaluation_tokens(self) -> int:
        """Longest held-out completion."""
        return self.evaluation.max_tokens or 256

    @property
    def longest_sample(self) -> int:
        """Longest prompt with its completion that a generator is asked for, in tokens."""
        return max((one.prompt.max_tokens + one.max_tokens for one in self.evaluation_sets), default=0)

    @property
    def samples(self) -> bool:
        """Whether anything is sampled: held-out completions, or what is trained on."""
        return bool(self.evaluation_sets)

    @property
    def updates(self) -> int:
        """Optimiser updates of the whole run."""
        return self.steps

    @property
    def temperature(self) -> float:
        """Softmax temperature of the policy that is trained."""
        return 1.0

    @property
    def keeps_reference(self) -> bool:
        """Whether the learner needs the base model's log-probabilities."""
        return False

    @property
    def notices(self) -> list[str]:
        """What is set and cannot act, by name and with the reason: shown with the plan."""
        return []


class GRPOConfig(TrainingConfig):
    """Everything `rayrl grpo` needs."""

    command = "grpo"

    rewards: list[RewardSettings] = Field(min_length=1)
    """Functions whose weighted sum is a completion's reward. The first that is a verifier also scores the held-out
    completions."""
    target: TargetSettings | None = None
    """What an SFT run on the same rows learns. Rows that it would leave out (too long, no answer) are left out here
    too, so that both train on the same problems. None: every row whose prompt fits."""
    sampling: SamplingSettings = SamplingSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    steps: int = Field(ge=0)
    """Steps of the loop: each takes P prompts and makes `updates_per_step` updates. 0: the model is evaluated only."""
    prompts_per_step: int = Field(16, ge=1)
    """P: prompts sampled each step."""
    group_size: int = Field(8, ge=2)
    """G: completions of each prompt, whose mean reward is the baseline."""
    updates_per_step: int = Field(1, ge=1)
    """Optimiser updates made of one step's groups, each of its own share. Above 1 the later ones are clipped against
    the policy before the first, which costs a forward pass over their groups."""
    max_staleness: int = Field(0, ge=0)
    """Most updates by which the sampling policy may be behind the learner. 0: strictly on-policy."""

    @model_validator(mode="after")
    def check(self) -> "GRPOConfig":
        if self.prompts_per_step % self.updates_per_step:
            raise ValueError(
                f"prompts_per_step ({self.prompts_per_step}) must be a multiple of updates_per_step "
                f"({self.updates_per_step}): each update takes the same number of groups"
            )
        if self.adapter is not None and self.adapter.dropout:
            raise ValueError(
                f"adapter.dropout ({self.adapter.dropout}) must be 0: GRPO compares probabilities of one policy"
            )
        if self.sampling.top_p < 1:
            raise ValueError(
                f"sampling.top_p ({self.sampling.top_p:g}) must be 1: a nucleus gives its tokens more probability than "
                "the learner does, which biases every importance weight; lower sampling.temperature instead. "
                "evaluation.top_p is free"
            )
        if not self.sampling.temperature:
            raise ValueError(
                "sampling.temperature (0) must be above 0: greedy completions of one prompt are all alike, and teach "
                "nothing. evaluation.temperature is free"
            )
        if (mode := self.generator.options.get("logprobs_mode", PROCESSED)) != PROCESSED:
            raise ValueError(
                f"generator.options.logprobs_mode ({mode!r}) must be {PROCESSED!r}: the learner is compared with the "
                "distribution that is sampled from; leave it out"
            )
        return self

    @property
    def notices(self) -> list[str]:
        idle = self.objective.idle(self.updates_per_step)
        if not idle:
            return []
        named = ", ".join(f"objective.{part} ({getattr(self.objective, part)})" for part in idle)
        return [f"{named}: without effect, since at updates_per_step 1 the policy ratio is exactly 1"]

    @property
    def step_in_words(self) -> str:
        return f"{self.prompts_per_step} prompts x {self.group_size} completions, staleness <= {self.max_staleness}"

    def resolved(self, steps: int) -> Self:
        return self.model_copy(update={"steps": steps, "objective": self.objective.resolved()})

    @property
    def evaluation_tokens(self) -> int:
        return self.evaluation.max_tokens or self.sampling.max_tokens

    @property
    def longest_sample(self) -> int:
        return max(self.prompt.max_tokens + self.sampling.max_tokens, super().longest_sample)

    @property
    def samples(self) -> bool:
        return True

    @property
    def updates(self) -> int:
        return self.steps * self.updates_per_step

    @property
    def temperature(self) -> float:
        return self.sampling.temperature

    @property
    def keeps_reference(self) -> bool:
        return self.objective.kl_coefficient > 0


class SFTConfig(TrainingConfig):
    """Everything `rayrl sft` needs."""

    command = "sft"

    run: RunSettings = RunSettings(name="sft")
    target: TargetSettings = TargetSettings()
    normalizer: Literal["token", "sequence"] = "token"
    """What the summed loss of an update is divided by: all loss tokens; or each example's tokens, then examples."""
    examples_per_step: int = Field(16, ge=1)
    """Examples of one update."""
    prompts_per_step: ClassVar[int] = 0
    """Nothing is sampled to train on."""
    max_staleness: ClassVar[int] = 0
    steps: int = Field(0, ge=0)
    """Updates. 0: as many as `epochs` makes."""
    epochs: float = Field(1.0, ge=0)
    """Times that each example is seen, where `steps` is 0. 0: the model is evaluated only."""

    @property
    def step_in_words(self) -> str:
        return f"{self.examples_per_step} examples"


class SynthRun(Settings):
    name: str = "synth"
    """Name of the run; its files go to `dir`/`name`. A run that was cut off goes on when it is started again."""
    dir: Path = Path("runs")
    """Folder of all runs."""
    seed: int = 0
    """Seeds what the rules write, the language model's sampling, and the split."""
    overwrite: bool = False
    """Remove a run of this name first."""
    deadline_s: float = Field(600.0, gt=0)
    """Longest wait for one reply of a language model, or for a generator's start, in seconds."""


class SynthDocuments(Settings):
    paths: list[str] = Field(default_factory=list)
    """Files, folders (searched in depth) and patterns (`filings/**/*.pdf`) of .pdf, .html, .htm, .txt and .md."""
    written: int = Field(0, ge=0)
    """Filings of invented companies that the rules write into the run, beside `paths`. `writer: rules` needs them."""
    bad: Literal["error", "skip"] = "error"
    """What to do about files that cannot be read (encrypted, scanned, broken): end with their list, or leave them out
    and say how many. Either way they are listed in synth_report.json."""
    encoding: str | None = None
    """Of text and HTML files. Default: what a file says itself (its first bytes, a page's `<meta charset>`), else
    UTF-8."""
    deadline_s: float = Field(300.0, gt=0)
    """Longest time to read one PDF, in seconds."""


class ChunkSettings(Settings):
    unit: Literal["characters", "tokens"] = "characters"
    """What `size` and `overlap` count."""
    tokenizer: str | None = None
    """Model whose tokenizer counts tokens, as in `model.path`."""
    size: int = Field(8000, ge=50)
    """Longest chunk. Pages that fit stay whole."""
    overlap: int = Field(400, ge=0)
    """Most that a chunk repeats of the one before it, in whole lines."""
    near_duplicate: float = Field(0.9, gt=0, le=1)
    """A chunk that shares this much (Jaccard similarity of word triples) with an earlier one is asked nothing, and the
    documents of both go to the same side of the split."""

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if self.overlap > self.size // 2:
            raise ValueError(f"overlap ({self.overlap}) must be at most half of size ({self.size})")
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError("tokenizer goes with unit: tokens; set both or neither")
        return self


QuestionClass = Literal["extraction", "numeric_reasoning", "comparison", "yes_no", "multi_part", "unanswerable"]


class EndpointSettings(Settings):
    url: str
    """Base address of an OpenAI-compatible service, such as http://localhost:8000/v1."""
    model: str
    """Model name that it is asked for."""
    api_key_variable: str | None = None
    """Environment variable that holds the key. None: no key is sent."""
    json_schema: bool = True
    """Ask the service to hold replies to the JSON schema (`response_format`). Switch off where it cannot."""
    tries: int = Field(5, ge=1)
    """Attempts at a request that fails (no connection, status 429 or 5xx), with growing pauses, before the run ends."""


class QuestionSettings(Settings):
    writer: Literal["rules", "endpoint", "generators"] = "rules"
    """Who writes questions: rules (of `documents.written` only, certain answers), an OpenAI-compatible `endpoint`, or
    vLLM `generators` of the run's own."""
    classes: dict[QuestionClass, Annotated[int, Field(ge=0)]] = Field(
        default_factory=lambda: dict.fromkeys(get_args(QuestionClass), 1), min_length=1
    )
    """Questions of each class asked of a chunk. Fewer come where the chunk has no matter for them."""
    template: Path | None = None
    """Jinja file of the prompt. None: rayrl/synth/templates/questions.md.j2."""
    replies: int = Field(2, ge=1)
    """Times that a chunk is asked until a reply can be read; then it counts as failed."""
    concurrency: int = Field(32, ge=1)
    """Chunks asked at once."""


class FilterSettings(Settings):
    languages: list[str] = Field(default_factory=list)
    """Languages that questions may have (en, de, fr, es, it, pt, nl). Empty: any."""
    near_duplicate: float = Field(0.85, gt=0, le=1)
    """Questions of the same numbers that share this much (Jaccard similarity of word triples) are one."""
    figures: bool = True
    """Leave out answers with a figure that neither stands in the chunk nor follows from the evidence by one
    operation."""


class SplitSettings(Settings):
    test_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of documents whose questions are held out. Above 0, at least one document is. Documents that share a chunk,
    or half of the shorter one's text, stay together."""
    group: str | None = None
    """Regular expression on document names: those whose first bracket (or match) is the same stay together, such as
    `^([^_]+)_` for COMPANY_YEAR.pdf. None: each document alone."""

    @field_validator("group")
    @classmethod
    def compiles(cls, group: str | None) -> str | None:
        if group is not None:
            try:
                re.compile(group)
            except re.error as error:
                raise ValueError(f"{group!r} is no regular expression: {error}") from error
        return group


class SynthConfig(Settings):
    """Everything `rayrl synth` needs."""

    run: SynthRun = SynthRun()
    documents: SynthDocuments
    chunks: ChunkSettings = ChunkSettings()
    questions: QuestionSettings = QuestionSettings()
    endpoint: EndpointSettings | None = None
    """The service that `questions.writer: endpoint` asks."""
    model: ModelSettings | None = None
    """The model of `questions.writer: generators`."""
    generator: GeneratorSettings = GeneratorSettings()
    sampling: SamplingSettings = SamplingSettings(temperature=0.7, top_p=0.95, max_tokens=2048)
    prompt_tokens: int = Field(6144, ge=1)
    """Longest prompt (instructions and chunk) of `questions.writer: generators`, in tokens."""
    filters: FilterSettings = FilterSettings()
    split: SplitSettings = SplitSettings()

    @model_validator(mode="after")
    def complete(self) -> Self:
        writer = self.questions.writer
        if not self.documents.paths and not self.documents.written:
            raise ValueError("documents: give paths, or let the rules write some (documents.written: 20)")
        if writer == "rules" and not self.documents.written:
            raise ValueError(
                "questions.writer: rules know only the filings that they wrote: set documents.written, or choose "
                "endpoint or generators"
            )
        if writer == "endpoint" and self.endpoint is None:
            raise ValueError("questions.writer: endpoint needs the section endpoint (url, model)")
        if writer == "generators" and self.model is None:
            raise ValueError("questions.writer: generators need the section model (path)")
        return self


BUILT_IN_REWARDS = ("maths", "finance", "choice", "format", "length")


def known_rewards(rewards: list[RewardSettings]) -> list[RewardSettings]:
    """The same; raises ValueError for a function that is neither built in nor an import path."""
    for reward in rewards:
        if reward.function not in BUILT_IN_REWARDS and not is_import_path(reward.function):
            raise ValueError(
                f"function {reward.function!r} is neither built in ({', '.join(BUILT_IN_REWARDS)}) nor an import "
                "path 'package.module:function'"
            )
    return rewards


C = TypeVar("C", bound=Settings)


def _explain(error: ValidationError, where: str, settings: type[Settings]) -> str:
    lines = [f"{where}:"]
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"]) or "(top level)"
        if item["type"] == "extra_forbidden":
            lines.append(f"  {field}: unknown setting (value {item['input']!r}); {_known(item['loc'], settings)}")
        elif item["type"] == "missing":
            lines.append(f"  {field}: missing, and has no default")
        else:
            fix = "; put text into quotes" if item["type"] == "string_type" else ""
            lines.append(f"  {field}: {item['msg']} (value {item['input']!r}){fix}")
    return "\n".join(lines)


def _known(location: tuple[int | str, ...], settings: type[Settings]) -> str:
    import difflib

    model: Any = settings
    for part in location[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            candidates = [annotation, *getattr(annotation, "__args__", ())]
            models = [c for c in candidates if isinstance(c, type) and issubclass(c, Settings)]
            model = models[0] if models else model
    close = difflib.get_close_matches(str(location[-1]), list(model.model_fields), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(model.model_fields)}"


def validated(settings: type[C], where: str, values: Mapping[str, Any]) -> C:
    """`values` as settings, or ConfigError with `where`, field, value and fix."""
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, where, settings)) from error


def load_config(path: Path, overrides: dict[str, Any], settings: type[C]) -> C:
    """Reads a YAML file, applies dotted overrides, validates as `settings`.

    Raises:
        ConfigError: No such file, not YAML, an unknown key, a wrong type or value; names field, value and fix.
    """
    if not path.is_file():
        raise ConfigError(f"config file {str(path)!r} does not exist")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{path}: not valid YAML: {error}\n(text with ': ', ' #', '{{' or a special first character needs quotes)"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must hold settings (a mapping), holds {type(tree).__name__}")
    return with_overrides(settings, str(path), tree, overrides)


def with_overrides(settings: type[C], where: str, tree: dict[str, Any], overrides: Mapping[str, Any]) -> C:
    """`tree` as settings, with dotted overrides put in. Raises as `validated` does."""
    for name, value in overrides.items():
        put(tree, name, value)
    return validated(settings, where, tree)


def dump_config(config: Settings) -> str:
    """The resolved settings as YAML that `load_config` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

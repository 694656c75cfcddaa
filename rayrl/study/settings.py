"""Settings of a study: what its arms share, what each has of its own, and what all are matched by."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from rayrl.config import GRPOConfig, Settings, SettingsOf, SFTConfig
from rayrl.config.settings import Name, require_name
from rayrl.metric_table import find_metric

AMOUNTS = ("updates", "samples", "tokens", "flops")
"""What a budget can be given in."""
Method = Literal["base", "grpo", "sft"]
PartialRunSettings = Annotated[dict[str, Any], SettingsOf((GRPOConfig, SFTConfig))]
"""Settings of a run that are whole, and validated, only together with others."""


class BudgetSettings(Settings):
    """What every arm is given alike: one of the four amounts. It sets each arm's steps, rounded to the nearest."""

    updates: int | None = Field(None, ge=1)
    """Optimizer updates."""
    samples: int | None = Field(None, ge=1)
    """Sequences learned from: completions in GRPO, examples in SFT."""
    tokens: int | None = Field(None, ge=1)
    """Tokens that the learner sees."""
    flops: float | None = Field(None, gt=0)
    """Floating-point operations of learner and generators (`rayrl study CONFIG --dry-run` shows the estimate)."""
    completion_tokens: int | None = Field(None, ge=1)
    """Mean length of a completion that GRPO's tokens and FLOPs are reckoned with. None: `sampling.max_tokens`."""

    @property
    def kind(self) -> str:
        """Name of the amount that is given."""
        return next(name for name in AMOUNTS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def one(self) -> Self:
        given = [name for name in AMOUNTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of updates, samples, tokens and flops; given: {', '.join(given) or 'none'}")
        return self


class StopSettings(Settings):
    """When a trial is ended early. Its state is then `stopped`."""

    not_finite: bool = True
    """At a loss, gradient norm or reward that is NaN or infinite."""
    reward_below: float | None = None
    """Where the mean reward stays below this for `patience` steps in a row (GRPO). None: never."""
    patience: int = Field(5, ge=1)
    """Steps in a row."""


class TrialsSettings(Settings):
    """What a study and a sweep have in common."""

    name: Name = "study"
    """Its files go to `dir`/`name`."""
    dir: Path = Path("runs")
    """Folder of all runs and studies. On several machines: a folder that all of them see."""
    resume: bool = False
    """Resume one of this name: finished trials are kept, interrupted ones resume from their checkpoint."""
    overwrite: bool = False
    """Remove one of this name first."""
    max_concurrent: int | None = Field(None, ge=1)
    """Most trials at once. None: as many as the cluster's resources (and, on this machine alone, memory) allow."""
    stop: StopSettings = StopSettings()

    @field_validator("dir")
    @classmethod
    def absolute(cls, path: Path) -> Path:
        return path.absolute()  # trials run in processes of their own, and a study may be resumed from elsewhere


class StudySettings(TrialsSettings):
    seeds: list[int] = Field(default_factory=lambda: [42], min_length=1)
    """Each arm is run with each. The base arm, where all evaluation is greedy, with the first alone."""
    budget: BudgetSettings | None = None
    """What all arms are matched by. An arm's own `steps` count for more. None: every arm has its own."""
    in_domain: list[str] | None = None
    """Benchmarks that measure what is trained; the others measure what is kept. None: `held_out`, where it is."""


class StudyConfig(Settings):
    """Everything `rayrl study` needs."""

    study: StudySettings = StudySettings()
    base: PartialRunSettings
    """Settings of every arm, as in a run's config."""
    grpo: PartialRunSettings = Field(default_factory=dict)
    """Further settings of the GRPO arms, and of the base."""
    sft: PartialRunSettings = Field(default_factory=dict)
    """Further settings of the SFT arms."""
    arms: dict[str, PartialRunSettings] = Field(min_length=1)
    """Name -> `method` (base, grpo or sft) and settings of its own."""

    @field_validator("arms")
    @classmethod
    def named(cls, arms: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, arm in arms.items():
            require_name(name)
            if arm.get("method") not in ("base", "grpo", "sft"):
                raise ValueError(f"{name}: method {arm.get('method')!r} is none of base, grpo, sft")
        return arms


class RangeSettings(Settings):
    """Numbers between two ends."""

    low: float
    """Smallest."""
    high: float
    """Largest."""
    log: bool = False
    """Draw the logarithm evenly."""
    integer: bool = False
    """Whole numbers only, both ends included."""

    @model_validator(mode="after")
    def ordered(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g}), and above 0 where log is true")
        return self


class AshaSettings(Settings):
    """Successive halving (arXiv:1810.05934): trials that are behind the others at the same step are stopped."""

    metric: str = "reward/mean"
    """A name of docs/metrics.md, such as `train/loss` or `benchmark/held_out/accuracy`."""
    mode: Literal["max", "min"] = "max"
    """Whether more of it is better."""
    grace_steps: int = Field(4, ge=1)
    """No trial is stopped before."""
    reduction: float = Field(3.0, gt=1)
    """One in so many continues after each rung, which are this factor apart in steps."""

    @field_validator("metric")
    @classmethod
    def known(cls, metric: str) -> str:
        find_metric(metric)
        return metric


class SweepSettings(TrialsSettings):
    name: str = "sweep"
    """Its files go to `dir`/`name`."""
    search: Literal["grid", "random", "optuna"] = "grid"
    """grid: every combination. random: `trials` of them. optuna: `trials`, each chosen by what the ones before gave."""
    trials: int | None = Field(None, ge=1)
    """Number of trials, the base not counted. None with `grid` alone."""
    seed: int = 42
    """Of the search."""
    space: dict[str, list[Any] | RangeSettings] = Field(min_length=1)
    """Dotted setting of the run (`freeze.preset`, `freeze.rules`, `freeze.rules.0.layers`, `learner.learning_rate`) ->
    values to choose from, or a range."""
    objective: dict[str, float] = Field(min_length=1)
    """Benchmark -> weight of its change from the base, in percentage points; their sum is to be as large as can be.
    `{held_out: 1.0, mmlu_stem: 0.5}`: gain, and half as much for knowledge that is kept."""
    asha: AshaSettings | None = None
    """Stop trials that are behind. None: every trial runs to its end."""

    @model_validator(mode="after")
    def consistent(self) -> Self:
        ranges = [name for name, values in self.space.items() if not isinstance(values, list)]
        if self.search == "grid" and ranges:
            raise ValueError(f"space: grid needs lists of values; {', '.join(ranges)}: give a list, or search: random")
        if (self.search == "grid") != (self.trials is None):
            raise ValueError("trials goes with search: random and optuna; set it there, and leave it out with grid")
        if self.search == "optuna" and self.resume:
            raise ValueError("resume: optuna's search cannot be resumed; start it again by overwrite: true")
        empty = [name for name, values in self.space.items() if values == []]
        if empty:
            raise ValueError(f"space: {', '.join(empty)} has no values")
        return self


class SweepConfig(Settings):
    """Everything `rayrl sweep` needs."""

    sweep: SweepSettings
    method: Literal["grpo", "sft"]
    """What every trial does."""
    base: PartialRunSettings
    """A run's config (`rayrl grpo` or `rayrl sft`), in which each trial replaces what `space` names."""

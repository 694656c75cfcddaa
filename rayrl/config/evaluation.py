"""`evaluation` and `benchmarks`: what a run evaluates, when, and how it samples for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from rayrl.config.data import DatasetSettings, PromptSettings
from rayrl.config.rewards import Rewards, RewardSettings
from rayrl.config.settings import Settings


class EvalSettings(Settings):
    at_start: bool = True
    """Evaluate before the first step."""
    every_steps: int = Field(0, ge=0)
    """Evaluation every so many steps, beside that after the last; 0: after the last only."""
    beside_training: bool = False
    """SFT: train on while generators evaluate, until the next evaluation is due. For generators with GPUs or cores of
    their own."""
    temperature: float = Field(0.0, ge=0)
    """Sampling of held-out completions; 0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of held-out completions."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest held-out completion, in tokens; None: as in rollouts, in SFT and `rayrl eval` 256."""
    samples: int = Field(1, ge=1, le=4096)
    """Completions of each item, each with a seed of its own. Above 1 the temperature must be above 0."""
    k: list[Annotated[int, Field(ge=1)]] | None = None
    """The k of pass@k and maj@k, where there are several samples. None: 1, 2, 4, … up to all."""


Method = Literal["generate", "likelihood_letter", "likelihood_option"]
"""How a problem is answered."""


class HarnessSettings(Settings):
    """A task of lm-evaluation-harness, by the run's generators. Settings are named as there."""

    task: str
    """A task, group or tag of lm-eval's, or the path of a YAML file."""
    num_fewshot: int | None = Field(None, ge=0)
    """Examples before each question. None: as the task has it."""
    limit: float | None = Field(None, gt=0)
    """Documents of each task, the first ones; below 1: the share of them. None: all."""
    apply_chat_template: bool = False
    """Ask in the chat template; False: in plain text, as for base models."""
    fewshot_as_multiturn: bool = True
    """In the chat template: each example is a turn of the chat; False: all stand in one message."""
    system_instruction: str | None = None
    """System message."""
    gen_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Over the task's `generation_kwargs`: `until`, `max_gen_toks`, `do_sample`, `temperature`, `top_p`, `top_k`. Where
    the task has `do_sample: false`, a temperature needs `do_sample: true`."""
    max_length: int = Field(2048, ge=2)
    """Longest input, in tokens. Contexts that are longer are cut at their beginning, and counted."""
    metric: str | None = None
    """Which of the task's is a document's score: `acc`, or with its filter `exact_match,flexible-extract`. None: the
    first. All of them are logged."""

    @field_validator("task")
    @classmethod
    def absolute(cls, task: str) -> str:
        """Of a file, as actors run in folders of their own."""
        return str(Path(task).absolute()) if task.endswith((".yaml", ".yml")) else task


class BenchmarkSettings(Settings):
    """Problems that are evaluated beside the held-out ones, asked and scored in a way of their own: a set of yours
    (`data`), or a task of lm-evaluation-harness (`lm_eval`)."""

    data: DatasetSettings | None = None
    lm_eval: HarnessSettings | None = None
    """A name alone stands for the `task`."""
    prompt: PromptSettings = PromptSettings()
    method: Method = "generate"
    """Of multiple choice (rows with `choices` and the letter of the right one): `generate`, the completion is read;
    `likelihood_letter`, the most probable letter after the prompt; `likelihood_option`, the most probable option, in
    log-probability over its characters."""
    rewards: Rewards = Field([RewardSettings(function="maths")])
    """As in the run; the first that is a verifier scores."""
    temperature: float | None = Field(None, ge=0)
    """Of its completions; None: as in `evaluation`."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Of its completions; None: as in `evaluation`."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest completion, in tokens; None: as in `evaluation`."""
    samples: int | None = Field(None, ge=1, le=4096)
    """Completions of each item; None: as in `evaluation`."""
    k: list[Annotated[int, Field(ge=1)]] | None = None
    """The k of pass@k and maj@k; None: as in `evaluation`."""

    @field_validator("lm_eval", mode="before")
    @classmethod
    def named(cls, given: Any) -> Any:
        return {"task": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def require_one_kind(self) -> Self:
        if (self.data is None) == (self.lm_eval is None):
            raise ValueError("give data (a set of yours) or lm_eval (a task of lm-evaluation-harness), one of them")
        asked = set(type(self).model_fields) - {"data", "lm_eval"}
        plain = BenchmarkSettings.model_construct()
        stray = sorted(name for name in asked if getattr(self, name) != getattr(plain, name))
        if self.lm_eval and stray:
            raise ValueError(
                f"{', '.join(stray)}: does not go with lm_eval, whose task says how it is asked and scored"
            )
        return self


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
    samples: int = 1
    k: tuple[int, ...] = (1,)
    """Of pass@k and maj@k, in rising order."""
    method: Method = "generate"


HELD_OUT = "held_out"
"""Name of the set that is `eval_data`."""

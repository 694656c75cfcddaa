"""The plain data that travels between the parts. No torch, no Ray: every part may import this.

Legend of dimensions used in docstrings: P prompts per step, G completions per prompt (group size),
T tokens of a completion, N packed tokens, V vocabulary, L layers.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Status = Literal["correct", "incorrect", "refusal", "unparseable", "timeout", "error"]
STATUSES: tuple[Status, ...] = get_args(Status)
Decider = Literal["rules", "overlap", "judge"]
DECIDERS: tuple[Decider, ...] = get_args(Decider)
FinishReason = Literal["stop", "length", "abort"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One problem, tokenised once.

    `columns` holds the dataset row (question, answer, …): what verifiers and reward functions see.
    """

    id: str
    text: str
    token_ids: list[int]
    columns: dict[str, Any]
    continuations: list[list[int]] = field(default_factory=list)
    """Tokens of the answers whose likelihoods decide; none where a completion is read."""


@dataclass(frozen=True, slots=True)
class Example:
    """One supervised example: the learner is trained on `token_ids[i]` wherever `loss_mask[i]` is True."""

    id: str
    token_ids: list[int]
    loss_mask: list[bool]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of one completion.

    score: 1.0 correct, 0.0 not; None where nothing can be said (a gold that does not parse, a verifier's own
    time-out or fault): such a completion is left out of the reward and counted, never scored 0.
    decided_by: rules; overlap of words and figures with the gold, of low confidence; or a language model as judge.
    """

    score: float | None
    status: Status
    reason: str = ""
    extracted: str | None = None
    decided_by: Decider = "rules"

    def __reduce__(self) -> tuple[Any, ...]:  # ten times as fast as what dataclasses with slots do by themselves
        return Verdict, (self.score, self.status, self.reason, self.extracted, self.decided_by)


class WithArrays:
    """Equality of dataclasses, arrays among whose fields are equal where all their entries are."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        names = (one.name for one in fields(self))  # type: ignore[arg-type]  # a dataclass
        return type(other) is type(self) and all(np.array_equal(getattr(self, n), getattr(other, n)) for n in names)


@dataclass(frozen=True, slots=True, eq=False)
class Rollout(WithArrays):
    """One completion as the generator sampled it. Its ids are never re-encoded.

    What is per token are arrays, which other processes read without a copy; they may be given as lists.
    """

    text: str
    token_ids: npt.NDArray[np.int32]  # [T]
    logprobs: npt.NDArray[np.float32]  # [T] log-probability of each token under the policy that sampled it
    policy_versions: npt.NDArray[np.int32]  # [T] number of updates that the sampling policy had seen, per token
    finish_reason: FinishReason

    def __post_init__(self) -> None:
        for name, kind in (("token_ids", np.int32), ("logprobs", np.float32), ("policy_versions", np.int32)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), kind))

    def __reduce__(self) -> tuple[Any, ...]:  # twice as fast as what dataclasses with slots do by themselves
        return Rollout, (self.text, self.token_ids, self.logprobs, self.policy_versions, self.finish_reason)


@dataclass(frozen=True, slots=True)
class Score:
    """How probable a continuation of T tokens is to the policy."""

    logprobs: list[float]
    """[T] log-probability of each token after those before it, in nats, at temperature 1."""
    greedy: bool
    """Each of its tokens is the most probable one: greedy decoding writes the continuation."""

    @property
    def total(self) -> float:
        """Of the whole continuation."""
        return sum(self.logprobs)


@dataclass(slots=True)
class RolloutGroup:
    """The G completions of one prompt with what they earned."""

    prompt: Prompt
    rollouts: list[Rollout]
    rewards: list[float | None]  # [G] weighted sum over reward functions; None: no reward for this completion
    reward_parts: dict[str, list[float | None]] = field(default_factory=dict)  # per reward function, [G]
    verdicts: list[Verdict] = field(default_factory=list)  # [G] of the first reward that is a verifier
    generate_s: float = 0.0
    verify_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How completions are drawn. temperature 0 is greedy. json_schema: completions are JSON that it describes.

    stop: texts, special tokens' included, that end a completion; its token ids hold them, its text need not.
    top_k: the most probable tokens to draw from; 0: all.
    priority: of those that wait, the smallest is computed first; what came first where it is the same.
    """

    temperature: float
    top_p: float
    max_tokens: int
    n: int = 1
    seed: int | None = None
    json_schema: str | None = None
    stop: tuple[str, ...] = ()
    top_k: int = 0
    priority: int = 0

"""What generators answered to tasks of lm-evaluation-harness, request by request: what is kept is not asked again.

lm-eval's own cache (`use_cache`) does not serve: it keeps no completion that is drawn at a temperature, writes what was
generated when all is there, and knows neither the tokens of a completion nor how it ended.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rayrl.evaluate.digests import digest
from rayrl.jsonl import Journal, Record
from rayrl.types import Rollout, Sampling, Score

Answer = Rollout | list[Score]
ANSWER = "answer"
"""Kind of the coordinator's records that hold one."""


def completion_key(token_ids: list[int], sampling: Sampling) -> str:
    """Of all in a request that decides its completion."""
    return digest(["generate", token_ids, asdict(sampling)])


def likelihood_key(token_ids: list[int], continuations: list[list[int]]) -> str:
    """Of all in a request that decides its likelihoods."""
    return digest(["score", token_ids, continuations])


class Answers:
    """Of one model.

    Args:
        known: By request, as JSON has them.
        keep: Takes each new one; None: they are not kept.
    """

    def __init__(self, known: Mapping[str, Record], keep: Callable[[Record], None] | None) -> None:
        self._known, self._keep = known, keep

    def find(self, request: str) -> Answer | None:
        """None: it was not asked yet. Log-probabilities of sampled tokens are not kept, as no row has them."""
        found = self._known.get(request)
        if found is None:
            return None
        if "scores" in found:
            return [Score(**score) for score in found["scores"]]
        nothing: npt.NDArray[Any] = np.empty(0)
        return Rollout(found["text"], found["token_ids"], nothing, nothing, found["finish_reason"])

    def add(self, request: str, answer: Answer) -> None:
        if self._keep is None:
            return
        if isinstance(answer, Rollout):
            about: Record = {
                "text": answer.text,
                "token_ids": answer.token_ids.tolist(),
                "finish_reason": answer.finish_reason,
            }
        elif all(map(math.isfinite, (number for score in answer for number in score.logprobs))):
            about = {"scores": [asdict(score) for score in answer]}
        else:
            return  # JSON has no such number: it is asked again
        self._keep({"kind": ANSWER, "request": request, **about})


class AnswerFile:
    """answers.jsonl of an evaluation: those of all models, each by the model's and the request's key."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)

    def known(self, model: str) -> dict[str, Record]:
        """Those of a model, by request."""
        prefix = f"{model} "
        return {key.removeprefix(prefix): self._journal[key] for key in self._journal if key.startswith(prefix)}

    def keep(self, model: str, record: Mapping[str, Any]) -> None:
        key = f"{model} {record['request']}"
        if key not in self._journal:
            self._journal.append({"key": key} | {name: record[name] for name in _kept(record)})

    def close(self) -> None:
        self._journal.close()


def _kept(record: Iterable[str]) -> Iterable[str]:
    return (name for name in record if name not in ("kind", "request"))

"""Samples that a model is to give, each with a key of all that decides the answer: what has it is not sampled again."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rayrl.actors.evaluation import sampling_of
from rayrl.config import EvalConfig, EvaluationSet
from rayrl.rollout_row import EvaluationRow, cut_off, identity
from rayrl.types import Prompt


@dataclass(frozen=True, slots=True)
class Draw:
    """One sample of an item of the set `benchmark`, the `index`-th of it."""

    key: str
    benchmark: str
    index: int
    sample: int


def list_draws(config: EvalConfig, fingerprint: str, prompts: Mapping[str, list[Prompt]]) -> list[Draw]:
    """All samples of all items of a model, set by set.

    Args:
        config: The settings.
        fingerprint: Of the model.
        prompts: Of each set, by its name, in the model's tokens.
    """
    return [draw for one in config.evaluation_sets for draw in _of_set(config, fingerprint, one, prompts[one.name])]


def _of_set(config: EvalConfig, fingerprint: str, chosen: EvaluationSet, prompts: list[Prompt]) -> Iterator[Draw]:
    generator = config.generator
    common = [
        fingerprint,
        (generator.engine, generator.options),
        [reward.model_dump(mode="json") for reward in chosen.rewards],
    ]
    for index, prompt in enumerate(prompts):
        item = _digest([*common, prompt.token_ids, prompt.columns])
        for sample in range(chosen.samples):
            drawn = sampling_of(chosen, prompt.id, sample, config.run.seed)
            key = _digest([item, drawn.temperature, drawn.top_p, drawn.max_tokens, drawn.seed])
            yield Draw(key, chosen.name, index, sample)


def record_of(draw: Draw, row: EvaluationRow, label: str) -> dict[str, Any]:
    """The line of items.jsonl. `model`: the label of the model when it was sampled."""
    about = {"key": draw.key, "model": label, "benchmark": draw.benchmark, "item": identity(row)}
    return about | {"cut": cut_off(row)} | row


def _digest(parts: list[Any]) -> str:
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()

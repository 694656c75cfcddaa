"""Samples that a model is to give, each with a key of all that decides the answer: what has it is not sampled again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rayrl.actors.evaluation import sampling_of
from rayrl.config import EvalConfig, EvaluationSet
from rayrl.evaluate.digests import digest
from rayrl.rollout_row import cut_off, identity
from rayrl.types import Prompt


@dataclass(frozen=True, slots=True)
class Draw:
    """One sample of an item of the set `benchmark`, the `index`-th of it, named `prompt_id` (None: of a task of
    lm-evaluation-harness, whose rows alone say). Items of one content have one key, and one answer."""

    key: str
    benchmark: str
    index: int
    sample: int
    prompt_id: str | None = None

    def row(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The row of this item from the line of items.jsonl with its key, which may have been sampled for another."""
        return {**record} if self.prompt_id is None else {**record, "prompt_id": self.prompt_id}


def list_draws(
    config: EvalConfig, fingerprint: str, prompts: Mapping[str, list[Prompt]], documents: Mapping[str, int]
) -> list[Draw]:
    """All samples of all items of a model, set by set, and all documents of lm-evaluation-harness's tasks.

    Args:
        config: The settings.
        fingerprint: Of the model.
        prompts: Of each set, by its name, in the model's tokens.
        documents: Of each task, by the benchmark's name, how many.
    """
    own = [draw for one in config.evaluation_sets for draw in _of_set(config, fingerprint, one, prompts[one.name])]
    return [*own, *(draw for name, size in documents.items() for draw in _of_task(config, fingerprint, name, size))]


def _of_task(config: EvalConfig, fingerprint: str, name: str, size: int) -> Iterator[Draw]:
    settings = config.harness_tasks[name]
    file = Path(settings.task)
    common = [
        fingerprint,
        (config.generator.engine, config.generator.options),
        (version("lm_eval"), file.read_text(encoding="utf-8") if file.is_file() else ""),
        settings.model_dump(mode="json"),
        config.run.seed,
    ]
    for index in range(size):
        yield Draw(digest([*common, index]), name, index, 0)


def _of_set(config: EvalConfig, fingerprint: str, chosen: EvaluationSet, prompts: list[Prompt]) -> Iterator[Draw]:
    generator = config.generator
    common = [
        fingerprint,
        (generator.engine, generator.options),
        [reward.model_dump(mode="json") for reward in chosen.rewards],
        *([] if chosen.method == "generate" else [chosen.method]),
    ]
    for index, prompt in enumerate(prompts):
        item = digest([*common, prompt.token_ids, prompt.columns])
        for sample in range(chosen.samples):
            drawn = sampling_of(chosen, prompt.id, sample, config.run.seed)
            key = digest([item, drawn.temperature, drawn.top_p, drawn.max_tokens, drawn.seed])
            yield Draw(key, chosen.name, index, sample, prompt.id)


def record_of(draw: Draw, row: Mapping[str, Any], label: str) -> dict[str, Any]:
    """The line of items.jsonl. `model`: its label when it was sampled. `cut`: None where that is not known."""
    about = {"key": draw.key, "model": label, "benchmark": draw.benchmark, "item": identity(row)}
    return {**about, "cut": cut_off(row) if row["finish_reason"] else None, **row}


def model_key(config: EvalConfig, fingerprint: str) -> str:
    """Of all that decides what a model answers to a request."""
    return digest([fingerprint, (config.generator.engine, config.generator.options)])

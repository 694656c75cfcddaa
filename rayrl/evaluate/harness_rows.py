"""What lm-evaluation-harness says of each document, as rows of an evaluation."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from numbers import Real
from typing import Any, NotRequired

from rayrl.errors import ConfigError
from rayrl.jsonl import encode_line
from rayrl.rollout_row import EvaluationRow
from rayrl.types import FinishReason, Rollout

Sample = Mapping[str, Any]
"""A row of lm-eval's `samples`: one document under one filter."""


class HarnessRow(EvaluationRow):
    """A document of a task of lm-evaluation-harness."""

    task: str
    metrics: dict[str, float]
    """`METRIC,FILTER` -> this document's, where it is a number."""
    parts: NotRequired[dict[str, list[bool]]]
    """`METRIC,FILTER` -> which parts of this document are right, where it says so of each, as IFEval does of
    instructions."""
    asked: dict[str, Any]
    """How: the task's `version`, `num_fewshot`, `generation_kwargs`, the prompt's SHA-256, and the `metric` that is the
    score."""


def harness_rows(
    task: str,
    samples: Iterable[Sample],
    rollouts: Mapping[tuple[str | None, int | None], Sequence[Rollout]],
    metric: str | None,
    results: Mapping[str, Any],
) -> Iterator[HarnessRow]:
    """A row for each document, in order.

    Args:
        task: Its name.
        samples: All of it.
        rollouts: (task, number of the document) -> what was generated for it; empty where likelihoods decide.
        metric: `METRIC` or `METRIC,FILTER` that is the score; None: the first.
        results: As lm-eval returns and writes them: `versions` and `n-shot` by task.

    Raises:
        ConfigError: No document has that metric.
    """
    documents: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        documents[sample["doc_id"]].append(sample)
    for number, own in documents.items():
        metrics = {
            f"{name},{sample['filter']}": float(sample[name])
            for sample in own
            for name in sample["metrics"]
            if isinstance(sample[name], Real)
        }
        parts = {
            f"{name},{sample['filter']}": sample[name]
            for sample in own
            for name in sample["metrics"]
            if isinstance(sample[name], list) and all(isinstance(part, bool) for part in sample[name])
        }
        chosen = _chosen(metrics, metric, task)
        score = metrics[chosen] if chosen else None
        shown = next((one for one in own if chosen and chosen.endswith(f",{one['filter']}")), own[0])
        written = rollouts.get((task, number), ())
        completion, extracted = _answer(shown, written)
        row: HarnessRow = {
            "prompt_id": f"{task}-{number}",
            "prompt": json.loads(encode_line({"doc": shown["doc"]}))["doc"],
            "gold": str(shown["target"]),
            "completion": completion,
            "status": None if score is None else "correct" if score >= 1 else "incorrect",
            "extracted": extracted,
            "reason": chosen or "no metric of this document is a number",
            "decided_by": None if score is None else "rules",
            "tokens": sum(len(one.token_ids) for one in written),
            "finish_reason": _finish(written),
            "sample": 0,
            "score": score,
            "task": task,
            "metrics": metrics,
            "asked": {
                "version": results.get("versions", {}).get(task),
                "num_fewshot": results.get("n-shot", {}).get(task),
                **_request(shown),
                "metric": chosen,
            },
        }
        if parts:
            row["parts"] = parts
        yield row


def figures(results: Mapping[str, Mapping[str, Any]], top: str) -> dict[str, float]:
    """`METRIC,FILTER` -> the aggregate of what the benchmark names, `TASK/METRIC,FILTER` -> that of each task in it."""
    return {
        key if name == top else f"{name}/{key}": float(value)
        for name, own in results.items()
        for key, value in own.items()
        if "," in key and "_stderr," not in key and isinstance(value, Real)
    }


def _chosen(metrics: Mapping[str, float], metric: str | None, task: str) -> str | None:
    if metric is None:
        return next(iter(metrics), None)
    found = next((name for name in metrics if metric in (name, name.partition(",")[0])), None)
    if found is None:
        raise ConfigError(f"lm_eval.metric: {metric!r} is none of {task}'s; it has {', '.join(metrics) or 'none'}")
    return found


def is_written(sample: Sample) -> bool:
    """Whether a completion answers, not likelihoods: what is asked has `generation_kwargs` beside the prompt."""
    first = sample["arguments"][0]
    return len(first) > 1 and isinstance(first[1], Mapping)


def _request(sample: Sample) -> dict[str, Any]:
    """Prompt and generation_kwargs."""
    first = sample["arguments"][0]
    kwargs = json.loads(encode_line(first[1])) if is_written(sample) else None
    digest = sha256(str(first[0]).encode("utf-8", "backslashreplace")).hexdigest()
    return {"prompt_hash": digest, "generation_kwargs": kwargs}


def _answer(sample: Sample, written: Sequence[Rollout]) -> tuple[str, str | None]:
    """The text, and what the filter read in it: of a choice the most probable continuation."""
    replies = [reply[0] for reply in sample["resps"]]
    arguments = sample["arguments"]
    if is_written(sample):
        read = sample["filtered_resps"][0]
        text = written[0].text if written else str(replies[0])
        return text, read if isinstance(read, str) else json.dumps(read, default=str)
    if not isinstance(replies[0], tuple | list):
        return "", str(replies[0])  # log-likelihood of the whole text
    same = [at for at, one in enumerate(arguments) if one[0] == arguments[0][0]]
    best = max(same, key=lambda at: float(replies[at][0]))
    said = " ".join(f"{arguments[at][1].strip()[:40]!r} {float(replies[at][0]):.3f}" for at in same)
    return str(arguments[best][1]), f"log-likelihoods: {said}"


def _finish(written: Sequence[Rollout]) -> FinishReason:
    return "length" if any(one.finish_reason == "length" for one in written) else "stop"

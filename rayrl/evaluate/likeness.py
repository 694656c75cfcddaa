"""Whether two models were asked the same in a task of lm-evaluation-harness: what was not is said, never hidden."""

import json
from collections.abc import Sequence
from typing import Any

from rayrl.rollout_row import identity

Rows = Sequence[dict[str, Any]]


def differences(rows: Rows, reference: Rows, other: str) -> list[str]:
    """In words, each with a count of documents. Empty where all is alike, or where these are rows of one's own sets.

    Args:
        rows: Of a model.
        reference: Of the model called `other`.
        other: Its label.
    """
    own, theirs = ({row["prompt_id"]: row for row in some if "asked" in row} for some in (rows, reference))
    shared = [number for number in own if number in theirs]
    alike = [number for number in shared if identity(own[number]) == identity(theirs[number])]
    counts = {
        f"that {other} did not answer": len(own) - len(shared),
        f"that {other} alone answered": len(theirs) - len(shared),
        f"whose contents under the same number are others in {other}": len(shared) - len(alike),
    }
    said = [f"documents {which}, so not compared: {number}" for which, number in counts.items() if number]
    for name in ("version", "num_fewshot", "metric", "generation_kwargs", "prompt_hash"):
        pairs = [(own[number]["asked"].get(name), theirs[number]["asked"].get(name)) for number in alike]
        unlike = [pair for pair in pairs if pair[0] != pair[1]]
        if unlike:
            values = " against ".join(json.dumps(value) for value in unlike[0])
            shown = "the prompt is another text" if name == "prompt_hash" else f"{name} {values}"
            said.append(f"{shown}, in {len(unlike)} of {len(alike)} documents")
    return said

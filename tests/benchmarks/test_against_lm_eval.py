"""A few items of each kind by real vLLM and by lm-eval's Hugging Face back end: the same answers (not in `make test`).

python -m pytest tests/benchmarks/test_against_lm_eval.py
"""

import argparse
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from rayrl.models import EMBEDDED
from tests.benchmarks.against_lm_eval import measure

CITIES = ["Paris", "Berlin", "Madrid", "the capital of Portugal, which is called Lisbon"]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed (make lm_eval)")
async def test_likelihood_choices_and_greedy_texts_are_those_of_lm_evals_hugging_face_model(tmp_path: Path) -> None:
    countries = ["France", "Germany", "Spain", "Portugal"]
    choices = [
        {"question": f"What is the capital of {country}?", "choices": CITIES, "answer": number}
        for number, country in enumerate(countries)
    ]
    sums = [{"question": f"Tom has {n} pens and buys {n} more. How many?", "answer": f"#### {2 * n}"} for n in (3, 8)]
    options = argparse.Namespace(
        model=EMBEDDED,
        mmlu=write(tmp_path / "mmlu.jsonl", choices),
        gsm8k=write(tmp_path / "gsm8k.jsonl", sums),
        likelihood=4,
        generated=2,
        shots=1,
        batch_size=1,
        dtype="float32",
    )
    letters, whole, generated = await measure(options)
    for row in (letters, whole):
        assert row["equal choices"] + row["others, all ties"] == row["equal greedy flags"] == row["items"] == 4
        assert row["largest difference, nats"] < 5e-3
        assert row["ours"] == row["hf"]
    assert generated["equal texts"] == generated["equal answers"] == generated["items"] == 2

"""Results of models, and two of them side by side over the same items."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rayrl.evaluate.results import compare, model_results
from rayrl.evaluate.tables import comparison_table, results_table
from rayrl.report.eval_page import write_eval_report
from rayrl.report.inference import sign_flip
from tests.unit.evaluate.test_summary import row


def answers(right: set[int], items: int = 40, samples: int = 1, **other: Any) -> dict[str, list[dict[str, Any]]]:
    return {
        "gsm8k": [row(item, float(item in right), **other) for item in range(items) for _ in range(samples)],
        "aime": [row(100 + item, float(item % 2 < sample), sample=sample) for item in range(6) for sample in range(4)],
    }


def printed(table: Any) -> str:
    shown = io.StringIO()
    Console(width=200, file=shown).print(table)
    return shown.getvalue()


K = {"gsm8k": (1,), "aime": (1, 2, 4)}


def test_results_have_every_metric_with_its_interval() -> None:
    record = model_results("m", answers({1, 2}), K).record()
    assert record["gsm8k"]["accuracy"]["value"] == 0.05
    assert set(record["gsm8k"]["accuracy"]) == {"value", "low", "high", "n"}
    assert {"avg@4", "pass@1", "pass@4", "maj@4"} < set(record["aime"])
    assert json.loads(json.dumps(record)) == record


def test_a_share_cut_off_above_five_percent_is_warned_of_in_every_place(tmp_path: Path) -> None:
    model = model_results("m", answers({1}, finish_reason="length"), K)
    assert "gsm8k: 100.0 % of the completions were cut off" in model.record()["gsm8k"]["truncated_frac"]["warning"]
    assert "warning" not in model.record()["aime"]["truncated_frac"]
    assert "100.0 % !" in printed(results_table([model]))
    page = write_eval_report(tmp_path, {"m": model.record()}, [], list(model.warnings.values()), "a: 1")
    assert "gsm8k: 100.0 % of the completions were cut off" in page.read_text()


def test_two_models_are_compared_item_by_item_by_the_exact_test() -> None:
    before, after = answers(set(range(10))), answers(set(range(5, 25)))
    gsm8k, aime = compare({"base": before, "tuned": after})
    change = gsm8k.change
    assert (gsm8k.model, gsm8k.reference, gsm8k.benchmark) == ("tuned", "base", "gsm8k")
    assert (change.gained, change.lost, change.difference.mean) == (15, 5, 0.25)
    assert change.p_value == pytest.approx(sign_flip([1] * 15 + [-1] * 5))
    assert gsm8k.adjusted == pytest.approx(2 * change.p_value)
    assert (aime.change.difference.mean, aime.change.p_value, aime.adjusted) == (0.0, 1.0, 1.0)
    shown = printed(comparison_table([gsm8k, aime]))
    assert "tuned - base" in shown
    assert "15, 5 of 40" in shown
    assert "+25.0" in shown
    assert gsm8k.record()["p_holm"] == gsm8k.adjusted


def test_samples_of_an_item_are_paired_as_one_difference() -> None:
    """Four quarters on one side are one sign: 6 items against 0 are 2 / 2^6, whatever number of samples."""
    better = {"x": [row(item, float(sample < 2), sample=sample) for item in range(6) for sample in range(4)]}
    worse = {"x": [row(item, float(sample < 1), sample=sample) for item in range(6) for sample in range(4)]}
    (found,) = compare({"worse": worse, "better": better})
    assert found.change.p_value == pytest.approx(2 / 2**6)
    assert (found.change.gained, found.change.lost, found.change.difference.mean) == (6, 0, 0.25)


def test_one_model_is_compared_with_none() -> None:
    assert compare({"m": answers({1})}) == []


def test_the_page_shows_models_curves_and_the_comparison(tmp_path: Path) -> None:
    rows = {"base": answers({1, 2}), "tuned": answers({2, 3, 4})}
    records = {label: model_results(label, own, K).record() for label, own in rows.items()}
    pairs = [one.record() for one in compare(rows)]
    text = write_eval_report(tmp_path, records, pairs, ["a <b>note</b>"], "seed: 1").read_text()
    for expected in ("tuned − base", "maj@4", "Samples of aime", "a &lt;b&gt;note&lt;/b&gt;", "2, 1 of 40", "seed: 1"):
        assert expected in text, expected
    assert "http" not in text.split("</style>")[1].replace("http-equiv", "")


def test_recall_and_rewards_stand_in_the_results_the_table_and_the_page(tmp_path: Path) -> None:
    rows = {"fb": [row(item, 0.0, measures={"recall": item / 4, "reward/finance_judge": 1.0}) for item in range(5)]}
    model = model_results("m", rows | answers({1}), K | {"fb": (1,)})
    recall = model.record()["fb"]["recall"]
    assert (recall["value"], recall["n"]) == (0.5, 5)
    shown = " ".join(printed(results_table([model])).split())
    assert "further" in shown
    assert "recall 0.500 of 5" in shown
    assert "reward/finance_judge 1.000 of 5" in shown
    page = write_eval_report(tmp_path, {"m": model.record()}, [], [], "a: 1").read_text()
    assert "reward/finance_judge" in page
    assert f'<b>0.500</b> <span class="interval">{recall["low"]:.3f} to {recall["high"]:.3f}</span> of 5' in page
    assert "further" not in printed(results_table([model_results("m", answers({1}), K)]))

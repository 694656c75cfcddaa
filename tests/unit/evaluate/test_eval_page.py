"""The page of an evaluation opens with all benchmarks; what else is to be said of them is folded below."""

from pathlib import Path
from typing import Any

from rayrl.evaluate.results import compare, model_results
from rayrl.report.eval_page import write_eval_report
from rayrl.report.eval_table import table_lines
from tests.unit.evaluate.test_results import K, answers
from tests.unit.evaluate.test_summary import row
from tests.unit.report.parsed_page import Page


def records(models: dict[str, Any], k: dict[str, tuple[int, ...]] = K) -> dict[str, Any]:
    return {label: model_results(label, rows, k).record() for label, rows in models.items()}


def documents(right: int, metric: str = "acc,none") -> list[dict[str, Any]]:
    """Ten of a task of lm-eval: `metric` is the score, another one is half of it, a third is no share."""
    scores = [float(item < right) for item in range(10)]
    return [
        row(item, score, metrics={"acc,none": score, "f1,none": score / 2, "bleu,none": 20.0}, asked={"metric": metric})
        for item, score in enumerate(scores)
    ]


def test_each_benchmark_has_a_row_for_each_metric_of_interest() -> None:
    measured = [row(item, 1.0, measures={"recall": 0.5, "reward/finance": 1.0}) for item in range(4)]
    rows = {"aime": answers(set())["aime"], "fb": measured, "task": documents(3)}
    table = table_lines(records({"m": rows}, K | {"fb": (1,), "task": (1,)}), [])
    assert {name: [(line.metric, line.percent) for line in lines] for name, lines in table.items()} == {
        "aime": [("avg@4", True), ("pass@4", True), ("maj@4", True)],
        "fb": [("accuracy", True), ("recall", True), ("reward/finance", False)],
        "task": [("accuracy (acc,none)", True), ("f1,none", True), ("bleu,none", False)],
    }


def test_a_metric_that_is_not_the_score_is_not_left_out_where_it_happens_to_equal_the_accuracy() -> None:
    (lines,) = table_lines(records({"m": {"task": documents(0)}}, {"task": (1,)}), []).values()
    assert [line.metric for line in lines] == ["accuracy (acc,none)", "f1,none", "bleu,none"]


def test_models_stand_side_by_side_with_what_each_has() -> None:
    models = {"base": answers(set(range(10))), "tuned": {"gsm8k": answers(set(range(5, 35)), items=36)["gsm8k"]}}
    table = table_lines(records(models), [one.record() for one in compare(models)])
    (accuracy,) = table["gsm8k"]
    assert accuracy.n == "40 / 36"
    base, tuned = accuracy.cells
    assert base is not None
    assert tuned is not None
    assert (base.change, base.significant, tuned.significant) == (None, False, True)
    assert (base.figure["value"], tuned.figure["n"]) == (0.25, 36)
    assert [cell is None for cell in table["aime"][0].cells] == [False, True]
    assert table["aime"][0].n == "6"


def test_the_page_opens_with_the_table_and_folds_its_notes(tmp_path: Path) -> None:
    models = {"base": answers(set(range(10))), "tuned": answers(set(range(5, 35)), finish_reason="length")}
    pairs = [one.record() for one in compare(models)]
    page = write_eval_report(tmp_path, records(models), pairs, ["left out 3", "left out 4"], "seed: 1").read_text()
    body = page[page.index("</header>") :]
    assert body.index("<table") < body.index("<details><summary>2 notes") < body.index("left out 3")
    assert body.index("left out 4") < body.index("</details>")
    text = "".join(Page(body[: body.index("</table>")]).text.split("\n"))
    assert "gsm8kaccuracy (%)40" in text
    assert "25.0 14.2 to 40.2cut off 0.0 %" in text
    assert "75.0 59.8 to 85.8 *cut off" in text
    assert "cut off 100.0 % ! · +50.0, p < 0.001" in text
    alone = write_eval_report(tmp_path, records({"base": models["base"]}), [], [], "seed: 1").read_text()
    assert "notes on these figures" not in alone
    assert "against base" not in alone

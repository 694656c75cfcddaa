"""Curves of pass@k and maj@k: from what a run has logged, and none where items have one sample."""

from pathlib import Path

from fake_run import write_run
from parsed_page import Page

from rayrl.metrics import MetricsLog
from rayrl.report.run_page import write_report
from rayrl.report.sample_curves import CORRECT, SAMPLES, results_of, sample_curves

LOGGED = {
    "benchmark/aime/accuracy": 0.25,
    "benchmark/aime/pass@1": 0.25,
    "benchmark/aime/pass@1_ci_low": 0.1,
    "benchmark/aime/pass@1_ci_high": 0.4,
    "benchmark/aime/pass@4": 0.5,
    "benchmark/aime/pass@4_ci_low": 0.3,
    "benchmark/aime/pass@4_ci_high": 0.7,
    "benchmark/aime/maj@4": None,
    "benchmark/gsm8k/accuracy": 0.5,
}


def test_a_curve_has_a_point_for_each_k_that_was_measured() -> None:
    (chart,) = sample_curves({"step 0": results_of(LOGGED)})
    assert chart.title == "Samples of aime"
    assert chart.plot is not None
    points = [(row["series"], row[SAMPLES], row[CORRECT], row[f"{CORRECT} low"]) for row in chart.plot.rows]
    assert points == [("pass@k, step 0", 1, 25.0, 10.0), ("pass@k, step 0", 4, 50.0, 30.0)]
    assert sample_curves({"step 0": results_of({"benchmark/gsm8k/accuracy": 0.5})}) == []


def test_the_page_of_a_run_shows_the_curves_before_and_after(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "demo")
    plain = Page(write_report(folder).read_text())
    assert "Samples of" not in plain.text
    (folder / "benchmarks.jsonl").write_text(
        '{"step": 0, "benchmark": "aime", "index": 0, "item": "a", "score": 1.0}\n'
    )
    with MetricsLog(folder / "metrics.jsonl") as log:
        for step in (0, 20):
            log.append("eval", step, LOGGED)
    page = Page(write_report(folder).read_text())
    assert "Samples of aime" in page.text
    assert "pass@k, step 0" in page.text
    assert "pass@k, step 20" in page.text


def test_the_page_says_what_share_was_cut_off(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "demo")
    ends = ["length", "stop", "stop", "stop"]
    rows = [
        f'{{"step": 0, "benchmark": "gsm8k", "index": {n}, "item": "{n}", "score": 1.0, "finish_reason": "{end}"}}\n'
        for n, end in enumerate(ends)
    ]
    (folder / "benchmarks.jsonl").write_text("".join(rows))
    with MetricsLog(folder / "metrics.jsonl") as log:
        log.append("event", 0, {"event": "cut_off", "detail": "gsm8k: 25.0 % of the completions were cut off"})
    page = Page(write_report(folder).read_text())
    assert "step 0, 4/4, 25.0 % cut off" in page.text
    assert "gsm8k: 25.0 % of the completions were cut off" in page.text

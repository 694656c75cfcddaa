"""Charts draw every row, are labeled, and are absent where their numbers are."""

import pytest
from fake_run import write_run
from parsed_page import titles, values

from rayrl.report.drawing import svg
from rayrl.report.plot import STEP, Chart, Row
from rayrl.report.run_charts import health_charts, main_charts, phases_overlap, time_shares
from rayrl.report.run_directory import read_run


@pytest.fixture
def run(tmp_path):
    return read_run(write_run(tmp_path / "demo"))


def by_series(chart: Chart, column: str) -> dict[str, list[float]]:
    """{series: its values, in order of steps}"""
    assert chart.plot is not None
    found: dict[str, list[float]] = {}
    for row in chart.plot.rows:
        found.setdefault(row["series"], []).append(row[column])
    return found


def rows_of(chart: Chart) -> list[Row]:
    assert chart.plot is not None
    return chart.plot.rows


def test_every_row_is_drawn_and_every_axis_labeled(run) -> None:
    charts = main_charts(run) + health_charts(run)
    assert len({chart.id for chart in charts}) == len(charts) == 10
    for chart in charts:
        assert chart.plot is not None
        drawn = svg(chart.plot, "wide")
        column = next(name for name in reversed(rows_of(chart)[0]) if not name.endswith((" low", " high")))
        assert len(column) > 3
        assert STEP in titles(drawn)
        assert column in titles(drawn)
        said = values(drawn)
        assert len(said) == len(rows_of(chart)), chart.id
        assert {label.partition(";")[0] for label in said} == {f"{STEP}: {row[STEP]}" for row in rows_of(chart)}


def test_reward_band_and_accuracy_bars(run) -> None:
    accuracy, reward, *_ = main_charts(run)
    assert len(rows_of(reward)) == 20
    for row in rows_of(reward):
        assert row["mean reward low"] < row["mean reward"] < row["mean reward high"]
    assert [layer["mark"]["type"] for layer in reward.plot.spec["layer"] if "transform" in layer] == ["area"]
    assert [row[STEP] for row in rows_of(accuracy)] == [0, 10, 20]
    assert all(row["correct (% of problems) high"] > row["correct (% of problems)"] for row in rows_of(accuracy))
    drawn = svg(accuracy.plot, "wide")
    assert drawn.count("<line") >= 3  # the bars
    assert values(drawn)[0].startswith(f"{STEP}: 0; correct (% of problems): 25.13 (19.6")


def test_each_of_a_few_steps_has_its_tick(tmp_path) -> None:
    loss = main_charts(read_run(write_run(tmp_path / "few", steps=10)))[1]
    assert "".join(map(str, range(1, 11))) in titles(svg(loss.plot, "narrow"))


def test_time_adds_up_to_the_wall_time(run) -> None:
    bars = by_series(main_charts(run)[2], "time (s per step)")
    assert list(bars) == ["generate", "verify", "train", "sync", "other"]
    assert sum(seconds[4] for seconds in bars.values()) == pytest.approx(run.steps[4]["time/step_s"])
    assert sum(part.share for part in time_shares(run.steps)) == pytest.approx(1)
    assert not phases_overlap(run.steps)


def test_verdict_shares_fill_the_step(run) -> None:
    bars = by_series(main_charts(run)[3], "share of completions (%)")
    assert list(bars) == ["correct", "incorrect or refusal", "unparseable", "timeout"]
    assert [sum(shares) for shares in zip(*bars.values(), strict=True)] == pytest.approx([100.0] * 20)


def test_asynchronous_run_shows_staleness_and_overlap(tmp_path) -> None:
    run = read_run(write_run(tmp_path / "stale", stale=True))
    assert health_charts(run)[-1].id == "staleness"
    assert phases_overlap(run.steps)
    assert "overlap" in main_charts(run)[2].caption


def test_clips_and_masks_are_shown_where_they_acted(run) -> None:
    for record in run.steps:
        record |= {"policy/clip_frac": 0.1, "policy/importance_masked_frac": 0.0, "sync/effective_sample_frac": 0.9}
    charts = {chart.id: chart for chart in health_charts(run)}
    assert list(by_series(charts["clips"], "share of tokens")) == ["clipped against the step's first policy"]
    assert {row["effective tokens (%)"] for row in rows_of(charts["effective"])} == {90.0}
    assert "clipped against the step's first policy" in titles(svg(charts["clips"].plot, "narrow"))


def test_mean_length_is_preferred_to_the_total(run) -> None:
    for record in run.steps:
        record["generate/mean_tokens"] = 7.0
    length = next(chart for chart in health_charts(run) if chart.id == "length")
    assert {row["tokens per completion"] for row in rows_of(length)} == {7.0}


def test_one_step_without_numbers(tmp_path) -> None:
    run = read_run(write_run(tmp_path / "one", steps=1, evals=()))
    reward = main_charts(run)[1].plot
    assert [layer["mark"]["type"] for layer in reward.spec["layer"] if "transform" in layer] == ["errorbar"]
    assert len(values(svg(reward, "wide"))) == 1
    run.steps[0] = {"kind": "step", "step": 1, "reward/mean": None}
    assert all(chart.plot is None and chart.absent for chart in main_charts(run) + health_charts(run))

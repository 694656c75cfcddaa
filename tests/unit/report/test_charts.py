"""Figures are valid Plotly, labelled, and absent where their numbers are."""

import plotly.graph_objects as go
import pytest
from fake_run import write_run

from rayrl.report.charts import health_charts, main_charts, phases_overlap, time_shares
from rayrl.report.run import read_run


@pytest.fixture
def run(tmp_path):
    return read_run(write_run(tmp_path / "demo"))


def test_every_figure_is_valid_and_labelled(run) -> None:
    drawn = main_charts(run) + health_charts(run)
    assert len({chart.id for chart in drawn}) == len(drawn) == 10
    for chart in drawn:
        figure = go.Figure(chart.figure)  # raises on any unknown property
        assert figure.layout.xaxis.title.text == "training step"
        assert len(figure.layout.yaxis.title.text) > 3


def test_reward_band_and_accuracy_bars(run) -> None:
    accuracy, reward, *_ = main_charts(run)
    band, mean = reward.figure["data"]
    assert len(band["x"]) == 2 * len(mean["x"]) == 40
    assert min(band["y"]) < min(mean["y"])
    assert max(band["y"]) > max(mean["y"])
    assert accuracy.figure["data"][0]["x"] == [0, 10, 20]
    assert all(v > 0 for v in accuracy.figure["data"][0]["error_y"]["array"])


def test_time_adds_up_to_the_wall_time(run) -> None:
    bars = main_charts(run)[2].figure["data"]
    assert [bar["name"] for bar in bars] == ["generate", "verify", "train", "sync", "other"]
    assert sum(bar["y"][4] for bar in bars) == pytest.approx(run.steps[4]["time/step_s"])
    assert sum(part.share for part in time_shares(run.steps)) == pytest.approx(1)
    assert not phases_overlap(run.steps)


def test_verdict_shares_fill_the_step(run) -> None:
    bars = main_charts(run)[3].figure["data"]
    assert [bar["name"] for bar in bars] == ["correct", "incorrect or refusal", "unparseable", "timeout"]
    assert [sum(bar["y"][i] for bar in bars) for i in range(20)] == pytest.approx([100.0] * 20)


def test_asynchronous_run_shows_staleness_and_overlap(tmp_path) -> None:
    run = read_run(write_run(tmp_path / "stale", stale=True))
    assert health_charts(run)[-1].id == "staleness"
    assert phases_overlap(run.steps)
    assert "overlap" in main_charts(run)[2].caption


def test_clips_and_masks_are_shown_where_they_acted(run) -> None:
    for record in run.steps:
        record |= {"policy/clip_frac": 0.1, "policy/importance_masked_frac": 0.0, "sync/effective_sample_frac": 0.9}
    charts = {chart.id: chart for chart in health_charts(run)}
    assert [label for label, _ in charts["clips"].legend] == ["clipped against the step's first policy"]
    assert set(charts["effective"].figure["data"][0]["y"]) == {90.0}
    for chart in charts.values():
        go.Figure(chart.figure)


def test_mean_length_is_preferred_to_the_total(run) -> None:
    for record in run.steps:
        record["generate/mean_tokens"] = 7.0
    length = next(chart for chart in health_charts(run) if chart.id == "length")
    assert set(length.figure["data"][0]["y"]) == {7.0}


def test_one_step_without_numbers(tmp_path) -> None:
    run = read_run(write_run(tmp_path / "one", steps=1, evals=()))
    assert len(main_charts(run)[1].figure["data"]) == 2  # the band is an error bar
    run.steps[0] = {"kind": "step", "step": 1, "reward/mean": None}
    assert all(chart.figure is None and chart.absent for chart in main_charts(run) + health_charts(run))

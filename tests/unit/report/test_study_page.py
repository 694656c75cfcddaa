"""The study's page and figures: what they say, that nothing is missing in silence, that it is one offline file."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fake_study import ARMS, HOSTILE, FakeArm, Shape, write_study
from parsed_page import Page, titles, values

from rayrl.cli import main
from rayrl.errors import DataError
from rayrl.report import cost, weights
from rayrl.report.comparison import Benchmarks
from rayrl.report.drawing import svg
from rayrl.report.export import write_table
from rayrl.report.freeze_rows import freeze_row
from rayrl.report.plot import Chart, Spec
from rayrl.report.run_directory import read_run
from rayrl.report.run_page import run_page
from rayrl.report.study_directory import read_study
from rayrl.report.study_page import study_charts, write_study_report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(tmp_path_factory.mktemp("study") / "miniature")
    assert write_study_report(folder) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def charts(folder: Path) -> list[Chart]:
    study = read_study(folder)
    return [chart for group in study_charts(study, Benchmarks(study)).values() for chart in group]


def page_of(folder: Path) -> tuple[str, Page]:
    text = (folder / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"figures/{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_page_says_what_was_compared_and_found(folder: Path) -> None:
    _, page = page_of(folder)
    text = " ".join(page.text.split())
    for expected in (
        "5 arms were compared with the base, matched by 20 updates.",
        "grpo changed in-domain accuracy by",
        "Compared with grpo, sft moved the weights",
        "11 of 14",
        "11 finished, 1 failed, 1 stopped, 1 pending",
        "Holm's correction over the 15 differences",
        "Holm's correction over the 6 differences",
        "10,000 draws",
        "grpo − sft_matched",
        "2 not scored",
        "gate_proj 2, up_proj 2, down_proj 2",
        "freeze_mid_mlps",
        "updates: 20",
    ):
        assert expected in text


def test_trials_that_did_not_finish_are_listed(folder: Path) -> None:
    _, page = page_of(folder)
    assert "SyncError: a generator does not hold the learner's weights" in page.text
    for state in ("failed", "stopped", "pending"):
        assert any(attributes.get("class") == f"badge {state}" for attributes in page.all("span"))


def test_the_page_is_one_offline_file_and_other_peoples_text_is_inert(folder: Path) -> None:
    text, page = page_of(folder)
    assert not re.search(r"https?:|//cdn|@import|url\((?!#)", text)
    assert all(not {"src", "href"} & attributes.keys() for _, attributes in page.tags)
    assert "<script>alert" not in text
    assert HOSTILE.replace("\u202e", "[U+202E]") in page.text
    assert len(page.all("script")) == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def axes(spec: Spec) -> list[Spec]:
    """The encodings by place, of a plot and of all its layers and panels."""
    inner = [*spec.get("layer", ()), *([spec["spec"]] if "spec" in spec else [])]
    own = [encoding for channel, encoding in spec.get("encoding", {}).items() if channel in ("x", "y")]
    return own + [axis for part in inner for axis in axes(part)]


def test_every_figure_is_labeled_and_is_there_as_csv_and_png(folder: Path, charts: list[Chart]) -> None:
    assert [chart.id for chart in charts if chart.plot is None] == []
    assert len({chart.id for chart in charts}) == len(charts) == 10
    for chart in charts:
        assert chart.plot is not None
        drawn = svg(chart.plot, "wide")
        for axis in axes(chart.plot.spec):
            title = axis.get("title", axis.get("field"))
            assert re.search(UNITS, title), chart.id
            assert title in titles(drawn), chart.id
        rows = rows_of(folder, chart.id)
        assert len(values(drawn)) == len(rows) > 0, chart.id
        assert (folder / f"figures/{chart.id}.png").read_bytes().startswith(b"\x89PNG")


UNITS = r"points|step|layer|matrix|arm|%|nats/token|GB|minutes|‖"


def test_the_heatmap_shares_one_scale_and_shows_exact_zeros(folder: Path, charts: list[Chart]) -> None:
    plot = next(chart.plot for chart in charts if chart.id == "drift-heatmap")
    assert plot is not None
    colored = [layer["encoding"]["color"] for layer in plot.spec["spec"]["layer"] if "encoding" in layer]
    assert [color["scale"]["scheme"] for color in colored] == ["viridis"]
    assert list(dict.fromkeys(row["panel"] for row in plot.rows)) == list(ARMS)[1:]
    low, high = colored[0]["scale"]["domain"]
    assert all(row["value"] == 0 or low < row["value"] < high for row in plot.rows)
    zeros = {(r["panel"], r["matrix"], r["layer"]) for r in plot.rows if r["value"] == 0}
    # q and k train, the five others are 0 in all four layers; the mid layer of four is the third
    assert zeros == {("grpo_qk", kind, layer) for kind in weights.KINDS[2:] for layer in range(4)} | {
        ("sft_mid_mlps", kind, 2) for kind in ("gate", "up", "down")
    }
    drawn = svg(plot, "full")
    assert drawn.count(">0</text>") == len(zeros) + 5  # and the first layer of each panel
    assert drawn.count(f'fill="{weights.ZERO}"') == len(zeros)
    assert drawn.count("<linearGradient") == 1
    rows = rows_of(folder, "drift-heatmap")
    assert len(rows) == 5 * 7 * 4
    drifts = [json.loads(line) for line in (folder / "trials/sft-seed1/drift.jsonl").read_text().splitlines()]
    drifts += [json.loads(line) for line in (folder / "trials/sft-seed2/drift.jsonl").read_text().splitlines()]
    last = [r for r in drifts if r["step"] == 20 and r["layer"] == 1 and r["kind"] == "mlp.up_proj"]
    cell = next(r for r in rows if (r["panel"], r["layer"], r["matrix"]) == ("sft", "1", "up"))
    assert float(cell["value"]) == pytest.approx(sum(row["relative_frobenius"] for row in last) / 2)
    assert {row["value"] for row in rows if row["panel"] == "grpo_qk" and row["matrix"] == "v"} == {"0"}


def test_curves_are_means_of_seeds_with_their_range(folder: Path) -> None:
    kl = {
        row["step"]: row["forward_kl"]
        for row in map(json.loads, (folder / "trials/grpo-seed1/divergence.jsonl").read_text().splitlines())
        if row["set"] == "held_out"
    }
    rows = [row for row in rows_of(folder, "kl-held-out") if row["series"] == "grpo"]
    means = {int(float(r["training step"])): r for r in rows}
    assert len(means) == len(rows)
    assert means.keys() == kl.keys() == {5, 10, 15, 20}
    for step, value in kl.items():
        low, high = (float(means[step][f"forward KL (nats/token) {end}"]) for end in ("low", "high"))
        assert value == pytest.approx(low) or value == pytest.approx(high)
        assert float(means[step]["forward KL (nats/token)"]) == pytest.approx((low + high) / 2)


def test_places_in_the_text_are_percent(folder: Path) -> None:
    rows = [row for row in rows_of(folder, "kl-positions") if row["series"] == "sft"]
    places = {float(row["place in the text (% of its tokens)"]) for row in rows}
    assert sorted(places) == pytest.approx([5, 15, 25, 35, 45, 55, 65, 75, 85, 95])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-4, -1, [1e-4, 1e-3, 1e-2, 1e-1]),
        (-3.1, -1.2, [1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2]),
        (-1.4, -1.1, [0.04, 0.05, 0.06, 0.07]),
    ],
)
def test_ticks_of_the_color_scale_are_round(low: float, high: float, expected: list[float]) -> None:
    matrix = {(0, "q"): 10 ** (low + 0.02), (1, "q"): 10 ** (high - 0.02)}
    plot = weights.heatmap({"run": matrix})
    assert plot is not None
    legend = plot.spec["spec"]["layer"][0]["encoding"]["color"]["legend"]
    assert legend["values"] == pytest.approx(expected)
    assert [f">{tick:.0e}<".replace("e-0", "e-") in svg(plot, "full") for tick in expected] == [True] * len(expected)


def test_norms_are_no_matrices(folder: Path) -> None:
    run = read_run(folder / "trials/grpo-seed1")
    assert max(weights.last_drift(run).values()) < 1  # the norms' rows say 9
    assert list(weights.by_kind(weights.last_drift(run))) == [*weights.KINDS, "embed_tokens"]


def test_tables_come_as_csv(folder: Path) -> None:
    assert len(rows_of(folder, "benchmarks")) == 6 * 3
    compared = rows_of(folder, "comparisons")
    assert len(compared) == 15 + 6
    assert all(float(row["low"]) <= float(row["mean"]) <= float(row["high"]) for row in compared)
    cost = {row["arm"]: row for row in rows_of(folder, "cost")}
    assert float(cost["grpo"]["learner peak (bytes)"]) == pytest.approx(2.9e9)
    assert float(cost["grpo_qk"]["trial (s)"]) == pytest.approx(60 + 12 * 20 + 30)


@pytest.mark.parametrize(("seconds", "overlap"), [(300.0, False), (100.0, True)])
def test_bars_that_exceed_the_time_of_a_trial_are_explained(tmp_path: Path, seconds: float, overlap: bool) -> None:
    folder = write_study(tmp_path / "s", Shape(arms={"grpo": ARMS["grpo"]}, seeds=(1,), failing=False))
    trials = json.loads((folder / "trials.json").read_text())
    (folder / "trials.json").write_text(json.dumps([trials[0] | {"seconds": seconds}]))
    study = read_study(folder)
    assert ("Phases overlap" in cost.time_caption(study)) is overlap
    plot = cost.time_bars(study)
    assert plot is not None
    assert (sum(row["time in the phases of a trial (minutes)"] for row in plot.rows) > seconds / 60 + 0.01) is overlap


def test_values_by_trial_are_numbers_in_the_tables(folder: Path) -> None:
    values = [row[name] for row in rows_of(folder, "comparisons") for name in ("trial_1", "trial_2")]
    assert min(map(float, values)) < 0  # a quoted number would not parse
    shares = rows_of(folder, "benchmarks")
    assert [row["trial_2"] == "" for row in shares] == [row["arm"] == "base" for row in shares]


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "-2+3", "+1", "@SUM(1)"])
def test_text_that_a_spreadsheet_would_compute_is_quoted(tmp_path: Path, text: str) -> None:
    write_table(tmp_path / "t.csv", [{"arm": text, "value": -0.5}])
    assert (tmp_path / "t.csv").read_text() == f"arm,value\n'{text},-0.5\n"


def test_a_study_that_has_only_begun(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "begun", _one())
    trials = json.loads((folder / "trials.json").read_text())
    for trial in trials:
        trial["state"] = "pending"
    (folder / "trials.json").write_text(json.dumps(trials))
    write_study_report(folder)
    _, page = page_of(folder)
    for expected in ("Nothing can be concluded yet", "No finished trial has measured a benchmark", "0 of 2"):
        assert expected in page.text
    assert sorted(path.name for path in (folder / "figures").iterdir()) == [
        "benchmarks.csv",
        "comparisons.csv",
        "cost.csv",
    ]


def _one() -> Shape:
    return Shape(arms={"base": ARMS["base"], "sft": ARMS["sft"]}, seeds=(1,), failing=False)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("metrics.jsonl", "not json\n{}\n", ":1: not JSON"), ("plan.json", '{"parameters": 1', ": not JSON")],
)
def test_a_finished_trial_without_its_folder_or_with_a_broken_file_is_said(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    folder = write_study(tmp_path / "gone", _one())
    trials = json.loads((folder / "trials.json").read_text())
    trials.append(trials[1] | {"directory": "trials/nowhere", "seed": 2})
    (folder / "trials.json").write_text(json.dumps(trials))
    broken = folder / "trials/sft-seed1" / name
    broken.write_text(content)
    write_study_report(folder)
    _, page = page_of(folder)
    assert "its folder is not there" in page.text
    assert f"{name}{said}" in page.text
    assert "1 of 3" in page.text


def test_settings_that_are_not_yaml_are_named(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", _one())
    (folder / "study.yaml").write_text("study: [unclosed")
    with pytest.raises(DataError, match=r"study\.yaml: not YAML"):
        write_study_report(folder)


def test_beside_an_adapter_the_whole_base_is_frozen(tmp_path: Path) -> None:
    adapters: dict[str, Any] = {"lora": {"rank": 8}, "qlora": {"rank": 16, "quantize": "nf4"}, "full": None}
    arms = {name: FakeArm("SFT", adapter=adapter) for name, adapter in adapters.items()}
    study = read_study(write_study(tmp_path / "s", Shape(arms=arms, seeds=(1,), items=10, failing=False)))
    rows = [(row.adapter, row.frozen) for row in map(freeze_row, study.trained)]
    assert rows == [
        ("LoRA, rank 8, all-linear", ["the whole base"]),
        ("LoRA, rank 16, all-linear, nf4 base", ["the whole base, in 4 bits"]),
        ("", []),
    ]


def test_the_page_says_over_how_many_items_it_compares(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", _one())
    path = folder / "trials/sft-seed1/benchmarks.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    other = [row | {"item": f"changed {row['item']}"} if row["benchmark"] == "gsm8k" else row for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in other))
    write_study_report(folder)
    _, page = page_of(folder)
    assert page.text.count("no item in common with the base") == 1
    assert "over 119 items" in page.text


def test_the_command_knows_a_run_from_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_study(tmp_path / "s", _one())
    assert main(["report", str(folder)]) == 0
    assert "study report" in (folder / "report.html").read_text(encoding="utf-8")
    run = folder / "trials/sft-seed1"
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.split() == [str(folder / "report.html"), str(run / "report.html")]
    names = {path.name for path in (run / "figures").iterdir()}
    drawn: list[Any] = [chart for chart in run_page(read_run(run)).charts if chart.plot]
    assert names == {f"{chart.id}.{end}" for chart in drawn for end in ("csv", "png")}
    assert {"drift-heatmap.png", "drift.csv", "kl-held-out.csv", "kl-mmlu-stem.png", "loss.csv"} <= names
    _, page = page_of(run)
    for expected in (
        "Benchmarks",
        "gsm8k",
        "What it did to the model",
        "Divergence from the base over steps, held_out",
    ):
        assert expected in page.text


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no trials\.json"):
        write_study_report(tmp_path)

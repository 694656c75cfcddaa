"""`rayrl eval` before any actor starts: what it says it would do, and what it refuses."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl import cli
from rayrl.folders import only_one


@pytest.fixture
def settings(tiny_model: Path, tmp_path: Path) -> dict[str, Any]:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"question": f"{n} + 1 =", "answer": n + 1}) + "\n" for n in range(5)))
    return {
        "run": {"name": "e", "dir": str(tmp_path / "runs")},
        "model": {"path": str(tiny_model)},
        "generator": {"engine": "tests.fakes.engine:TransformersEngine"},
        "benchmarks": {"sums": {"data": {"source": str(rows)}, "prompt": {"max_tokens": 100}}},
        "evaluation": {"temperature": 1, "max_tokens": 8, "samples": 3},
    }


def evaluate(settings: dict[str, Any], folder: Path, *rest: str) -> int:
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(settings))
    return cli.main(["eval", str(path), *rest])


@pytest.fixture(autouse=True)
def no_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rayrl.evaluate.sampler", None)


def test_a_dry_run_says_what_would_be_sampled_of_which_model(
    settings: dict[str, Any], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(tiny_model, tmp_path / "other")
    assert evaluate(settings, tmp_path, str(tiny_model), str(other), "--dry-run", "--benchmarks.sums.samples", "2") == 0
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines() if " sums " in line]
    assert rows == [["tiny", "sums", "5", "10", "0"], ["other", "sums", "5", "10", "0"]]
    assert not (tmp_path / "runs").exists()


def test_a_benchmark_that_cannot_be_had_is_left_out_by_the_option_that_the_error_names(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings["benchmarks"]["lost"] = settings["benchmarks"]["sums"] | {"data": {"source": str(tmp_path / "lost.jsonl")}}
    assert evaluate(settings, tmp_path, "--dry-run") == 3
    assert "lost.jsonl' does not exist\nor leave it out: --without lost\n" in capsys.readouterr().err
    for rest in (["--without", "lost"], ["--only", "sums"]):
        assert evaluate(settings, tmp_path, "--dry-run", *rest) == 0
        assert " lost " not in capsys.readouterr().out
    assert evaluate(settings, tmp_path, "--dry-run", "--only", "sum") == 2
    assert "--only sum: no such benchmark; did you mean 'sums'? known are lost, sums" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rest", "code", "message"),
    [
        (["nowhere/at/all"], 4, "'nowhere/at/all' does not exist"),
        (["--benchmarks.sums.data.source", "none.jsonl"], 3, "benchmarks.sums.data.source"),
        (["--benchmarks.sums.prompt.max_tokens", "250"], 2, "258 tokens are more than the 256 positions"),
        (["--evaluation.temperature", "0"], 2, "at temperature 0 all samples of an item are alike"),
        (["--benchmarks.sums.rewards", "[{function: mathz}]"], 2, "'mathz' is neither built in"),
        (["--generator.engine", "no.such:Engine"], 2, "generator.engine"),
        (["--learner.threads", "2"], 2, "learner: unknown setting"),
    ],
)
def test_bad_input_ends_before_any_actor_starts(
    settings: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rest: list[str],
    code: int,
    message: str,
) -> None:
    assert evaluate(settings, tmp_path, *rest) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_the_folder_of_a_run_is_no_place_for_an_evaluation(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs/e").mkdir(parents=True)
    (tmp_path / "runs/e/config.yaml").write_text("{}")
    assert evaluate(settings, tmp_path, "--run.overwrite", "true") == 2
    assert "is the folder of a run or a study; choose another name" in capsys.readouterr().err
    assert (tmp_path / "runs/e/config.yaml").exists()


def test_a_second_evaluation_in_the_same_folder_is_refused(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs/e"
    with only_one(folder, "run.name"):
        assert evaluate(settings, tmp_path, "--run.overwrite", "true") == 2
    message = f"run.name: {str(folder)!r} is in use by process {os.getpid()} on "
    assert message in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == [".lock"], "no line, no settings of the second"


def answer_all(settings: dict[str, Any], model: Path, folder: Path) -> None:
    """Leaves an items.jsonl that lacks none; the first sample of each item is right."""
    from rayrl.config import EvalConfig, validated
    from rayrl.evaluate.draws import record_of
    from rayrl.evaluate.model import find_models
    from rayrl.evaluate.plan import check_models
    from rayrl.jsonl import Journal

    (plan,) = check_models(validated(EvalConfig, "c", settings), find_models([str(model)]))
    journal = Journal(folder / "items.jsonl")
    for draw in plan.draws:
        prompt = plan.sets.prompts["sums"][draw.index]
        row: Any = {"prompt_id": prompt.id, "prompt": prompt.columns["question"], "gold": prompt.columns["answer"]}
        row |= {"completion": "5", "status": "correct", "extracted": "5", "reason": "", "decided_by": "rules"}
        row |= {"tokens": 1, "finish_reason": "stop", "sample": draw.sample, "score": float(draw.sample == 0)}
        journal.append(record_of(draw, row, "tiny"))
    journal.close()


def test_where_all_samples_are_there_nothing_is_started_and_results_are_written(
    settings: dict[str, Any], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_all(settings, tiny_model, tmp_path / "runs/e")
    stale = tmp_path / "runs/e/comparison.json"
    stale.write_text("[]")
    assert evaluate(settings, tmp_path) == 0
    assert not stale.exists(), "it was of other models"
    shown = capsys.readouterr()
    assert "15 of 15 samples are there; 0 to go" in shown.err
    assert "pass@3 100.0 %" in shown.out
    results = json.loads((tmp_path / "runs/e/results.json").read_text())
    assert results["sums"]["avg@3"]["value"] == pytest.approx(1 / 3)
    assert results["sums"]["avg@3"]["n"] == 5


def test_items_of_one_content_are_items_each_and_no_samples_of_one(
    settings: dict[str, Any], tiny_model: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(2 * rows.read_text())
    settings["evaluation"]["samples"] = 1
    answer_all(settings, tiny_model, tmp_path / "runs/e")
    assert evaluate(settings, tmp_path) == 0
    results = json.loads((tmp_path / "runs/e/results.json").read_text())
    assert results["sums"]["accuracy"]["n"] == 10
    assert not any("@" in metric for metric in results["sums"])

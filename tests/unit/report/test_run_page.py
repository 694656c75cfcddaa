"""The page as a whole: what it says, that it is one offline file, that model output in it is inert."""

import json
import re
from pathlib import Path

import pytest
from fake_run import INJECTION, write_run
from parsed_page import Page, values

from rayrl.errors import DataError
from rayrl.report.drawing import svg
from rayrl.report.plot import STEP, Series, quantity, step_axis, trend
from rayrl.report.run_page import write_report
from rayrl.report.text import printable


def report(run_dir: Path) -> tuple[str, Page]:
    """(the file, the parsed page)"""
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


def test_finished_run(tmp_path: Path) -> None:
    _, page = report(write_run(tmp_path / "demo"))
    for expected in ("demo", "finished", "embedded:smollm2-135m", "reasoning_gym:chain_sum", "8 min 20 s", "20 of 20"):
        assert expected in page.text
    for expected in ("25.1 → 38.7 %", "+13.6 points", "37 gained, 10 lost of 199", "do not overlap", "p < 0.001"):
        assert expected in page.text
    assert "Learner memory 3.0 GB a rank, 3.4 GB estimated" in page.text
    assert "was not logged" not in page.text
    assert "prompts_per_step: 16" in page.text
    assert sorted(p.name for p in (tmp_path / "demo").iterdir() if "report" in p.name) == ["report.html"]


def test_offline_and_only_own_scripts(tmp_path: Path) -> None:
    text, page = report(write_run(tmp_path / "demo"))
    assert not re.search(r"https?:|//cdn|@import|url\(", text)
    assert all(not {"src", "href"} & attributes.keys() for _, attributes in page.tags)
    policy = page.all("meta")[1]["content"]
    nonces = {attributes.get("nonce") for attributes in page.all("script") if attributes.get("type") is None}
    assert policy is not None
    assert "default-src 'none'" in policy
    assert [f"'nonce-{nonce}'" in policy for nonce in nonces] == [True]


def test_model_output_is_inert(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "demo")
    hostile = dict.fromkeys(("prompt_id", "prompt", "gold", "completion", "status", "extracted", "reason"), INJECTION)
    for name in ("eval_000000", "eval_000020", "step_000020"):
        line = json.dumps(hostile | {"score": 0.0, "reward": 0.0}) + "\n"
        (run_dir / f"rollouts/{name}.jsonl").write_text(line * 3, encoding="utf-8")
    (run_dir / "config.yaml").write_text(json.dumps({"model": {"path": INJECTION}}), encoding="utf-8")
    with (run_dir / "metrics.jsonl").open("a") as log:
        log.write(json.dumps({"kind": "event", "step": 20, "event": "failed", "detail": INJECTION}) + "\n")
    text, page = report(run_dir)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert "<script>alert('owned')</script>" in page.text  # shown as text
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "\u202e" not in text


@pytest.mark.parametrize("label", [INJECTION, "</script><!--&", "']) + datum.constructor('", "\0\ufffe\uffff"])
def test_a_label_is_text_in_a_drawing(label: str) -> None:
    rows = [{"series": label, STEP: step, "y": 0.5} for step in (1, 2)]
    drawn = svg(trend(rows, step_axis(rows), quantity("y"), [Series(label, dash=(6, 4))]), "wide")
    page = Page(drawn)
    assert {tag for tag, _ in page.tags} <= {"svg", "rect", "g", "path", "line", "text"}
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert [said.endswith(": 0.5") for said in values(drawn)] == [True, True]
    assert " ".join(printable(label).split()) in " ".join(page.text.split())


def test_interrupted_before_the_second_evaluation(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "cut", steps=7, evals=(0,), end="interrupted")
    half_written = run_dir / "rollouts/eval_000007.jsonl"
    half_written.write_text('{"prompt_id": "a", "sco', encoding="utf-8")  # killed while evaluating
    _, page = report(run_dir)
    for expected in (
        "interrupted",
        "SIGINT at step end",
        "7 of 20 steps",
        "Only one evaluation",
        "Needs two evaluations",
    ):
        assert expected in page.text


@pytest.mark.parametrize("end", ["finished", "interrupted", "stopped", "failed"])
def test_every_end_is_named(tmp_path: Path, end: str) -> None:
    _, page = report(write_run(tmp_path / "cut", steps=3, evals=(0,), end=end))
    assert "has recorded no end" not in page.text
    assert any(attributes.get("class") == f"run-status {end}" for attributes in page.all("span"))


def test_one_step_without_evaluation_or_end(tmp_path: Path) -> None:
    _, page = report(write_run(tmp_path / "one", steps=1, evals=(), end=None))
    for expected in (
        "unfinished",
        "has recorded no end",
        "One step only",
        "no held-out evaluation",
        "No held-out compl",
    ):
        assert expected in page.text


def test_empty_run_directory(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _, page = report(tmp_path / "empty")
    assert page.all("svg") == []
    for expected in ("No training step", "No time has been", "No training samples", "holds no config.yaml"):
        assert expected in page.text


def test_nan_and_null_metrics(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "nan", steps=3)
    record = {"kind": "step", "step": 3, "reward/mean": None, "train/grad_norm": None, "time/step_s": None}
    with (run_dir / "metrics.jsonl").open("a") as log:
        log.write(
            json.dumps(record) + "\n" + '{"kind": "step", "step": 4, "reward/mean": NaN, "train/loss": Infinity}\n'
        )
    text, _ = report(run_dir)
    assert "NaN" not in text


def test_no_such_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such run directory"):
        write_report(tmp_path / "nowhere")

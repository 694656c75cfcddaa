"""The page as a whole: what it says, that it is one offline file, that model output in it is inert."""

import json
import re
from pathlib import Path

import pytest
from fake_run import INJECTION, write_run
from parsed_page import Page
from plotly.offline import get_plotlyjs

from rayrl.errors import DataError
from rayrl.report.html import script_json
from rayrl.report.page import write_report


def report(run_dir: Path) -> tuple[str, Page]:
    """(the file without plotly.js, the parsed page)"""
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    text = path.read_text(encoding="utf-8")
    assert text.count(get_plotlyjs()) == 1
    return text.replace(get_plotlyjs(), ""), Page(text.replace(get_plotlyjs(), ""))


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
    assert len(page.all("script")) == 3
    assert page.all("img") == []
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "\u202e" not in text


def test_chart_data_cannot_end_its_script() -> None:
    dumped = script_json({"a": "</script><!--&"})
    assert "<" not in dumped
    assert json.loads(dumped) == {"a": "</script><!--&"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(float("nan"))


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
    text, page = report(tmp_path / "empty")
    assert json.loads(re.search(r'id="chart-data">(.*?)</script>', text)[1]) == []
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

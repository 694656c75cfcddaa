"""The command line: instant help, and bad input refused before anything starts."""

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.cli import main
from tests.conftest import PATIENCE


def write(config: dict[str, Any], folder: Path) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def test_help_takes_less_than_a_second_and_imports_nothing_heavy() -> None:
    code = "import sys; from rayrl.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    started = time.monotonic()
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert time.monotonic() - started < 1.0 * PATIENCE
    assert "grpo" in output
    loaded = {name.partition(".")[0] for name in output.splitlines()[-1].split()}
    assert not loaded & {"torch", "ray", "vllm", "transformers", "pydantic", "rich"}


def test_dry_run_prints_settings_freeze_table_and_placement_and_starts_nothing(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_config["freeze"] = {"preset": "qk_only"}
    assert main(["grpo", write(tiny_config, tmp_path), "--dry-run", "--steps", "7"]) == 0
    output = capsys.readouterr().out
    assert "steps: 7" in output
    assert "clip_high: 0.2" in output, "presets are resolved"
    assert "without effect" not in output
    assert main(["grpo", write(tiny_config, tmp_path), "--dry-run", "--objective.clip_high", "0.3"]) == 0
    assert "objective.clip_high (0.3): without effect" in " ".join(capsys.readouterr().out.split())
    fates = {line.split()[1]: line.split()[0] for line in output.splitlines() if " of layers " in line}
    assert (fates["self_attn.q_proj"], fates["self_attn.v_proj"]) == ("train", "frozen")
    memory = r"1 x \(1 CPU, 0 GPU\), about \d\.\d GB a rank, at most \d\.\d GB of it activations"
    assert re.search(memory, " ".join(output.split())), "the table may have broken the line"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"learner": {"learning_rat": 1}}, 2, ["learner.learning_rat", "unknown setting", "learning_rate"]),
        ({"model": {"path": "/no/such/model"}}, 4, ["model.path", "/no/such/model", "does not exist"]),
        ({"model": {"path": "embedded:gpt-5"}}, 4, ["model.path", "embedded:smollm2-135m"]),
        ({"train_data": {"source": "empty.jsonl"}}, 3, ["train_data.source", "empty.jsonl"]),
        ({"freeze": {"rules": [{"match": "*.no_proj.*", "train": False}]}}, 9, ["freeze.rules.0", "*.no_proj.*"]),
        ({"freeze": {"rules": [{"match": "*", "train": False}]}}, 9, ["nothing to train"]),
        ({"generator": {"kv_cache_gb": 1e6}}, 4, ["model.path", "GB are free", "kv_cache_gb"]),
        ({"checkpoint": {"keep": 10**9}}, 5, ["run.dir", "GB are free there", "checkpoint.keep"]),
        ({"generator": {"engine": "tests.fakes.engine:Absent"}}, 2, ["generator.engine", "'Absent'"]),
        ({"rewards": [{"function": "tests.fakes.rewards:absent"}]}, 2, ["rewards", "'absent'"]),
        ({"prompt": {"template": "{problem}", "max_tokens": 100}}, 2, ["prompt.template", "'{problem}'", "question"]),
        ({"prompt": {"max_tokens": 2}}, 3, ["prompt.max_tokens", "no row is left"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_input_ends_with_one_message_before_anything_starts(
    tiny_config: dict[str, Any],
    change: dict[str, Any],
    code: int,
    says: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").write_text("")
    assert main(["grpo", write(tiny_config | change, tmp_path)]) == code
    message = capsys.readouterr().err
    assert message.startswith("rayrl: ")
    assert all(part in message for part in says), message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["grpo", "sft"])
def test_a_tokenizer_without_chat_template_is_named_and_a_file_with_one_serves(
    command: str,
    tiny_config: dict[str, Any],
    tiny_sft: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_config["model"]["path"], base)
    (base / "chat_template.jinja").unlink()
    config = write({**(tiny_config if command == "grpo" else tiny_sft), "model": {"path": str(base)}}, tmp_path)
    assert main([command, config, "--dry-run"]) == 4
    message = capsys.readouterr().err
    assert "has no chat template" in message
    assert "model.chat_template: configs/finance/plain_chat.jinja" in message
    template = str(Path(__file__).resolve().parents[2] / "configs/finance/plain_chat.jinja")
    assert main([command, config, "--dry-run", "--model.chat_template", template]) == 0


def test_synth_shows_what_it_would_read_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "filings"
    folder.mkdir()
    settings = {"run": {"dir": str(tmp_path / "runs")}, "documents": {"paths": [str(folder)], "written": 2}}
    config = write(settings, tmp_path)
    assert main(["synth", config, "--dry-run"]) == 3
    assert f"documents.paths: folder {str(folder)!r} holds no .pdf" in capsys.readouterr().err
    (folder / "a.txt").write_text("a")
    (folder / "b.pdf").write_text("b")
    assert main(["synth", config, "--dry-run"]) == 0
    assert "2 (1 .txt, 1 .pdf), 2 to be written by rules" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


def test_golds_that_cannot_be_read_are_listed_by_row_or_left_out_and_counted(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "1+1", "answer": "2"}\n{"question": "1+2", "answer": "\\\\frac{"}\n')
    tiny_config["train_data"] = {"source": str(rows)}
    assert main(["grpo", write(tiny_config, tmp_path), "--dry-run"]) == 3
    message = capsys.readouterr().err
    assert "train_data-1" in message
    assert "train_data.bad_golds" in message
    assert main(["grpo", write(tiny_config, tmp_path), "--dry-run", "--train_data.bad_golds", "skip"]) == 0
    assert "1 of train_data: gold answer cannot be read (train_data-1)" in capsys.readouterr().out


def test_a_run_is_not_overwritten_nor_resumed_by_accident(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    assert main(["grpo", write(tiny_config, tmp_path), "--run.resume", "true"]) == 2
    assert "there is no run at" in capsys.readouterr().err
    (folder / "config.yaml").write_text("")
    assert main(["grpo", write(tiny_config, tmp_path)]) == 2
    message = capsys.readouterr().err
    assert "--run.resume true" in message
    assert "--run.overwrite true" in message


@pytest.mark.parametrize("obstacle", ["name", "disk", "answer", "folder", "interrupt", "full"])
def test_what_stops_sft_leaves_no_draft(
    obstacle: str,
    tiny_sft: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A taken name and a full disk are found before the first row is tokenized; a row that is bad, or Ctrl-C, later."""
    config, runs = write(tiny_sft, tmp_path), tmp_path / "runs"
    runs.mkdir()
    raises: dict[str, BaseException] = {
        "interrupt": KeyboardInterrupt(),
        "full": OSError(errno.ENOSPC, "No space left on device"),
    }
    error = raises.get(obstacle, AssertionError("tokenized before it was checked"))
    arguments = ["--target.template", "{missing}"] if obstacle == "answer" else []
    if obstacle == "name":
        (runs / "tiny").mkdir()
        (runs / "tiny" / "config.yaml").touch()
    if obstacle == "disk":
        arguments = ["--checkpoint.keep", str(10**9)]
    if obstacle == "folder":
        arguments = ["--run.dir", "/proc/nowhere"]
    if obstacle not in ("answer", "folder"):

        def stopped(*_: Any) -> None:
            raise error

        monkeypatch.setattr("rayrl.data.example_tokenizer.ExampleTokenizer.pieces", stopped)
    before = sorted(tmp_path.rglob("*"))
    codes = {"name": 2, "disk": 5, "answer": 3, "folder": 2, "interrupt": 130, "full": 5}
    assert main(["sft", config, *arguments]) == codes[obstacle]
    assert sorted(tmp_path.rglob("*")) == before
    assert obstacle == "interrupt" or capsys.readouterr().err.startswith("rayrl: ")


def test_a_dry_run_of_sft_leaves_nothing(tiny_sft: dict[str, Any], tmp_path: Path) -> None:
    config = write(tiny_sft, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["sft", config, "--dry-run"]) == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_cluster_that_is_not_there_is_said_at_once(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    assert main(["grpo", write(tiny_config, tmp_path)]) == 5
    assert "Ray did not start on 127.0.0.1:9: [Errno 111]" in capsys.readouterr().err


def test_report_refuses_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "no run or study directory" in capsys.readouterr().err


def test_the_command_waits_for_no_thread_and_loses_no_output() -> None:
    """Libraries leave threads that Python would join for ever."""
    ended = python(
        "import threading; threading.Thread(target=threading.Event().wait).start()\n"
        "import rayrl.cli; rayrl.cli.main = lambda: print('said last') or 4; rayrl.cli.script()"
    )
    assert ended.returncode == 4
    assert ended.stdout == "said last\n"


def test_a_thread_that_outlives_ray_starts_no_other() -> None:
    said = python(
        "import os, rayrl.cli; rayrl.cli.main = os._exit = lambda *code: 0; rayrl.cli.script()\n"
        "import ray\ntry: ray.put(1)\nexcept Exception as error: print(error)"
    )
    assert "has not been started" in said.stdout, (said.stdout, said.stderr)


def python(code: str) -> "subprocess.CompletedProcess[str]":
    """Its output is buffered, as a shell's pipe has it."""
    command, buffered = [sys.executable, "-c", code], os.environ | {"PYTHONUNBUFFERED": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE, check=False, env=buffered)

"""Folders that cannot be written: one message with field and folder, before anything starts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.cli import main
from rayrl.commands.output import require_output
from rayrl.data.files import read_files
from rayrl.errors import ConfigError, DataError
from rayrl.folders import clear, only_one, require_writable
from rayrl.models import load_tokenizer
from tests.conftest import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
NO_OVERRIDE = "-dac_override,-dac_read_search,-fowner"
"""What lets root write where permissions forbid it."""
COMMANDS = """
import contextlib, io, json, sys
from rayrl.cli import main
found = []
for command in json.load(sys.stdin):
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = main(command)
    found.append([code, err.getvalue()])
print(json.dumps(found))
"""
READS = """
import json, sys
from rayrl.data.files import read_files
from rayrl.errors import DataError
found = []
for (path,) in json.load(sys.stdin):
    try:
        found.append([0, str(list(read_files(path, "train_data")))])
    except DataError as error:
        found.append([3, str(error)])
print(json.dumps(found))
"""


def test_a_folder_that_can_be_made_is_not_made_and_leaves_nothing(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b", "run.dir")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=rf"run.dir: folder '{tmp_path}/file/x' cannot be made in .*Not a directory"):
        require_writable(tmp_path / "file" / "x", "run.dir")
    with pytest.raises(ConfigError, match=rf"run.dir: folder '{tmp_path}/file' cannot be written .*Not a directory"):
        require_writable(tmp_path / "file", "run.dir")
    with pytest.raises(ConfigError, match="File name too long"):
        require_writable(tmp_path / ("x" * 300), "run.dir")


def test_an_output_that_is_a_folder_is_refused_even_to_be_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--tokens: .* is a folder; name a file in it"):
        require_output(tmp_path, overwrite=True, option="--tokens")


HOLD = """
import sys, time
from pathlib import Path
from rayrl.folders import only_one
with only_one(Path(sys.argv[1]), "run.name"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_in_use_is_refused_by_name_of_the_other_until_that_one_ends(tmp_path: Path) -> None:
    folder = tmp_path / "runs/one"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            clear(folder)  # what starts over keeps the lock
            said = rf"run.name: '{folder}' is in use by process {other.pid} on \S+; wait"
            with pytest.raises(ConfigError, match=said), only_one(folder, "run.name"):
                pass
        finally:
            other.kill()
    with only_one(folder, "run.name"):
        assert f"process {os.getpid()} on" in (folder / ".lock").read_text()


def test_a_folder_is_cleared_of_all_but_its_lock(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    folder = tmp_path / "one"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "link").symlink_to(tmp_path / "kept", target_is_directory=True)
    with only_one(folder, "run.name"):
        clear(folder)
        assert [path.name for path in folder.iterdir()] == [".lock"]
    assert (tmp_path / "kept").is_dir()


@pytest.fixture
def unwritable(tmp_path: Path) -> Any:
    folder = tmp_path / "unwritable"
    (folder / "there").mkdir(parents=True)
    for path in (folder / "there", folder):
        path.chmod(0o555)
    yield folder
    folder.chmod(0o755)


def without_override(
    *commands: list[str], env: dict[str, str] | None = None, script: str = COMMANDS
) -> list[tuple[int, str]]:
    """(exit code, stderr) of each `rayrl` command, in a process for which permissions count, also as root."""
    start = [sys.executable, "-c", script]
    if os.geteuid() == 0:
        if not (setpriv := shutil.which("setpriv")):
            pytest.skip("as root, only setpriv can make permissions count")
        start = [setpriv, f"--bounding-set={NO_OVERRIDE}", f"--inh-caps={NO_OVERRIDE}", *start]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"} | (env or {})
    done = subprocess.run(
        start,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        env=environment,
        timeout=240 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, error) for code, error in json.loads(done.stdout.splitlines()[-1])]


def test_every_command_names_field_and_folder_before_anything_starts(
    tiny_config: dict[str, Any], tiny_sft: dict[str, Any], unwritable: Path, tmp_path: Path
) -> None:
    def written(name: str, content: dict[str, Any]) -> str:
        (tmp_path / name).write_text(yaml.safe_dump(content))
        return str(tmp_path / name)

    grpo, sft = written("grpo.yaml", tiny_config), written("sft.yaml", tiny_sft)
    embedded = written("embedded.yaml", tiny_config | {"model": {"path": "embedded:smollm2-135m"}})
    synth = written("synth.yaml", {"documents": {"written": 1}})
    base = {key: value for key, value in tiny_config.items() if key != "run"}
    study = written("study.yaml", {"base": base, "arms": {"a": {"method": "grpo"}}})
    space = {"space": {"steps": [1, 2]}, "objective": {"held_out": 1.0}}
    sweep = written("sweep.yaml", {"base": base, "method": "grpo", "sweep": space})
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"gold": "2", "response": "2"}\n')
    model, here, output = tiny_config["model"]["path"], str(unwritable), str(unwritable / "out.jsonl")
    compared = [model, model, "--output"]
    judged = ["--input", str(rows), "--output", str(tmp_path / "fine"), "--judge-url", "http://x", "--judge-model", "m"]
    expected = {
        "run.dir": [
            ["grpo", grpo, "--run.dir", here],
            ["grpo", grpo, "--run.dir", here, "--dry-run"],
            ["grpo", grpo, "--run.dir", here, "--run.name", "there", "--run.overwrite", "true"],
            ["sft", sft, "--run.dir", here],
            ["sft", sft, "--run.dir", f"{here}/new/deep", "--dry-run"],
            ["synth", synth, "--run.dir", here],
            ["synth", synth, "--run.dir", here, "--dry-run"],
        ],
        "study.dir": [["study", study, "--study.dir", here], ["study", study, "--study.dir", here, "--dry-run"]],
        "sweep.dir": [["sweep", sweep, "--sweep.dir", here, "--dry-run"]],
        "--output": [
            ["verify", "maths", "--input", str(rows), "--output", output],
            ["drift", *compared, output],
            ["divergence", *compared, output, "--texts", str(rows)],
        ],
        "--tokens": [["divergence", *compared, str(tmp_path / "fine"), "--tokens", output, "--texts", str(rows)]],
        "--judge-cache": [["verify", "finance", *judged, "--judge-cache", f"{here}/cache"]],
        "model.path": [["grpo", embedded, "--dry-run"]],
    }
    commands = [(field, command) for field, some in expected.items() for command in some]
    cache = {"RAYRL_CACHE": f"{here}/cache", "RAY_ADDRESS": "127.0.0.1:9"}
    outcomes = without_override(*(command for _, command in commands), env=cache)
    for (field, command), (code, error) in zip(commands, outcomes, strict=True):
        assert code == 2, (command, error)
        assert error.startswith(f"rayrl: {field}: "), (command, error)
        assert here in error, (command, error)
        assert "Permission denied" in error, (command, error)
        assert len(error.splitlines()) == 1, (command, error)
    assert not list(tmp_path.rglob("*.arrow")), "no draft is left"
    assert sorted(unwritable.rglob("*")) == [unwritable / "there"]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    names = ("rows.jsonl", "rows.csv", "rows.json", "rows.parquet")
    for name in (*names, "closed.yaml"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0)
    ((code, error),) = without_override(["sft", str(tmp_path / "closed.yaml")])
    assert (code, "closed.yaml' cannot be read: " in error) == (2, True)
    outcomes = without_override(*([str(tmp_path / name)] for name in names), script=READS)
    for name, (_, error) in zip(names, outcomes, strict=True):
        assert error.startswith(f"train_data.source: file '{tmp_path}/{name}' cannot be read: "), error
        assert "denied" in error


def test_a_chat_template_in_another_encoding_is_named(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_bytes(b"\xfc")
    with pytest.raises(ConfigError, match=r"model.chat_template: file .*own.jinja' cannot be read: .*utf-8"):
        load_tokenizer(str(tiny_model), tmp_path / "own.jinja")


def test_a_folder_in_place_of_a_file_of_rows_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").mkdir()
    with pytest.raises(DataError, match=r"rows\.jsonl' does not exist"):
        list(read_files(str(tmp_path / "rows.jsonl"), "train_data"))


def test_an_error_of_the_system_that_no_check_foresaw_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: Any, **options: Any) -> int:
        raise OSError(28, "No space left on device", "/runs/x")

    monkeypatch.setattr("rayrl.commands.start._train", full)
    assert main(["grpo", "any.yaml"]) == 5
    assert capsys.readouterr().err.startswith("rayrl: [Errno 28] No space left on device: '/runs/x'")
    monkeypatch.setenv("RAYRL_VERBOSE", "1")
    with pytest.raises(OSError, match="No space"):
        main(["grpo", "any.yaml"])

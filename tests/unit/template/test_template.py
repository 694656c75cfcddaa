"""Processes that are forked from a template: each is as one that was started by itself, and they end with it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rayrl.template import client
from rayrl.template.client import ADDRESS, SERVER, fork, template
from rayrl.template.start_worker import forked
from tests.conftest import PATIENCE, ROOT

PROGRAM = """
import json, os, sys
found = {"argv": sys.argv, "path": sys.path[0], "folder": os.getcwd(), "environment": dict(os.environ)}
found |= {"modules": [name for name in ("torch", "vllm", "ray") if name in sys.modules], "pid": os.getpid()}
found |= {"nice": os.getpriority(os.PRIO_PROCESS, 0), "group": os.getpgrp()}
with open(int(sys.argv[1]), "w") as file:
    file.write(json.dumps(found))
"""


def servers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if SERVER in child.cmdline()]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60 * PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        with template():
            yield
    assert servers() == []


def said(arguments: list[str], group: int = 0) -> dict[str, Any]:
    """What PROGRAM finds in a fork, given the number of a pipe that this process has."""
    here, there = os.pipe()
    pid = fork([*arguments, str(there)], [there], group)
    os.close(there)
    with open(here) as file:
        found: dict[str, Any] = json.loads(file.read())
    assert found["pid"] == pid
    return found


def test_a_fork_has_the_imports_and_for_the_rest_what_a_process_of_its_own_would_have(
    running: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYRL_TEST_NEW", "1")
    for arguments, argv, path in (
        (["-B", "-c", PROGRAM], ["-c"], ""),
        ([str(script), "more"], [str(script), "more"], str(tmp_path)),
    ):
        if argv[-1] == "more":
            script.write_text(PROGRAM.replace("sys.argv[1]", "sys.argv[2]"))
        found = said(arguments)
        assert (found["argv"][:-1], found["path"], found["folder"]) == (argv, path, str(tmp_path))
        assert found["environment"] == dict(os.environ)
        assert found["modules"] == ["torch", "vllm"], "Ray's workers are none where Ray was imported before"
        assert (found["nice"], found["group"]) == (os.getpriority(os.PRIO_PROCESS, 0), found["pid"])
    monkeypatch.delenv("RAYRL_TEST_NEW")
    assert "RAYRL_TEST_NEW" not in said(["-c", PROGRAM])["environment"]


def test_who_is_slow_to_read_the_answer_gets_it_all_the_same(running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The template has gone on by then: what was asked for must not be started once more, in another way."""
    send = socket.socket.sendmsg

    def slow(own: socket.socket, *given: Any) -> int:
        sent = send(own, *given)
        time.sleep(0.5)
        return sent

    fork(["-c", ""], (), 0)  # it answers: its imports are over
    monkeypatch.setattr(socket.socket, "sendmsg", slow)
    assert said(["-c", PROGRAM])["modules"]


def test_a_template_that_ends_before_it_answers_is_no_reason_to_start_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(ADDRESS, str(tmp_path / "deaf"))
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen(1)

        def hear_and_end() -> None:
            with deaf.accept()[0] as connection:
                connection.recv(1)

        threading.Thread(target=hear_and_end, daemon=True).start()
        with pytest.raises(EOFError, match="before it answered"):
            forked(["never.py", "--serialized-runtime-env-context={}", "--language=PYTHON"])


def test_an_error_in_a_fork_ends_that_one_alone(running: None, tmp_path: Path) -> None:
    pid = fork(["-c", "raise ValueError('on purpose')"], (), 0)
    wait_for(lambda: not psutil.pid_exists(pid), "the fork's end")
    assert said(["-c", PROGRAM])["modules"]


@pytest.mark.parametrize(
    "context",
    [{"command_prefix": ["nice"]}, {"py_executable": "uv run"}, {"override_worker_entrypoint": "other.py"}],
)
def test_a_worker_that_needs_a_program_before_it_is_started_by_ray(context: dict[str, Any], running: None) -> None:
    serialized = f"--serialized-runtime-env-context={json.dumps(context)}"
    assert not forked(["never.py", serialized, "--language=PYTHON"])


def test_without_a_template_a_worker_is_started_by_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "gone")):
        monkeypatch.setenv(ADDRESS, address)
        with pytest.raises((ConnectionError, FileNotFoundError)):
            fork(["-c", ""], (), 0)
        assert not forked(["never.py", "--serialized-runtime-env-context={}", "--language=PYTHON"])


def test_there_is_none_on_a_machine_with_a_gpu_nor_beside_a_cluster_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with template():
        assert ADDRESS not in os.environ
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr(client, "has_driver", lambda: True)
    with template():
        assert ADDRESS not in os.environ


def test_there_is_none_where_temporary_folders_have_longer_paths_than_a_socket_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with template():
        assert ADDRESS not in os.environ
    assert not list(folder.iterdir())


RUN = """
import os, sys, time
import ray
from rayrl.template.client import ADDRESS, template
from rayrl.train import cluster

@ray.remote(max_restarts=1, runtime_env={"env_vars": {"RAYRL_TEST_OWN": "yes"}})
class Found:
    def what(self):
        import os
        modules = [name for name in ("torch", "vllm") if name in sys.modules]
        return os.getpid(), os.environ.get("RAYRL_TEST_OWN"), modules

with template():
    with cluster.connect():
        actor = Found.remote()
        pid, own, modules = ray.get(actor.what.remote(), timeout=120)
        assert (own, modules) == ("yes", ["torch", "vllm"]), (own, modules)
        assert pid in [one.pid for one in cluster._workers()]
        os.kill(pid, 9)
        while True:
            try:
                again, own, modules = ray.get(actor.what.remote(), timeout=120)
                break
            except ray.exceptions.RayActorError:
                time.sleep(0.2)
        assert again != pid and (own, modules) == ("yes", ["torch", "vllm"])
    assert not os.path.exists(f"/proc/{again}/exe")
    folder = os.path.dirname(os.environ[ADDRESS])
    if sys.argv[1:] == ["die"]:
        print(folder, flush=True)
        os.kill(os.getpid(), 9)
print(folder)
"""


@pytest.mark.parametrize("end", ["end", "die"])
def test_rays_workers_are_forked_from_it_with_their_environment_and_it_ends_with_the_command(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", ADDRESS)}
    environment |= {"PYTHONPATH": str(ROOT), "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, end], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == (-signal.SIGKILL if end == "die" else 0), done.stderr[-2000:]
    assert "Triton" not in done.stderr, "what imports warn of, of which a command says nothing"
    folder = Path(done.stdout.strip().splitlines()[-1])
    assert folder.name.startswith("rayrl-")
    wait_for(lambda: not folder.exists(), "the template's end")

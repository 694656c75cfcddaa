"""`launch/node.sh` makes one Ray cluster of several machines: here two on loopback, each with resources of its own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import PATIENCE

from .test_submit import ROOT, free_port

NODE = ROOT / "launch" / "node.sh"
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
NODES = """
import ray, sys
from rayrl.train.cluster import free_nodes
ray.init(log_to_driver=False)
print(sorted(name for name in ray.cluster_resources() if name in ("first", "second")))
@ray.remote(num_gpus=2)
class Holder:
    def up(self): pass
holder = Holder.remote()
ray.get(holder.up.remote())
print(sorted(node.get("GPU", 0) for node in free_nodes()))
sys.exit(7)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: Ray's sockets allow 107 characters.
    with tempfile.TemporaryDirectory(prefix="rn", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


def environment(**settings: object) -> dict[str, str]:
    outer = ("RAY_", "RAYRL_", "SLURM_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(outer)}
    return kept | {f"RAYRL_{key}": str(value) for key, value in settings.items()}


def start(rank: int, options: str, *command: str, **settings: object) -> "subprocess.Popen[str]":
    own = environment(HEAD="127.0.0.1", NODES=2, NODE_RANK=rank, RAY_OPTIONS=options, **settings)
    return subprocess.Popen(
        [NODE, *command], env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def left_over(folder: Path) -> list[str]:
    """Command lines of processes that name the cluster's folder."""
    lines = (" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(folder) in line]


def test_the_command_sees_all_machines_and_its_end_ends_the_cluster(folder: Path) -> None:
    port = free_port()
    ports = {"PORT": port, "DEADLINE_S": 240 * PATIENCE}
    room = "--num-cpus=1 --num-gpus=3"
    one = f"{room} --include-dashboard=false --temp-dir={folder} --ray-client-server-port={free_port()}"
    # The second comes first, and waits.
    second = start(1, room + ' --resources={"second":1}', "true", **ports)
    first = start(0, one + ' --resources={"first":1}', sys.executable, "-c", NODES, **ports)
    try:
        out, err = first.communicate(timeout=400 * PATIENCE)
        assert first.returncode == 7, err
        assert "['first', 'second']" in out
        assert "[1.0, 3.0]" in out, "an actor has two of the GPUs of one node"
        _, err = second.communicate(timeout=120 * PATIENCE)
        assert (second.returncode, "has ended" in err) == (0, True), err
        deadline = time.monotonic() + 60 * PATIENCE
        while left := left_over(folder):
            assert time.monotonic() < deadline, left
            time.sleep(1)
    finally:
        for process in (first, second):
            if process.poll() is None:
                for one_of in (*psutil.Process(process.pid).children(recursive=True), process):
                    one_of.kill()


def test_a_machine_that_does_not_come_is_counted(folder: Path) -> None:
    options = f"--num-cpus=1 --include-dashboard=false --temp-dir={folder} --ray-client-server-port={free_port()}"
    first = start(0, options, "true", PORT=free_port(), DEADLINE_S=10 * PATIENCE)
    _, err = first.communicate(timeout=300 * PATIENCE)
    assert first.returncode == 3, err
    assert "1 of 2 machines joined 127.0.0.1:" in err


@pytest.mark.parametrize(
    ("settings", "words", "message"),
    [
        ({}, ["true"], "set RAYRL_HEAD"),
        ({"HEAD": "127.0.0.1"}, ["true"], "set RAYRL_NODE_RANK"),
        ({"HEAD": "127.0.0.1", "NODE_RANK": 1, "NODES": "many"}, ["true"], "set RAYRL_NODES to the number of machines"),
        ({"HEAD": "127.0.0.1", "NODE_RANK": 1, "NODES": 2}, [], "usage: "),
    ],
)
def test_what_is_missing_is_named(settings: dict[str, object], words: list[str], message: str) -> None:
    done = subprocess.run(
        [NODE, *words], env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr

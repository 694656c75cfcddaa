"""`launch/submit.sh` on a real local Ray cluster: files, plugins, exit codes, interruption, the demo's config."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rayrl.train.cluster import STARTS
from tests.conftest import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
SUBMIT = ROOT / "launch" / "submit.sh"
CONFIG = "configs/demo/grpo.yaml"
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The dashboard of a cluster of this module's own; beside other Rays of the machine, and stopped by its group."""
    # Not tmp_path: Ray's sockets allow 107 characters.
    with tempfile.TemporaryDirectory(prefix="rs", dir="/tmp", ignore_cleanup_errors=True) as folder:
        for start in range(STARTS):  # Ray gives its processes 30 s, which a busy machine can miss
            url, ray, log = start_cluster(Path(folder) / str(start))
            try:
                if wait_for_agent(url, ray, log):
                    yield url
                    return
            finally:
                # Its own SIGTERM handler takes half a minute; everything it started descends from it.
                family = psutil.Process(ray.pid).children(recursive=True) if ray.poll() is None else []
                for process in (*family, ray):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                ray.wait(10)
        raise AssertionError(log.read_text())


def start_cluster(folder: Path) -> tuple[str, "subprocess.Popen[bytes]", Path]:
    """(the dashboard's address, the process of `ray start`, its log)."""
    gcs, dashboard, agent, client = (free_port() for _ in range(4))
    command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=2", f"--port={gcs}"]
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--include-dashboard=true"]
    command += [f"--dashboard-agent-listen-port={agent}", f"--ray-client-server-port={client}"]
    command += [f"--temp-dir={folder}/ray", "--disable-usage-stats"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    folder.mkdir()
    log = folder / "log"
    with log.open("wb") as output:
        ray = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    return f"http://127.0.0.1:{dashboard}", ray, log


def wait_for_agent(url: str, ray: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Whether the job server took a job before Ray ended."""
    deadline = time.monotonic() + 240 * PATIENCE
    while submit(url, "--no-wait", entrypoint="true").returncode != 0:
        if ray.poll() is not None:
            return False
        assert time.monotonic() < deadline, f"no job server at {url} after 240 s\n{log.read_text()}"
        time.sleep(1)
    return True


def environment(address: str, entrypoint: str | None) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "RAYRL_"))}
    return kept | {"RAY_ADDRESS": address} | ({"RAYRL_ENTRYPOINT": entrypoint} if entrypoint else {})


def submit(
    address: str, *arguments: str | Path, entrypoint: str | None = None, timeout_s: float = 120
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [SUBMIT, *arguments],
        check=False,
        cwd=ROOT,
        env=environment(address, entrypoint),
        capture_output=True,
        text=True,
        timeout=timeout_s * PATIENCE,
    )


def test_job_sees_checkout_and_arguments(address: str) -> None:
    script = 'echo "$@"; echo "path=$PYTHONPATH"; ls -d configs .git; python -c "import rayrl; print(rayrl.__file__)"'
    done = submit(address, CONFIG, "--prompt.system", "two words", entrypoint=f"{script}; exit 0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{CONFIG} --prompt.system two words --run.dir {ROOT}/runs\n" in done.stdout
    assert re.search(r"^path=.*_ray_pkg_\w+:configs/demo$", done.stdout, re.MULTILINE)
    assert re.search(r"^/.*/_ray_pkg_\w+/rayrl/__init__\.py$", done.stdout, re.MULTILINE)
    assert "cannot access '.git'" in done.stdout


def test_failed_job_is_a_failed_command(address: str) -> None:
    done = submit(address, entrypoint="echo before; exit 7")
    assert done.returncode == 1
    assert "\nbefore\n" in done.stdout


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_stops_the_job(address: str, tmp_path: Path, sent: signal.Signals) -> None:
    stopped = tmp_path / "stopped"
    script = f"trap 'touch {stopped}; exit 1' TERM; echo is-running; sleep 600 & wait"
    command = subprocess.Popen(
        [SUBMIT],
        env=environment(address, script),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert command.stdout is not None
    with command.stdout:
        assert any(line == "is-running\n" for line in command.stdout)
        os.killpg(command.pid, sent) if sent == signal.SIGINT else command.terminate()
        rest = command.stdout.read()
    assert command.wait(60) == 130
    assert "stopping job" in rest
    assert stopped.exists()


def test_no_cluster_is_said_at_once() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    done = submit(address, CONFIG)
    assert done.returncode == 3
    assert f"no Ray cluster answers at {address}" in done.stderr


def test_config_outside_the_checkout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").touch()
    done = submit("http://127.0.0.1:1", tmp_path / "other.yaml")
    assert done.returncode == 2
    assert "outside" in done.stderr


def test_demo_runs_as_a_job_and_leaves_a_model_that_loads(address: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    small = ["--steps", "1", "--prompts_per_step", "2", "--group_size", "2", "--eval_data.size", "4"]
    small += ["--generator.threads", "1"]
    done = submit(address, CONFIG, "--run.dir", tmp_path, "--run.name", "job", *small, timeout_s=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "job" / "metrics.jsonl").is_file()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "job" / "model")
    prompt = AutoTokenizer.from_pretrained(tmp_path / "job" / "model")("1 + 1 =", return_tensors="pt")
    assert model.generate(**prompt, max_new_tokens=2, do_sample=False).shape[1] == prompt["input_ids"].shape[1] + 2

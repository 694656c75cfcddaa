"""Runs of the command line in processes of their own, and a search for what they leave behind."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml

from rayrl.processor import compute_dtype
from tests.fakes.deadlines import deadlines

# A busy machine may take a second for what takes a millisecond: no property is about time.
SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("rayrl", deadline=None, suppress_health_check=SLOW)
hypothesis.settings.load_profile("rayrl")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PATIENCE = 3 if compute_dtype() == "float32" else 1
"""By what the bounds of all waits are multiplied: whole runs take two to three times as long on older processors."""

os.environ |= {
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait leave the core to the other worker's test
    "GOMP_SPINCOUNT": "0",
    "RAY_worker_niceness": "0",  # 15 by default: light tests on the other worker would starve whole runs
}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell starts in the background, and below it
    signal.signal(signal.SIGINT, signal.default_int_handler)

FIRST = ("tests/integration/test_real_run.py", "tests/unit/train/test_driver.py")
"""The longest, with Ctrl-C against the clock: one worker takes them, the other the light tests meanwhile."""
LAST = (
    "tests/integration/test_eval.py",
    "tests/unit/study/test_runner.py",
    "tests/integration/test_submit.py",
    "tests/integration/test_own_judge.py",
    "tests/integration/",
    "tests/unit/verify/test_worker_pool.py",
)
"""The others that start whole runs or watch the clock, longest first: each file goes to the worker that is free."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        if item.nodeid.startswith(FIRST):
            return 0
        return next((2 + place for place, name in enumerate(LAST) if item.nodeid.startswith(name)), 1)

    items.sort(key=turn)
    for item in items:
        marker = item.get_closest_marker("timeout")
        bound = marker.args[0] if marker else float(item.config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(bound * PATIENCE), append=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "first" if nodeid.startswith(FIRST) else nodeid.partition("::")[0]

    return Scheduler(config, log)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.fakes.model import make_model

    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@dataclass
class Command:
    """One started `rayrl` process and every process that descends from it (they share a mark in the environment)."""

    process: subprocess.Popen[str]
    mark: str
    run_dir: Path
    stdout: str = ""
    stderr: str = ""
    started: float = field(default_factory=time.monotonic)

    def wait(self, timeout: float) -> int:
        self.stdout, self.stderr = self.process.communicate(timeout=timeout * PATIENCE)
        return self.process.returncode

    def wait_for(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        end = time.monotonic() + timeout * PATIENCE
        while not condition():
            assert self.process.poll() is None, f"ended before {what}: {self.process.communicate()}"
            assert time.monotonic() < end, f"waited {timeout} s for {what}"
            time.sleep(0.2)

    def interrupt(self, timeout: float = 15) -> None:
        """Ctrl-C: within `timeout` seconds it must say how to go on and leave a checkpoint and no process."""
        self.process.send_signal(signal.SIGINT)
        end = time.monotonic() + timeout * PATIENCE
        assert self.wait(timeout) == 130, (self.stdout, self.stderr)
        while self.left_running():
            assert time.monotonic() < end, self.left_running()
            time.sleep(0.2)
        assert "--run.resume true" in self.stdout
        assert self.records("event")[-1]["event"] == "interrupted"
        assert list((self.run_dir / "checkpoints").glob("step_*"))

    def records(self, kind: str) -> list[dict[str, Any]]:
        path = self.run_dir / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [record for line in lines if (record := json.loads(line))["kind"] == kind]

    def left_running(self) -> list[str]:
        """Command lines of live processes that carry the mark."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
            except OSError:
                continue
        return [line for line in found if line]


@pytest.fixture
def rayrl(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """`rayrl("grpo", config_or_path, "--steps", 2)` starts the command; whatever it leaves is killed afterwards."""
    with commands(tmp_path) as start:
        yield start


@contextmanager
def commands(folder: Path) -> Iterator[Callable[..., Command]]:
    """Starts commands, with configs written into `folder`."""
    started: list[Command] = []

    def start(
        name: str, config: dict[str, Any] | Path, *arguments: object, env: dict[str, str] | None = None
    ) -> Command:
        if isinstance(config, dict):
            path = folder / f"config-{len(started)}.yaml"
            path.write_text(yaml.safe_dump(config))
            run_dir = Path(config["run"]["dir"]) / config["run"]["name"]
        else:
            path, run_dir = config, config.parent
        mark = f"RAYRL_TEST_MARK={uuid.uuid4()}"
        environment = os.environ | {
            "RAYRL_TEST_MARK": mark.partition("=")[2],
            "PYTHONPATH": str(ROOT),
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            **(env or {}),
        }
        if "RAY_ADDRESS" not in (env or {}):
            environment.pop("RAY_ADDRESS", None)
        process = subprocess.Popen(
            [sys.executable, "-m", "rayrl.cli", name, str(path), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        started.append(Command(process, mark, run_dir))
        return started[-1]

    try:
        yield start
    finally:
        for command in started:
            if command.process.poll() is None:
                command.process.kill()
                command.process.communicate()
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    if command.mark.encode() in (folder / "environ").read_bytes():
                        os.kill(int(folder.name), signal.SIGKILL)
                except OSError:
                    continue


@pytest.fixture
def tiny_config(tiny_model: Path, tmp_path: Path) -> dict[str, Any]:
    return tiny(tiny_model, tmp_path)


def tiny(tiny_model: Path, tmp_path: Path) -> dict[str, Any]:
    """GRPO on the tiny model with the transformers engine: a step in a fifth of a second."""
    for name, start, count in (("train", 0, 60), ("eval", 60, 8)):
        rows = ({"question": f"{n % 9} + {n // 9} =", "answer": n % 9 + n // 9} for n in range(start, start + count))
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "run": {"name": "tiny", "dir": str(tmp_path / "runs"), "deadlines": deadlines(60 * PATIENCE)},
        "model": {"path": str(tiny_model), "compute_dtype": "float32"},
        "train_data": {"source": str(tmp_path / "train.jsonl")},
        "eval_data": {"source": str(tmp_path / "eval.jsonl")},
        "prompt": {"max_tokens": 100},
        "rewards": [{"function": "tests.fakes.rewards:digits"}, {"function": "maths", "weight": 0.1}],
        "sampling": {"max_tokens": 8},
        "generator": {"engine": "tests.fakes.engine:TransformersEngine"},
        "learner": {"learning_rate": 0.03, "threads": 1, "warmup_fraction": 0.0},
        "checkpoint": {"every_steps": 2},
        "steps": 4,
        "prompts_per_step": 4,
        "group_size": 4,
    }


@pytest.fixture
def tiny_sft(tiny_config: dict[str, Any]) -> dict[str, Any]:
    return as_sft(tiny_config)


def as_sft(config: dict[str, Any]) -> dict[str, Any]:
    """SFT on the same model and rows as `tiny`'s."""
    shared = ("run", "model", "train_data", "eval_data", "prompt", "rewards", "generator", "learner", "checkpoint")
    own = {"steps": 8, "examples_per_step": 12, "target": {"max_tokens": 100}, "evaluation": {"max_tokens": 8}}
    return {key: config[key] for key in shared} | own

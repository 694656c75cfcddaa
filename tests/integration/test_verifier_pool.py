"""The verifier actor in a real Ray, with workers that hang, and an actor that is killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import ray

from rayrl.actors.verifier import VerifierActor
from rayrl.commands.verify import judge
from rayrl.config import RewardSettings, VerifierSettings
from rayrl.errors import RewardError
from rayrl.train.cluster import start_ray
from rayrl.verify.files import Row
from tests.conftest import PATIENCE

pytestmark = pytest.mark.integration

FUNCTIONS = Path(__file__).parents[1] / "unit/verify"
SETTINGS = VerifierSettings(processes_per_actor=2, deadline_s=float(PATIENCE), memory_limit_mb=512)
ROW = {"question": "3 + 4?", "answer": "7"}


@pytest.fixture(scope="module", autouse=True)
def cluster():
    path = os.pathsep.join([str(FUNCTIONS), *(entry for entry in sys.path if entry)])
    start_ray(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}},
    )
    yield
    ray.shutdown()


FUNCTION = "reward_functions:misbehaves_on_request"


@pytest.fixture(scope="module")
def actor():
    rewards = [RewardSettings(function="maths"), {"function": "format", "weight": 0.2}, {"function": FUNCTION}]
    return ray.remote(VerifierActor).options(num_cpus=SETTINGS.cpus).remote(rewards, SETTINGS, "answer")


def score(actor, *groups):
    return ray.get([actor.score.remote(ROW, completions) for completions in groups], timeout=60 * PATIENCE)


def test_groups_are_scored(actor):
    good = "<think>3 + 4</think>\n<answer>7</answer>"
    assert ray.get(actor.ping.remote(), timeout=60 * PATIENCE) != os.getpid()
    for group in score(actor, *[[good, r"\boxed{7}", "8", ""]] * 20):
        assert group.rewards == [2.2, 2.0, 1.0, 1.0]
        assert group.parts == {"maths": [1.0, 1.0, 0.0, 0.0], "format": [1.0, 0.0, 0.0, 0.0], FUNCTION: [1.0] * 4}
        assert [verdict.status for verdict in group.verdicts] == ["correct", "correct", "incorrect", "unparseable"]
        assert group.problems == []


def test_a_hanging_function_costs_its_group_only(actor):
    hanging, fine = score(actor, ["7", "loop"], ["7", "8"])
    assert fine.rewards == [2.0, 1.0]
    assert hanging.rewards == [1.0, 0.0]
    assert hanging.parts[FUNCTION] == [None, None]
    assert f"timeout: not done within {2 * PATIENCE} s" in hanging.problems[0]


def test_a_function_that_raises_fails_the_call_by_name(actor):
    with pytest.raises(RewardError, match=r"misbehaves_on_request.*the column 'unit' is empty"):
        score(actor, ["raise"])
    assert score(actor, ["7"])[0].rewards == [2.0]


def test_workers_die_with_a_killed_actor(actor):
    pid, workers = ray.get([actor.ping.remote(), actor.worker_pids.remote()], timeout=60 * PATIENCE)
    busy = actor.score.remote(ROW, ["loop"] * 100)  # in C, with a deadline of 100 s
    time.sleep(0.5)
    assert all(psutil.pid_exists(worker) for worker in workers)
    os.kill(pid, 9)
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [worker for worker in workers if psutil.pid_exists(worker)]
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(busy, timeout=60 * PATIENCE)


def test_a_function_that_cannot_be_imported_fails_the_start():
    actor = ray.remote(VerifierActor).options(num_cpus=0).remote([{"function": "no_such_module:f"}], SETTINGS, "answer")
    with pytest.raises(ray.exceptions.ActorDiedError, match="cannot import 'no_such_module'"):
        ray.get(actor.ping.remote(), timeout=60 * PATIENCE)


@pytest.mark.parametrize("victim", ["worker", "actor"])
def test_what_is_killed_in_mid_batch_loses_and_doubles_no_verdict(victim):
    rows = [Row(at, {"gold": str(at % 7), "response": f"The answer is {at}."}) for at in range(2000)]
    actor = (
        ray.remote(VerifierActor)
        .options(num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=1000)
        .remote([RewardSettings(function="finance")], SETTINGS, "gold")
    )
    pid = ray.get(actor.ping.remote(), timeout=120 * PATIENCE)
    results = judge([actor], SETTINGS, iter(rows))
    judged = [next(results)]
    if victim == "actor":
        os.kill(pid, 9)
    else:
        for worker in ray.get(actor.worker_pids.remote(), timeout=120 * PATIENCE):
            os.kill(worker, 9)
    judged += results
    assert [row.line for chunk, _ in judged for row in chunk] == list(range(2000))
    assert not [verdict.reason for _, verdicts in judged for verdict in verdicts if verdict.score is None]
    scores = [verdict.score for _, verdicts in judged for verdict in verdicts]
    assert scores == [float(at % 7 == at) for at in range(2000)]
    assert ray.get(actor.ping.remote(), timeout=120 * PATIENCE) != pid or victim == "worker"


def test_the_command_on_a_cluster_that_is_there(tmp_path):
    rows = [
        {"id": "a", "gold": "1577", "response": "It was $1.577 billion.", "question": "Capex in USD millions?"},
        {"gold": "8.7%", "response": "It was 8.2%."},
        {"gold": "8.7%", "response": "The document does not provide the margin."},
        {"gold": "8.7%", "response": "I like it."},
        {"gold": "", "response": "8"},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "-m", "rayrl.cli", "verify", "finance", "--input", "rows.jsonl", "--output", "out.jsonl"]
    environment = os.environ | {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [*command, "--bad-golds", "skip", "--processes", "1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["line"] for row in written] == [1, 2, 3, 4, 5]
    assert [row["score"] for row in written] == [1.0, 0.0, 0.0, 0.0, None]
    assert [row["status"] for row in written] == ["correct", "incorrect", "refusal", "unparseable", "error"]
    assert written[0]["id"] == "a"
    assert "mean score 0.250 of 4 scored rows" in done.stdout

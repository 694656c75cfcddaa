"""The verifier actor in a real Ray, with workers that hang, and an actor that is killed."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest
import ray

from rayrl.actors.verifier import VerifierActor
from rayrl.config import RewardSettings, VerifierSettings
from rayrl.errors import ConfigError, RewardError

pytestmark = pytest.mark.integration

FUNCTIONS = Path(__file__).parents[1] / "unit/verify"
SETTINGS = VerifierSettings(processes_per_actor=2, deadline_s=1.0, memory_limit_mb=512)
ROW = {"question": "3 + 4?", "answer": "7"}


@pytest.fixture(scope="module", autouse=True)
def cluster():
    path = os.pathsep.join([str(FUNCTIONS), *(entry for entry in sys.path if entry)])
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}},
    )
    yield
    ray.shutdown()


def start(*rewards):
    return ray.remote(VerifierActor).options(num_cpus=SETTINGS.cpus).remote(list(rewards), SETTINGS, "answer")


def score(actor, completions):
    return ray.get(actor.score.remote(ROW, completions), timeout=60)


def test_groups_are_scored():
    actor = start(RewardSettings(function="maths"), {"function": "format", "weight": 0.2})
    pid = ray.get(actor.ping.remote(), timeout=60)
    assert pid != os.getpid()
    good = "<think>3 + 4</think>\n<answer>7</answer>"
    groups = ray.get([actor.score.remote(ROW, [good, r"\boxed{7}", "8", ""]) for _ in range(20)], timeout=60)
    for group in groups:
        assert group.rewards == [1.2, 1.0, 0.0, 0.0]
        assert group.parts == {"maths": [1.0, 1.0, 0.0, 0.0], "format": [1.0, 0.0, 0.0, 0.0]}
        assert [verdict.status for verdict in group.verdicts] == ["correct", "correct", "incorrect", "unparseable"]
    ray.get(actor.close.remote(), timeout=30)
    ray.kill(actor)


def test_a_hanging_function_costs_its_group_only():
    actor = start({"function": "maths"}, {"function": "reward_functions:loops_on_request"})
    hanging, fine = [actor.score.remote(ROW, texts) for texts in (["7", "loop"], ["7", "8"])]
    assert ray.get(fine, timeout=60).rewards == [2.0, 1.0]
    group = ray.get(hanging, timeout=60)
    assert group.rewards == [1.0, 0.0]
    assert group.parts["reward_functions:loops_on_request"] == [None, None]
    assert "timeout" in group.problems[0]
    ray.kill(actor)


def test_a_function_that_raises_fails_the_call_by_name():
    actor = start({"function": "reward_functions:raises"})
    with pytest.raises(RewardError, match=r"reward_functions:raises.*the column 'unit' is empty"):
        score(actor, ["7"])
    ray.kill(actor)


def test_a_function_that_cannot_be_imported_fails_the_start():
    actor = start({"function": "no_such_module:f"})
    with pytest.raises(ray.exceptions.ActorDiedError, match="cannot import 'no_such_module'"):
        ray.get(actor.ping.remote(), timeout=60)
    assert issubclass(ConfigError, Exception)


def test_workers_die_with_a_killed_actor():
    actor = start({"function": "maths"}, {"function": "reward_functions:loops_in_c"})
    pid, workers = ray.get([actor.ping.remote(), actor.worker_pids.remote()], timeout=60)
    actor.score.options(max_task_retries=0).remote(ROW, ["7"] * 100)  # busy in C for 100 s
    time.sleep(0.5)
    assert all(psutil.pid_exists(worker) for worker in workers)
    os.kill(pid, 9)
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [worker for worker in workers if psutil.pid_exists(worker)]

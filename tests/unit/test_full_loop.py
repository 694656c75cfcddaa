"""The whole loop on real Ray and Ray Train with a tiny model and an engine in plain transformers."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import Command

Start = Callable[..., Command]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_trains_and_leaves_a_whole_run_directory(rayrl: Start, tiny_config: dict[str, Any]) -> None:
    run = rayrl("grpo", tiny_config, "--steps", 12)
    assert run.wait(150) == 0, run.stderr
    steps, evaluations = run.records("step"), run.records("eval")
    assert [record["step"] for record in steps] == list(range(1, 13))
    assert [record["step"] for record in evaluations] == [0, 12]
    assert steps[-1]["reward/tests.fakes.rewards:digits"] > steps[0]["reward/tests.fakes.rewards:digits"] + 0.1
    assert all(record["policy/staleness_max"] == 0 for record in steps)
    assert all(record["sync/logprob_diff_mean"] < 0.02 for record in steps)
    assert run.records("event")[-1]["event"] == "finished"
    for name in ("config.yaml", "report.html", "rollouts/step_000012.jsonl", "rollouts/eval_000012.jsonl"):
        assert (run.run_dir / name).stat().st_size > 0
    assert [path.name for path in (run.run_dir / "checkpoints").iterdir()] == ["step_000012"]
    assert run.left_running() == []


def test_two_runs_with_one_seed_agree_and_a_killed_one_resumes_to_the_same_weights(
    rayrl: Start, tiny_config: dict[str, Any], tmp_path: Path
) -> None:
    whole = rayrl("grpo", tiny_config)
    assert whole.wait(120) == 0, whole.stderr
    tiny_config["run"]["dir"] = str(tmp_path / "other")
    killed = rayrl("grpo", tiny_config)
    killed.wait_for(lambda: len(killed.records("step")) >= 3, 90, "the third step")
    killed.process.send_signal(signal.SIGKILL)
    killed.wait(10)
    resumed = rayrl("grpo", tiny_config, "--run.resume", "true")
    assert resumed.wait(120) == 0, resumed.stderr
    assert same(weights(whole.run_dir), weights(resumed.run_dir))
    keys = ("reward/mean", "train/loss", "train/grad_norm", "policy/entropy_mean")
    last = {record["step"]: [record[key] for key in keys] for record in resumed.records("step")}
    assert last == {record["step"]: [record[key] for key in keys] for record in whole.records("step")}
    assert sum(record["step"] <= 2 for record in resumed.records("step")) == 2, "steps before the checkpoint ran again"


def test_staleness_one_overlaps_and_stays_within_what_is_allowed(rayrl: Start, tiny_config: dict[str, Any]) -> None:
    run = rayrl("grpo", tiny_config, "--max_staleness", 1, "--steps", 6)
    assert run.wait(120) == 0, run.stderr
    staleness = [record["policy/staleness_max"] for record in run.records("step")]
    assert max(staleness) == 1
    assert len(staleness) == 6


def test_two_ranks_train_as_one_does(rayrl: Start, tiny_config: dict[str, Any], tmp_path: Path) -> None:
    one = rayrl("grpo", tiny_config, "--steps", 2)
    assert one.wait(120) == 0, one.stderr
    tiny_config["run"]["dir"] = str(tmp_path / "two")
    two = rayrl("grpo", tiny_config, "--steps", 2, "--learner.workers", 2, "--learner.cpus_per_worker", 0.5)
    assert two.wait(150) == 0, two.stderr
    left, right = weights(one.run_dir), weights(two.run_dir)
    for name in left:
        torch.testing.assert_close(left[name].float(), right[name].float(), rtol=0.02, atol=2e-3)


def test_ctrl_c_ends_everything_soon_and_leaves_a_run_that_resumes(rayrl: Start, tiny_config: dict[str, Any]) -> None:
    run = rayrl("grpo", tiny_config, "--steps", 500)
    run.wait_for(lambda: len(run.records("step")) >= 3, 90, "the third step")
    run.process.send_signal(signal.SIGINT)
    interrupted = time.monotonic()
    assert run.wait(15) == 130
    assert "--run.resume true" in run.stdout
    while run.left_running():
        assert time.monotonic() < interrupted + 15, run.left_running()
        time.sleep(0.2)
    assert run.records("event")[-1]["event"] == "interrupted"
    resumed = rayrl("grpo", tiny_config, "--run.resume", "true", "--steps", run.records("step")[-1]["step"] + 1)
    assert resumed.wait(90) == 0, resumed.stderr


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"rewards": [{"function": "tests.fakes.rewards:raises"}]}, 6, ["tests.fakes.rewards:raises", "no column"]),
        ({"generator": {"engine": "tests.fakes.engine:ForgetsVersion"}}, 7, ["version", "was sent"]),
        ({"generator": {"engine": "tests.fakes.engine:CorruptsBytes"}}, 7, ["corrupted", "checksum"]),
        ({"generator": {"engine": "tests.fakes.engine:SkipsUpdates"}}, 7, ["log-probabilities differ"]),
        ({"generator": {"engine": "tests.fakes.engine:NeverAnswers"}}, 8, ["waited 12 s", "held-out", "deadline_s"]),
        ({"generator": {"engine": "tests.fakes.engine:DoesNotStart"}}, 1, ["did not start", "no such accelerator"]),
    ],
    ids=["reward raises", "sync skipped", "sync corrupted", "sync lied about", "generator hangs", "engine fails"],
)
def test_what_goes_wrong_while_it_runs_ends_with_one_message_and_nothing_running(
    rayrl: Start, tiny_config: dict[str, Any], change: dict[str, Any], code: int, says: list[str]
) -> None:
    tiny_config |= change
    tiny_config["steps"] = 30
    tiny_config["learner"]["learning_rate"] = 0.05
    if code == 8:
        tiny_config["run"]["deadline_s"] = 12
    run = rayrl("grpo", tiny_config)
    assert run.wait(120) == code, (run.stdout, run.stderr)
    message = run.stderr[run.stderr.index("rayrl: ") :]
    assert all(part in message for part in says), message
    assert "Traceback" not in message
    assert run.left_running() == []

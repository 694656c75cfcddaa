"""The whole loop on real Ray and Ray Train with a tiny model and an engine in plain transformers."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import Command, commands, tiny
from tests.fakes.model import make_model

Start = Callable[..., Command]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture(scope="module")
def whole(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Ten steps, undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with commands(folder) as start:
        run = start("grpo", tiny(tiny_model, folder), "--steps", 10)
        assert run.wait(150) == 0, run.stderr
        yield run


def test_trains_and_leaves_a_whole_run_directory(whole: Command) -> None:
    steps, evaluations = whole.records("step"), whole.records("eval")
    assert [record["step"] for record in steps] == list(range(1, 11))
    assert [record["step"] for record in evaluations] == [0, 10]
    digits = [record["reward/tests.fakes.rewards:digits"] for record in steps]
    assert digits[-1] > digits[0] + 0.1
    assert all(record["policy/staleness_max"] == 0 for record in steps)
    assert all(record["sync/logprob_diff_mean"] < 0.02 for record in steps)
    assert whole.records("event")[-1]["event"] == "finished"
    for name in ("config.yaml", "report.html", "rollouts/step_000010.jsonl", "rollouts/eval_000010.jsonl"):
        assert (whole.run_dir / name).stat().st_size > 0
    assert [path.name for path in (whole.run_dir / "checkpoints").iterdir()] == ["step_000010"]
    assert whole.left_running() == []


def test_a_killed_run_resumes_to_the_weights_and_figures_of_one_left_alone(
    whole: Command, rayrl: Start, tiny_config: dict[str, Any]
) -> None:
    killed = rayrl("grpo", tiny_config, "--steps", 10)
    killed.wait_for(lambda: len(killed.records("step")) >= 3, 90, "the third step")
    killed.process.send_signal(signal.SIGKILL)
    killed.wait(10)
    resumed = rayrl("grpo", tiny_config, "--run.resume", "true", "--steps", 10)
    assert resumed.wait(120) == 0, resumed.stderr
    assert same(weights(whole.run_dir), weights(resumed.run_dir))
    keys = ("reward/mean", "train/loss", "train/grad_norm", "policy/entropy_mean")
    last = {record["step"]: [record[key] for key in keys] for record in resumed.records("step")}
    assert last == {record["step"]: [record[key] for key in keys] for record in whole.records("step")}
    assert sum(record["step"] <= 2 for record in resumed.records("step")) == 2, "steps before the checkpoint ran again"
    assert [record["event"] for record in resumed.records("event")] == ["resumed", "finished"]


def test_two_ranks_train_as_one_does(whole: Command, rayrl: Start, tiny_config: dict[str, Any]) -> None:
    two = rayrl("grpo", tiny_config, "--steps", 10, "--learner.workers", 2, "--learner.cpus_per_worker", 0.5)
    assert two.wait(150) == 0, two.stderr
    first, second = whole.records("step")[0], two.records("step")[0]
    for key in ("reward/mean", "train/loss", "train/grad_norm"):  # the first update, before rounding can branch
        assert first[key] == pytest.approx(second[key], rel=1e-4)
    assert len(two.records("step")) == 10
    digits = "reward/tests.fakes.rewards:digits"
    assert two.records("step")[-1][digits] > second[digits] + 0.1


def test_ctrl_c_ends_everything_soon_and_leaves_a_checkpoint(rayrl: Start, tiny_config: dict[str, Any]) -> None:
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
    assert list((run.run_dir / "checkpoints").glob("step_*"))


def test_a_killed_learner_and_a_killed_coordinator_cost_steps_since_the_checkpoint_and_no_more(
    whole: Command, rayrl: Start, tiny_config: dict[str, Any]
) -> None:
    run = rayrl("grpo", tiny_config, "--steps", 10)
    run.wait_for(lambda: len(run.records("step")) >= 3, 90, "the third step")
    kill(run, b"RayTrainWorker")
    seen = len(run.records("step"))
    run.wait_for(lambda: len(run.records("step")) > seen, 90, "a step after the learner's death")
    kill(run, b"CoordinatorActor")
    assert run.wait(150) == 0, (run.stdout, run.stderr)
    assert {record["step"] for record in run.records("step")} == set(range(1, 11))
    assert same(weights(whole.run_dir), weights(run.run_dir))


def test_with_qlora_a_killed_generator_gets_base_and_adapter_again_and_the_adapter_is_left(
    rayrl: Start, tmp_path: Path
) -> None:
    # A model of its own: nf4 takes rows of whole blocks of 64.
    config = tiny(make_model(tmp_path / "wide", width=128), tmp_path)
    config["adapter"] = {"rank": 4, "alpha": 8, "quantize": "nf4"}
    config["generator"]["max_concurrent_prompts"] = 1
    run = rayrl("grpo", config, "--steps", 8)
    run.wait_for(lambda: len(run.records("step")) >= 2, 90, "the second step")
    kill(run, b"GeneratorActor")
    assert run.wait(150) == 0, (run.stdout, run.stderr)
    assert "actor_lost" in {record["event"] for record in run.records("event")}
    steps = run.records("step")
    assert steps[-1]["train/grad_norm"] > 0
    # float32 on both sides: the base before it was rounded, or the adapter of a version before, is far more apart.
    assert max(record["sync/logprob_diff_mean"] for record in steps) < 1e-5
    trained = load_file(run.run_dir / "model" / "adapter_model.safetensors")
    assert len(trained) == 2 * 2 * 7
    assert all(value.any() for value in trained.values())
    sizes = sum(path.stat().st_size for path in (run.run_dir / "checkpoints").rglob("*.distcp"))
    assert sizes < 2.5 * 12 * sum(value.numel() for value in trained.values())


def kill(run: Command, name: bytes) -> None:
    """SIGKILLs the run's actors of a class."""
    killed = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = run.mark.encode() in (folder / "environ").read_bytes()
            if ours and (folder / "cmdline").read_bytes().startswith(b"ray::" + name):
                os.kill(int(folder.name), signal.SIGKILL)
                killed += 1
        except OSError:
            continue
    assert killed


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"rewards": [{"function": "tests.fakes.rewards:raises"}]}, 6, ["tests.fakes.rewards:raises", "no column"]),
        ({"generator": {"engine": "tests.fakes.engine:SkipsUpdates"}}, 7, ["log-probabilities differ"]),
        ({"generator": {"engine": "tests.fakes.engine:NeverAnswers"}}, 8, ["waited 40 s for ", "eval", "deadline_s"]),
        ({"generator": {"engine": "tests.fakes.engine:DoesNotStart"}}, 1, ["did not start", "no such accelerator"]),
    ],
    ids=["reward raises", "sync lied about", "generator hangs", "engine fails"],
)
def test_what_goes_wrong_while_it_runs_ends_with_one_message_and_nothing_running(
    rayrl: Start, tiny_config: dict[str, Any], change: dict[str, Any], code: int, says: list[str]
) -> None:
    tiny_config |= change
    tiny_config["steps"] = 30
    tiny_config["learner"]["learning_rate"] = 0.05
    if code == 8:
        tiny_config["run"]["deadline_s"] = 40
    run = rayrl("grpo", tiny_config)
    assert run.wait(150) == code, (run.stdout, run.stderr)
    message = run.stderr[run.stderr.index("rayrl: ") :]
    assert all(part in message for part in says), message
    assert "Traceback" not in message
    assert run.left_running() == []

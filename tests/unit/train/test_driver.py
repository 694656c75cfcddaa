"""The whole loop on real Ray and Ray Train with a tiny model and an engine in plain transformers."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rayrl.cli import main
from rayrl.config import SFTConfig
from rayrl.learner.learner import Learner
from rayrl.train.run_directory import EXAMPLES
from rayrl.train.sft import Examples
from tests.conftest import Command, as_sft, commands, tiny
from tests.fakes.model import make_model

pytestmark = pytest.mark.timeout(900)
Start = Callable[..., Command]
STEPS = 20
TWO_RANKS = ("--learner.workers", 2, "--learner.cpus_per_worker", 0.5)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def with_texts(config: dict[str, Any]) -> dict[str, Any]:
    """The held-out problems also tell how far the policy diverges from the base."""
    return config | {"divergence": {"held_out": {"data": config["eval_data"]}}}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """STEPS steps on two ranks, undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with commands(folder) as start:
        run = start("grpo", with_texts(tiny(tiny_model, folder)), "--steps", STEPS, *TWO_RANKS)
        assert run.wait(300) == 0, run.stderr
        yield run


def test_trains_and_leaves_a_whole_run_directory(whole: Command) -> None:
    steps, evaluations = whole.records("step"), whole.records("eval")
    assert [record["step"] for record in steps] == list(range(1, STEPS + 1))
    assert [record["step"] for record in evaluations] == [0, STEPS]
    digits = [record["reward/tests.fakes.rewards:digits"] for record in steps]
    assert digits[-1] > digits[0] + 0.1
    assert all(record["policy/staleness_max"] == 0 for record in steps)
    # A step whose groups all earned the same has nothing to learn from, and is not measured.
    differences = [r["sync/logprob_diff_mean"] for r in steps if "sync/logprob_diff_mean" in r]
    assert len(differences) > STEPS / 2
    assert max(differences) < 0.02
    assert whole.records("event")[-1]["event"] == "finished"
    cut_off = [record["detail"] for record in whole.records("event") if record["event"] == "cut_off"]
    assert len(cut_off) == any(record["eval/truncated_frac"] > 0.05 for record in evaluations), "it is said once"
    plan = json.loads((whole.run_dir / "plan.json").read_text())
    assert sum(row["parameters"] for row in plan["freeze"]) == plan["parameters"] > 0
    assert 0 < steps[0]["memory/peak_gb"] <= steps[-1]["memory/peak_gb"] + 0.01
    assert f"learner memory: peak {steps[-1]['memory/peak_gb']:.2f} GB a rank, estimated" in whole.stdout
    for name in ("config.yaml", "report.html", "rollouts/step_000020.jsonl", "rollouts/eval_000020.jsonl"):
        assert (whole.run_dir / name).stat().st_size > 0
    assert [path.name for path in (whole.run_dir / "checkpoints").iterdir()] == ["step_000020"]
    assert whole.left_running() == []


def test_drift_and_divergence_of_each_checkpoint_are_those_of_the_exported_model(
    whole: Command, tiny_model: Path, tmp_path: Path
) -> None:
    """Two ranks measure their shares while they train; the command measures the files that are left."""
    output, texts = tmp_path / "rows.jsonl", tmp_path / "texts.jsonl"
    live = rows(whole.run_dir / "drift.jsonl")
    assert list(dict.fromkeys(row["step"] for row in live)) == list(range(2, STEPS + 1, 2))
    assert main(["drift", str(tiny_model), str(whole.run_dir), "--no-spectral", "--output", str(output)]) == 0
    last = [row for row in live if row["step"] == STEPS]
    assert all(row["relative_frobenius"] > 0 for row in last)
    for row, own in zip(rows(output), last, strict=True):
        assert row == own | {
            "checkpoint": str(whole.run_dir),
            "step": None,
            **{key: pytest.approx(own[key]) for key in ("relative_frobenius", "frobenius", "base_frobenius")},
        }

    diverged = rows(whole.run_dir / "divergence.jsonl")
    assert [row["step"] for row in diverged] == list(range(0, STEPS + 1, 2))
    assert diverged[0]["forward_kl"] == diverged[0]["reverse_kl"] == 0.0
    texts.write_bytes((whole.run_dir.parent.parent / "eval.jsonl").read_bytes())
    arguments = ["divergence", str(tiny_model), str(whole.run_dir), "--texts", str(texts)]
    assert main([*arguments, "--output", str(output), "--overwrite"]) == 0
    # There in the dtype of training, here in that of the export, which is bfloat16.
    assert rows(output)[0]["per_item"] == pytest.approx(diverged[-1]["per_item"], rel=0.1, abs=1e-3)


def test_deaths_and_ctrl_c_cost_steps_since_the_checkpoint_and_change_nothing(
    whole: Command, rayrl: Start, tiny_config: dict[str, Any]
) -> None:
    """A learner rank and the coordinator are killed, the run is interrupted, and resumes to the same end; ranks and
    generators take turns from there on."""
    tiny_config = with_texts(tiny_config)
    run = rayrl("grpo", tiny_config, "--steps", STEPS, *TWO_RANKS)
    for name in (b"RayTrainWorker", b"Coordinator"):
        seen = len(run.records("step"))
        run.wait_for(lambda seen=seen: len(run.records("step")) > seen, 250, f"a step before {name!r} is killed")
        kill(run, name)
    seen = len(run.records("step"))
    checkpoints = run.run_dir / "checkpoints"
    run.wait_for(lambda: len(run.records("step")) > seen, 250, "a step after both")
    run.wait_for(lambda: any(checkpoints.glob("step_*[0-9]")), 20, "a checkpoint")
    run.interrupt()
    last = run.records("step")[-1]["step"]
    turns = run.run_dir / "turns.txt"
    beside = {"engine": "tests.fakes.engine:TakesTurns", "options": {"turns": str(turns)}, "replicas": 2, "cpus": 0.5}
    resumed = rayrl(
        "grpo",
        tiny_config | {"colocate": True, "generator": beside},
        "--run.resume",
        "true",
        *TWO_RANKS,
        "--steps",
        STEPS,
    )
    assert resumed.wait(300) == 0, resumed.stderr
    assert resumed.left_running() == []
    assert "in turns with a learner rank" in resumed.stdout
    require_turns(turns, [record for record in resumed.records("step") if record["step"] > last])
    assert same(weights(whole.run_dir), weights(resumed.run_dir))
    for file in ("drift.jsonl", "divergence.jsonl"):
        assert rows(resumed.run_dir / file) == rows(whole.run_dir / file), "what was measured twice stands there once"
    keys = ("reward/mean", "train/loss", "train/grad_norm", "policy/entropy_mean")
    records = {record["step"]: [record.get(key) for key in keys] for record in resumed.records("step")}
    assert records == {record["step"]: [record.get(key) for key in keys] for record in whole.records("step")}
    events = [record["event"] for record in resumed.records("event")]
    told = ("actor_lost", "cut_off")
    assert [event for event in events if event not in told] == ["interrupted", "resumed", "finished"]
    assert "actor_lost" in events
    assert last < STEPS, "it was interrupted before its end"


def require_turns(path: Path, steps: list[dict[str, Any]]) -> None:
    """Both generators slept once a step, each time longer than the ranks trained in it."""
    seen: dict[str, list[tuple[str, float]]] = {}
    for process, what, at in (line.split() for line in path.read_text().splitlines()):
        seen.setdefault(process, []).append((what, float(at)))
    assert len(seen) == 2
    for turns in seen.values():
        assert [what for what, _ in turns] == ["asleep", "awake"] * len(steps)
        slept = [woke - fell for (_, fell), (_, woke) in zip(turns[::2], turns[1::2], strict=True)]
        assert all(seconds > record["time/train_s"] for seconds, record in zip(slept, steps, strict=True))


def test_with_qlora_a_killed_generator_gets_base_and_adapter_again_and_the_adapter_is_left(
    rayrl: Start, tmp_path: Path
) -> None:
    # A model of its own: nf4 takes rows of whole blocks of 64.
    config = tiny(make_model(tmp_path / "wide", width=128), tmp_path)
    config["adapter"] = {"rank": 4, "alpha": 8, "quantize": "nf4"}
    config["generator"]["max_concurrent_prompts"] = 1
    run = rayrl("grpo", config, "--steps", 8, "--updates_per_step", 2)
    run.wait_for(lambda: len(run.records("step")) >= 2, 250, "the second step")
    kill(run, b"GeneratorActor")
    assert run.wait(300) == 0, (run.stdout, run.stderr)
    assert "actor_lost" in {record["event"] for record in run.records("event")}
    steps = run.records("step")
    assert steps[-1]["train/grad_norm"] > 0
    # float32 on both sides: the base before it was rounded, or the adapter of a version before, is far more apart.
    # So are a later update's old log-probabilities, were they not those of before the step's first.
    assert max(record["sync/logprob_diff_mean"] for record in steps) < 1e-5
    assert max(record["policy/clip_frac"] for record in steps) > 0
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


def test_a_reward_that_raises_ends_the_run_with_one_message_and_nothing_running(
    rayrl: Start, tiny_config: dict[str, Any]
) -> None:
    run = rayrl("grpo", tiny_config | {"rewards": [{"function": "tests.fakes.rewards:raises"}]})
    assert run.wait(300) == 6, (run.stdout, run.stderr)
    message = run.stderr[run.stderr.index("rayrl: ") :]
    assert "tests.fakes.rewards:raises" in message
    assert "no column" in message
    assert "Traceback" not in message
    assert run.left_running() == []


def test_an_error_that_only_the_first_rank_meets_ends_both_at_once(
    rayrl: Start, tiny_config: dict[str, Any], tmp_path: Path
) -> None:
    """The second rank sits in a collective of the next step, which the first never joins."""
    options = {"mark": str(tmp_path / "raised")}
    tiny_config["generator"] = {"engine": "tests.fakes.engine:FailsAtSecondLoad", "options": options}
    run = rayrl("grpo", tiny_config, *TWO_RANKS)
    run.wait_for(Path(options["mark"]).exists, 250, "the second load")
    assert run.wait(30) == 7, (run.stdout, run.stderr)
    assert run.stderr[run.stderr.index("rayrl: ") :].startswith("rayrl: weight sync to version 2 failed in the engine")
    assert "no room for the weights" in run.stderr
    assert run.records("event")[-1]["event"] == "failed"
    assert run.left_running() == []


@pytest.fixture(scope="module")
def supervised(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, dict[str, Any]]]:
    """SFT, undisturbed, with its settings."""
    folder = tmp_path_factory.mktemp("supervised")
    config = as_sft(tiny(tiny_model, folder)) | {"evaluation": {"max_tokens": 8, "every_steps": 4}}
    with commands(folder) as start:
        run = start("sft", config)
        assert run.wait(300) == 0, run.stderr
        yield run, config


def test_sft_gives_the_weights_of_a_plain_learner(supervised: tuple[Command, dict[str, Any]]) -> None:
    run, tiny_sft = supervised
    records = run.records("step")
    assert [record["step"] for record in records] == list(range(1, tiny_sft["steps"] + 1))
    assert records[-1]["train/loss"] < records[0]["train/loss"]
    assert [record["step"] for record in run.records("eval")] == [0, 4, tiny_sft["steps"]]
    assert run.left_running() == []

    config = SFTConfig.model_validate(tiny_sft)
    examples = Examples(config, run.run_dir / EXAMPLES)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    learner = Learner(
        config.model, config.learner, config.freeze, 1.0, config.steps, config.run.seed, torch.device("cpu")
    )
    for step in range(config.steps):
        learner.update(examples.take(step).updates[0], examples.objective)
    torch.set_num_threads(threads)
    learner.export(run.run_dir / "again" / "model")
    assert same(weights(run.run_dir), weights(run.run_dir / "again"))


def test_an_evaluation_beside_training_is_that_of_the_step_it_was_due_after_also_where_it_is_cut_short(
    supervised: tuple[Command, dict[str, Any]], rayrl: Start, tiny_sft: dict[str, Any]
) -> None:
    """Interrupted between the checkpoint and the end of the evaluation of the same step, and resumed."""
    undisturbed, _ = supervised
    beside = {"max_tokens": 8, "every_steps": 4, "beside_training": True, "at_start": False}
    config = tiny_sft | {"evaluation": beside}
    run = rayrl("sft", config, "--generator.engine", "tests.fakes.engine:SlowEngine")
    run.wait_for(lambda: any(record["step"] > 4 for record in run.records("step")), 250, "a step beside the evaluation")
    assert run.records("eval") == []
    run.interrupt()
    resumed = rayrl("sft", config, "--run.resume", "true")
    assert resumed.wait(300) == 0, resumed.stderr
    assert [record["step"] for record in resumed.records("eval")] == [4, 8]
    for file in ("rollouts/eval_000004.jsonl", "rollouts/eval_000008.jsonl"):
        assert rows(resumed.run_dir / file) == rows(undisturbed.run_dir / file)
    assert same(weights(resumed.run_dir), weights(undisturbed.run_dir))

"""A study on real Ray: two trials at once on two cores, killed in the middle, resumed; nothing is sampled."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import Command, tiny

pytestmark = pytest.mark.timeout(900)
STEPS = 300
OF_SFT = ("model", "train_data", "prompt", "rewards", "generator", "learner", "checkpoint")


def test_two_trials_at_once_end_and_a_killed_study_goes_on(
    rayrl: Callable[..., Command], tiny_model: Path, tmp_path: Path
) -> None:
    base = {key: value for key, value in tiny(tiny_model, tmp_path).items() if key in OF_SFT}
    base["learner"]["cpus_per_worker"] = 0.5
    base["checkpoint"] = {"every_steps": 20}
    base["train_data"] = {"source": os.path.relpath(tmp_path / "train.jsonl")}
    config = tmp_path / "study.yaml"
    settings = {
        "study": {"name": "study", "dir": os.path.relpath(tmp_path)},
        "base": base,
        "sft": {"examples_per_step": 8, "target": {"max_tokens": 100}},
        "arms": {"short": {"method": "sft", "steps": 2}, "long": {"method": "sft", "steps": STEPS}},
    }
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    folder = tmp_path / "study"
    short, long = (folder / "trials" / f"{name}-seed42" for name in ("short", "long"))

    def states() -> dict[str, str]:
        rows = json.loads((folder / "trials.json").read_text()) if folder.exists() else []
        return {row["arm"]: row["state"] for row in rows}

    run = rayrl("study", config)
    run.wait_for(lambda: any((long / "checkpoints").glob("step_*[0-9]")), 400, "a checkpoint of the long trial")
    run.wait_for(lambda: states()["short"] == "finished", 400, "the short trial's end")
    assert states()["long"] == "pending", "both ran at once"
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.communicate()
    kept = (short / "metrics.jsonl").read_bytes()

    again = rayrl("study", config, "--study.resume", "true")
    assert again.wait(400) == 0, (again.stdout, again.stderr)
    assert states() == {"short": "finished", "long": "finished"}
    assert (short / "metrics.jsonl").read_bytes() == kept
    rows = [json.loads(line) for line in (long / "metrics.jsonl").read_text().splitlines()]
    events = [row["event"] for row in rows if row["kind"] == "event"]
    assert [event for event in events if event != "cut_off"] == ["resumed", "finished"]
    assert {row["step"] for row in rows if row["kind"] == "step"} == set(range(1, STEPS + 1))
    assert again.left_running() == []

"""Each run has a Weights & Biases run of its own, also where several run in one process."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from rayrl.config import GRPOConfig
from rayrl.train.writer import Writer


class Tracker:
    """As wandb: `init` gives the run that is active, as long as there is one."""

    active: "Tracker | None" = None

    def __init__(self) -> None:
        self.logged: list[dict[str, Any]] = []

    def log(self, values: dict[str, Any], step: int) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        Tracker.active = None


def init(**_: Any) -> Tracker:
    Tracker.active = Tracker.active or Tracker()
    return Tracker.active


def test_the_next_run_of_a_process_does_not_log_into_the_one_before(
    tiny_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    config = GRPOConfig.model_validate(tiny_config | {"run": {"wandb_project": "p"}})
    trackers = []
    for name in ("first", "second"):
        writer = Writer(tmp_path / name, config)
        writer.write({"kind": "step", "step": 1, "reward/mean": 0.5})
        trackers.append(writer.tracker)
        writer.close()
    assert [len(tracker.logged) for tracker in trackers] == [1, 1]
    assert Tracker.active is None


def test_what_got_no_reward_is_written_whichever_prompt_it_belongs_to(
    tiny_config: dict[str, Any], tmp_path: Path
) -> None:
    config = GRPOConfig.model_validate(tiny_config | {"run": {"samples_per_step": 1}})
    groups = [[{"reward": 1.0, "of": at}, {"reward": None if at == 2 else 0.0, "of": at}] for at in range(3)]
    (tmp_path / "run" / "rollouts").mkdir(parents=True)
    writer = Writer(tmp_path / "run", config)
    writer.write({"kind": "step", "step": 1, "samples": groups})
    writer.close()
    (file,) = (tmp_path / "run" / "rollouts").iterdir()
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["of"], row["reward"]) for row in written] == [(0, 1.0), (0, 0.0), (2, None)]

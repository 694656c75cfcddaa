"""Each run has a Weights & Biases run of its own, also where several run in one process."""

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

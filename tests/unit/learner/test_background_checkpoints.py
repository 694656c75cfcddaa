"""Checkpoints that are written while training goes on count when they are whole, and hold what was there before."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from rayrl.actors.admission import CoordinatorState
from rayrl.config import ObjectiveSettings
from rayrl.config.deadlines import Deadline
from rayrl.errors import DeadlineError, ResourceError
from rayrl.learner.learner import Learner
from rayrl.learner.objectives import grpo_objective
from rayrl.train.checkpoints import Checkpoints
from tests.conftest import PATIENCE
from tests.fakes.ranks import start_ranks

from .conftest import make_learner, make_trees, weights

GRPO = grpo_objective(ObjectiveSettings(), max_tokens=8)
Folders = Callable[[str], str]
WRITE = FileSystemWriter.write_data


@contextmanager
def held_writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing is written until the event is set, at the latest at the end."""
    go = threading.Event()

    def write(*given: Any) -> Any:
        assert go.wait(60 * PATIENCE)
        return WRITE(*given)

    monkeypatch.setattr(FileSystemWriter, "write_data", write)
    try:
        yield go
    finally:
        go.set()


def names(checkpoints: Checkpoints) -> list[str]:
    return [path.name for path in checkpoints.complete()]


def test_a_checkpoint_counts_when_it_is_whole_and_holds_what_was_there_when_it_was_begun(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make_learner(folders("llama_tied"))
    checkpoints = Checkpoints(tmp_path, keep=1, background=True)
    learner.update(make_trees(seed=0), GRPO)
    checkpoints.save(learner, CoordinatorState(1))
    checkpoints.finish()
    learner.update(make_trees(seed=1), GRPO)
    before = weights(learner)
    with held_writes(monkeypatch) as go:
        checkpoints.save(learner, CoordinatorState(2))
        expected = learner.update(make_trees(seed=2), GRPO)
        checkpoints.check()
        assert names(checkpoints) == ["step_000001"], "the one before stays until this one is whole"
        go.set()
        checkpoints.finish()
    assert names(checkpoints) == ["step_000002"]
    resumed = make_learner(folders("llama_tied"))
    assert Checkpoints(tmp_path, keep=1).restore(resumed) == CoordinatorState(2)
    assert all(torch.equal(value, before[name]) for name, value in weights(resumed).items())
    assert resumed.update(make_trees(seed=2), GRPO) == expected
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(learner).items())


def test_one_is_written_at_a_time(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make_learner(folders("llama"))
    checkpoints = Checkpoints(tmp_path, keep=2, background=True)
    with held_writes(monkeypatch) as go:
        checkpoints.save(learner, CoordinatorState(1))
        timer = threading.Timer(0.5, go.set)
        timer.start()
        checkpoints.save(learner, CoordinatorState(2))
        assert go.is_set()
        assert "step_000001" in names(checkpoints)
        checkpoints.finish()
    assert names(checkpoints) == ["step_000001", "step_000002"]


def test_a_write_that_does_not_end_is_given_up(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2, background=True, deadline=Deadline.of("run.deadlines.step_s", 0.2))
    with held_writes(monkeypatch):
        checkpoints.save(make_learner(folders("llama")), CoordinatorState(1))
        with pytest.raises(DeadlineError, match=r"waited 0.2 s for checkpoint .*step_000001.*run\.deadlines\.step_s"):
            checkpoints.finish()


def save_and_watch(checkpoints: Checkpoints, learner: Learner) -> None:
    """As the loop does: looked at without waiting."""
    checkpoints.save(learner, CoordinatorState(2))
    end = time.monotonic() + 60 * PATIENCE
    while time.monotonic() < end:
        checkpoints.check()
        time.sleep(0.05)


def run_rank(rank: int, path: str, folder: str) -> None:
    """Rank 1 has no room for the second checkpoint: both ranks say so, and the first stays."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    learner = make_learner(path)

    def write(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    for background in (False, True):
        checkpoints = Checkpoints(Path(folder) / str(background), keep=1, background=background)
        checkpoints.save(learner, CoordinatorState(1))
        checkpoints.finish()
        FileSystemWriter.write_data = write if rank == 1 else WRITE  # type: ignore[method-assign]
        with pytest.raises(ResourceError, match=r"step_000002.*\(rank 1: .*No space left.*run\.resume") as raised:
            save_and_watch(checkpoints, learner)
        FileSystemWriter.write_data = WRITE  # type: ignore[method-assign]
        assert "rank 0" not in str(raised.value)
        assert names(checkpoints) == ["step_000001"]
        torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_a_failed_write_ends_training_with_its_message(folders: Folders, tmp_path: Path) -> None:
    start_ranks(run_rank, (folders("llama"), str(tmp_path)), 2)

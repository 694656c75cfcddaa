"""Checkpoints of a run: written aside, renamed when whole, the oldest removed."""

import pickle
import shutil
from pathlib import Path

import torch.distributed as dist

from rayrl.actors.coordinator import CoordinatorState
from rayrl.learner.learner import Learner


class Checkpoints:
    """`folder`/step_000010/ holds everything that resuming after 10 steps needs."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def complete(self) -> list[Path]:
        """Whole checkpoints, oldest first."""
        return sorted(path for path in self.folder.glob("step_*") if path.is_dir() and path.suffix == "")

    def restore(self, learner: Learner) -> CoordinatorState:
        """Loads the newest into the learner (every rank calls it); a fresh state where there is none."""
        found = self.complete()
        if not found:
            return CoordinatorState(0)
        learner.load(found[-1])
        state: CoordinatorState = pickle.loads((found[-1] / "coordinator.pkl").read_bytes())
        return state

    def save(self, learner: Learner, state: CoordinatorState) -> None:
        """Writes one (every rank calls it)."""
        final = self.folder / f"step_{state.next_step:06d}"
        aside = final.with_suffix(".tmp")
        first = not dist.is_initialized() or dist.get_rank() == 0
        if first:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
        _barrier()
        learner.state(aside)
        _barrier()
        if first:
            (aside / "coordinator.pkl").write_bytes(pickle.dumps(state))
            shutil.rmtree(final, ignore_errors=True)
            aside.rename(final)
            for old in self.complete()[: -self.keep]:
                shutil.rmtree(old)
        _barrier()


def _barrier() -> None:
    if dist.is_initialized():
        dist.barrier()

"""Checkpoints of a run: written aside, renamed when whole, the oldest removed."""

import pickle
import shutil
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException

from rayrl.actors.admission import CoordinatorState
from rayrl.actors.deadlines import too_late
from rayrl.config.deadlines import Deadline, DeadlineSettings
from rayrl.errors import ResourceError
from rayrl.learner.learner import Learner

LATEST = DeadlineSettings().step


class Checkpoints:
    """`folder`/step_000010/ holds everything that resuming after 10 steps needs.

    Args:
        folder: Seen by all ranks.
        keep: How many are kept.
        background: Write them while training goes on, one at a time.
        deadline: Of one that is still being written.
    """

    def __init__(self, folder: Path, keep: int, background: bool = False, deadline: Deadline = LATEST) -> None:
        self.folder, self.keep = folder, keep
        self.background, self.deadline = background, deadline
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._latest: tuple[Path, Future[None]] | None = None

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
        """Writes one, after the one before (every rank calls it). In the background it counts later, when it is whole.

        Raises:
            ResourceError, DeadlineError: As `finish`.
        """
        self.finish()
        final = self.folder / f"step_{state.next_step:06d}"
        aside = final.with_suffix(".tmp")
        try:
            if _first():
                shutil.rmtree(aside, ignore_errors=True)
                aside.mkdir(parents=True)
                (aside / "coordinator.pkl").write_bytes(pickle.dumps(state))
            _barrier()
            written = learner.state(aside, self.background)
        except (CheckpointException, OSError) as error:
            raise _unwritten(final, error) from error
        self._latest = (final, self._thread.submit(self._complete, written, aside, final))
        if not self.background:
            self.finish()

    def check(self) -> None:
        """Raises ResourceError where this rank knows that the latest could not be written; waits for nothing."""
        if self._latest is not None and self._latest[1].done():
            self._result()

    def finish(self) -> None:
        """Waits until the latest is whole (every rank calls it).

        Raises:
            ResourceError: It could not be written.
            DeadlineError: It is not whole in time.
        """
        if self._latest is not None:
            self._result()
            self._latest = None
            _barrier()

    def _complete(self, written: Future[Any], aside: Path, final: Path) -> None:
        """In a thread: makes a checkpoint count once all ranks have written."""
        written.result()
        if _first():
            shutil.rmtree(final, ignore_errors=True)
            aside.rename(final)
            for old in self.complete()[: -self.keep]:
                shutil.rmtree(old)

    def _result(self) -> None:
        assert self._latest is not None
        final, future = self._latest
        if not wait([future], self.deadline.seconds).done:
            raise too_late(f"checkpoint {str(final)!r} to be written", self.deadline)
        try:
            future.result()
        except (CheckpointException, OSError) as error:
            raise _unwritten(final, error) from error


def _unwritten(final: Path, error: BaseException) -> ResourceError:
    failures = error.failures if isinstance(error, CheckpointException) else {dist.get_rank(): (error, None)}
    causes = "; ".join(f"rank {rank}: {cause}" for rank, (cause, _) in sorted(failures.items()))
    return ResourceError(
        f"run.dir: checkpoint {str(final)!r} could not be written ({causes}); the one before it is whole: make room or "
        "mend the disk, and resume with run.resume"
    )


def _first() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


def _barrier() -> None:
    if dist.is_initialized():
        dist.barrier()

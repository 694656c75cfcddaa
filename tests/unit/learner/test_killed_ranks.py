"""Two ranks killed with SIGKILL at an arbitrary moment end, resumed, with bitwise the weights of two left alone.

Supervised, and GRPO on recorded rollouts. One rank under Ray Train: tests/unit/train/test_driver.py.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rayrl.actors.admission import CoordinatorState
from rayrl.config import ObjectiveSettings
from rayrl.learner.batch import Tree, sft_tree
from rayrl.learner.objectives import Objective, grpo_objective, sft_objective
from rayrl.train.checkpoints import Checkpoints
from rayrl.types import Example
from tests.conftest import PATIENCE
from tests.fakes.ranks import start_ranks

from .conftest import make_learner, make_trees, weights

STEPS = 30
BACKGROUND = "sft, written in the background"
KINDS: dict[str, tuple[Objective, Callable[[int], list[Tree]]]] = {
    "grpo": (grpo_objective(ObjectiveSettings(), max_tokens=8), lambda step: make_trees(seed=step)),
    "sft": (sft_objective(), lambda step: [sft_tree([example]) for example in examples(step)]),
    BACKGROUND: (sft_objective(), lambda step: [sft_tree([example]) for example in examples(step)]),
}


def examples(step: int) -> list[Example]:
    draw = random.Random(step)
    rows = [[draw.randrange(40) for _ in range(draw.randint(4, 12))] for _ in range(6)]
    return [Example(f"{step}-{n}", row, [index > 2 for index in range(len(row))]) for n, row in enumerate(rows)]


def run_rank(rank: int, path: str, folder: str, meeting: str) -> None:
    """Goes on from the newest checkpoints in `folder` to step STEPS, all kinds in turns."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    running = {}
    for kind in KINDS:
        learner = make_learner(path, total=STEPS)
        checkpoints = Checkpoints(Path(folder) / kind, keep=2, background=kind == BACKGROUND)
        running[kind] = (learner, checkpoints, checkpoints.restore(learner).next_step)
    for step in range(STEPS):
        for kind, (learner, checkpoints, start) in running.items():
            if step >= start:
                objective, trees = KINDS[kind]
                learner.update(trees(step), objective)
                checkpoints.save(learner, CoordinatorState(step + 1))
    for _, checkpoints, _ in running.values():
        checkpoints.finish()
    final = {kind: weights(learner) for kind, (learner, _, _) in running.items()}
    if rank == 0:
        torch.save(final, Path(folder) / "final.pt")


def start(path: str, folder: Path, attempt: str) -> Any:
    return start_ranks(run_rank, (path, str(folder), str(folder / attempt)), 2, join=False)


def finish(ranks: Any) -> None:
    end = time.monotonic() + 120 * PATIENCE
    while not ranks.join(1):
        assert time.monotonic() < end, "waited 120 s for two ranks"


def test_two_killed_ranks_resume_bit_for_bit(folders: Callable[[str], str], tmp_path: Path) -> None:
    path = folders("llama_tied")
    alone, hit = tmp_path / "alone", tmp_path / "hit"
    for folder in (alone, hit):
        folder.mkdir()
    whole, killed = start(path, alone, "meet"), start(path, hit, "meet")
    end = time.monotonic() + 120 * PATIENCE
    while not any((hit / "grpo").glob("step_*[0-9]")):
        assert time.monotonic() < end, "waited 120 s for a checkpoint"
        time.sleep(0.01)
    time.sleep(random.Random().uniform(0, 0.5))
    for process in killed.processes:
        process.kill()
    for process in killed.processes:
        process.join(10)
    assert not (hit / "final.pt").exists(), "it was over before it was killed"
    finish(whole)
    finish(start(path, hit, "again"))
    left, right = torch.load(alone / "final.pt"), torch.load(hit / "final.pt")
    for kind in KINDS:
        assert left[kind].keys() == right[kind].keys()
        assert all(torch.equal(value, right[kind][name]) for name, value in left[kind].items()), kind

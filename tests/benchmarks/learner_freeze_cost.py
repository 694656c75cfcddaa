"""What a freeze preset costs: step time and peak memory against the least work it needs (embedded model, CPU).

    python -m tests.benchmarks.learner_freeze_cost [--presets none qk_only lora qlora ...] [--rounds 3] [--groups 2]

Each preset, and LoRA and QLoRA on every linear module, runs in a process of its own: GRPO groups of a 64-token prompt
and 8 x 64 completions, bfloat16. `floor` is the time that forward and the needed backward would take at the matmul
ceiling measured in the same process; `of none` sets a preset's time, and its floor, against those of `none`. Times are
processor seconds over threads, which other work on the machine changes least, most of all with `--threads 1`. Peak
memory is beyond what the process held before the learner was made, the estimate is the one that `--dry-run` prints.
"""

import argparse
import json
import os
import random
import time

import torch

from rayrl.config import LearnerSettings, ModelSettings, ObjectiveSettings
from rayrl.learner.batch import Segment, Tree, make_batch
from rayrl.learner.freeze import PRESETS
from rayrl.learner.learner import Learner
from rayrl.learner.objectives import grpo_objective
from rayrl.models import EMBEDDED, resolve_model
from tests.benchmarks.child import last_line
from tests.benchmarks.flops import matmul_ceiling
from tests.benchmarks.subjects import ADAPTERS, Subject, settings_of


def child(name: str, arguments: argparse.Namespace) -> None:
    threads = arguments.threads
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    model = ModelSettings(path=resolve_model(EMBEDDED))
    settings = LearnerSettings(activation_checkpointing=arguments.checkpointing)
    freeze, adapter = settings_of(name)
    learner = Learner(model, settings, freeze, 1.0, 100, 0, device, adapter_settings=adapter)
    generator = random.Random(0)

    def tokens(count: int) -> list[int]:
        return [generator.randrange(100, 49000) for _ in range(count)]

    trees = [
        Tree(
            [Segment(tokens(64), [False] * 64)]
            + [Segment(tokens(64), [True] * 64, 0, (-1.0) ** i, [-10.0] * 64) for i in range(8)]
        )
        for _ in range(arguments.groups)
    ]
    objective = grpo_objective(ObjectiveSettings(), 64)
    times = []
    for _ in range(arguments.rounds):
        started = time.process_time()
        learner.update(trees, objective)
        times.append((time.process_time() - started) / threads)
    peak = learner.peak_bytes()

    subject, batch = Subject.read(name, model), make_batch(trees, range(len(trees)))
    work = subject.floor(batch).total
    print(
        json.dumps(
            {
                "million": subject.trained / 1e6,
                "seconds": min(times),
                "floor": work / matmul_ceiling(device, 1536),
                "work": work,
                "peak": peak / 1e9,
                "estimate": subject.estimate(settings, len(batch.token_ids)) / 1e9,
                "load": os.getloadavg()[0],
            }
        )
    )


def measure(preset: str, arguments: argparse.Namespace) -> dict[str, float]:
    """What `child` prints, of a process of its own. Raises RuntimeError where it fails."""
    options = ["--child", preset, "--rounds", str(arguments.rounds), "--threads", str(arguments.threads)]
    options += ["--groups", str(arguments.groups), *["--checkpointing"] * arguments.checkpointing]
    found: dict[str, float] = last_line("tests.benchmarks.learner_freeze_cost", *options)
    return found


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--presets", nargs="+", default=[*PRESETS, "last_4", *ADAPTERS])
    found.add_argument("--rounds", type=int, default=3)
    found.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    found.add_argument("--groups", type=int, default=2)
    found.add_argument("--checkpointing", action="store_true")
    found.add_argument("--child")
    return found


def main() -> None:
    arguments = parser().parse_args()
    if arguments.child:
        child(arguments.child, arguments)
        return
    print("| preset | trains, million | step s | of none | floor s | of none | peak GB | estimate GB | load |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    first: dict[str, float] | None = None
    for preset in arguments.presets:
        row = measure(preset, arguments)
        first = first or row
        print(
            f"| {preset} | {row['million']:.1f} | {row['seconds']:.2f} | {row['seconds'] / first['seconds']:.2f} "
            f"| {row['floor']:.2f} | {row['work'] / first['work']:.2f} | {row['peak']:.2f} | {row['estimate']:.2f} "
            f"| {row['load']:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

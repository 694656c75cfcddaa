"""What a freeze preset costs: step time and peak memory against the least work it needs (embedded model, CPU).

    python -m tests.benchmarks.learner_freeze_cost [--presets none qk_only ...] [--rounds 3]

Each preset runs in a process of its own: 2 GRPO groups of a 64-token prompt and 8 x 64 completions, bfloat16. `floor`
is the time that forward and the needed backward would take at the matmul ceiling measured in the same process;
`of none` sets a preset's time, and its floor, against those of `none`. Times are processor seconds over threads, which
other work on the machine changes least, most of all with `--threads 1`.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time

PRESETS = [
    "none",
    "freeze_mid_mlps",
    "embeddings_frozen",
    "mlp_only",
    "attention_only",
    "qk_and_head",
    "qk_only",
    "last_4",
]


def child(preset: str, rounds: int, threads: int) -> None:
    import torch

    from rayrl.config import FreezeSettings, LearnerSettings, ModelSettings, ObjectiveSettings
    from rayrl.learner.batch import Segment, Tree, make_batch
    from rayrl.learner.estimate import estimate
    from rayrl.learner.freeze import layer_of
    from rayrl.learner.learner import Learner
    from rayrl.learner.model import tied_names
    from rayrl.learner.objectives import grpo_objective
    from rayrl.models import EMBEDDED, resolve_model
    from tests.benchmarks.flops import floor, matmul_ceiling

    torch.set_num_threads(threads)
    device = torch.device("cpu")
    model_settings, settings = ModelSettings(path=resolve_model(EMBEDDED)), LearnerSettings()
    learner = Learner(model_settings, settings, FreezeSettings(preset=preset), 1.0, 100, 0, device)
    generator = random.Random(0)

    def tokens(count: int) -> list[int]:
        return [generator.randrange(100, 49000) for _ in range(count)]

    trees = [
        Tree(
            [Segment(tokens(64), [False] * 64)]
            + [Segment(tokens(64), [True] * 64, 0, (-1.0) ** i, [-10.0] * 64) for i in range(8)]
        )
        for _ in range(2)
    ]
    objective = grpo_objective(ObjectiveSettings(), 64)
    times = []
    for _ in range(rounds):
        started = time.process_time()
        learner.update(trees, objective)
        times.append((time.process_time() - started) / threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    model = learner.policy.model
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    units = {name: layer_of(name) for name in sizes}
    work = floor(sizes, learner.trainable, model.config, make_batch(trees, [0, 1]), bool(tied_names(model)))
    print(
        json.dumps(
            {
                "million": sum(size for name, size in sizes.items() if learner.trainable[name]) / 1e6,
                "seconds": min(times),
                "floor": work.total / matmul_ceiling(device, 1536),
                "work": work.total,
                "peak": peak,
                "estimate": estimate(learner.trainable, sizes, units, model_settings, settings, 2).total / 1e9,
                "load": os.getloadavg()[0],
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--child")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.rounds, arguments.threads)
        return
    print("| preset | trains, million | step s | of none | floor s | of none | peak GB | estimate GB | load |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    first: dict[str, float] | None = None
    for preset in arguments.presets:
        command = [sys.executable, "-m", "tests.benchmarks.learner_freeze_cost", "--child", preset]
        command += ["--rounds", str(arguments.rounds), "--threads", str(arguments.threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.strip().splitlines()[-1])
        first = first or row
        print(
            f"| {preset} | {row['million']:.1f} | {row['seconds']:.2f} | {row['seconds'] / first['seconds']:.2f} "
            f"| {row['floor']:.2f} | {row['work'] / first['work']:.2f} | {row['peak']:.2f} | {row['estimate']:.2f} "
            f"| {row['load']:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

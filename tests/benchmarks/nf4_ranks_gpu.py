"""QLoRA on two ranks of one GPU against one rank: the rounded base, losses and the adapter after a few updates.

    python -m tests.benchmarks.nf4_ranks_gpu [--shape qwen3-0.6b] [--device cuda]

Collectives go over gloo: NCCL takes no two ranks on one GPU.
"""

import argparse
import json
import tempfile
import zlib
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule
from torch.multiprocessing import spawn

from rayrl.config import LearnerSettings, ModelSettings
from rayrl.learner.batch import Tree
from rayrl.learner.learner import Learner
from rayrl.learner.model_files import gather
from tests.benchmarks.learner_gpu import SHAPES, make_folder, make_groups, objective_of
from tests.benchmarks.subjects import settings_of

UPDATES = 3


def train(rank: int, ranks: int, folder: str, trees: list[Tree], device: str) -> None:
    """Writes what came out of it to the folder (rank 0)."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet{ranks}", rank=rank, world_size=ranks)
    freeze, adapter = settings_of("qlora")
    settings = LearnerSettings(workers=ranks, learning_rate=1e-3, microbatch_tokens=4096)
    learner = Learner(
        ModelSettings(path=folder), settings, freeze, 1.0, UPDATES, 0, torch.device(device), adapter_settings=adapter
    )
    for module in learner.policy.modules():
        if isinstance(module, FSDPModule):
            module.set_force_sum_reduction_for_comms(True)  # gloo has no average
    losses = [learner.update(trees, objective_of("sft"))["train/loss"] for _ in range(UPDATES)]
    base = {
        name: zlib.crc32(value.cpu().contiguous().view(torch.uint8).numpy()) for name, value in learner.rounded_base()
    }
    found = {name: gather(value, torch.float32).cpu() for name, value in learner._trained().items()}
    if rank == 0:
        torch.save(found, f"{folder}/adapter{ranks}.pt")
        Path(folder, f"seen{ranks}.json").write_text(json.dumps([losses, base]))
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="qwen3-0.6b", choices=list(SHAPES))
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_folder(arguments.shape, torch.device(arguments.device), folder)
        trees = [tree for _ in range(2) for tree in make_groups(2048, 4, SHAPES[arguments.shape].vocab_size)]
        for ranks in (1, 2):
            spawn(train, (ranks, folder, trees, arguments.device), nprocs=ranks)
        (losses, base), (others, sharded) = (json.loads(Path(folder, f"seen{n}.json").read_text()) for n in (1, 2))
        one, two = (torch.load(f"{folder}/adapter{ranks}.pt") for ranks in (1, 2))
    moved = max(float((two[name] - one[name]).norm() / one[name].norm()) for name in one)
    print("| ranks | loss of each update |\n|---:|---|")
    for ranks, values in ((1, losses), (2, others)):
        print(f"| {ranks} | {', '.join(f'{value:.6f}' for value in values)} |")
    print(f"\nrounded matrices that are equal: {sum(base[name] == sharded[name] for name in base)} of {len(base)}")
    print(f"largest distance of an adapter's matrix, over its norm: {moved:.1e}")


if __name__ == "__main__":
    main()

"""Host memory of each rank while a random model of 1.5B parameters is loaded and exported: no rank holds it whole.

    python -m tests.benchmarks.learner_host_memory [--ranks 1 2 4] [--adapter none|lora|nf4] [--folder FOLDER]

The floor of loading is a rank's shard as it is kept and one decoder layer, that of exporting one file more on the first
rank. Peaks are VmHWM above what the process held before, mapped pages of the model's files included.
"""

import argparse
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from transformers import AutoModelForCausalLM, Qwen2Config

from rayrl.config import FreezeSettings, LearnerSettings, LoRASettings, ModelSettings
from rayrl.learner.adapter import parameters
from rayrl.learner.learner import Learner

GB = 1e9
ADAPTERS = {"none": None, "lora": LoRASettings(), "nf4": LoRASettings(quantize="nf4")}


def make_model(folder: Path) -> None:
    """Qwen2.5-1.5B's shape in bfloat16, in files of 1 GB."""
    config = Qwen2Config(
        vocab_size=151_936,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        dtype="bfloat16",
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model = model.to(torch.bfloat16).to_empty(device="cpu")
    model.tie_weights()
    for parameter in model.parameters():
        parameter.data.uniform_(-0.05, 0.05)
    model.save_pretrained(folder, max_shard_size="1GB")


def status(name: str) -> int:
    """Bytes of a field of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def peak(before: int) -> int:
    """The most above `before` since the last call."""
    found = status("VmHWM") - before
    Path("/proc/self/clear_refs").write_text("5")
    return found


def run_rank(rank: int, ranks: int, adapter: str, model: str, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    import peft  # noqa: F401  what is imported is no part of the model

    before = status("VmRSS")
    peak(before)
    learner = Learner(
        ModelSettings(path=model, compute_dtype="bfloat16"),
        LearnerSettings(),
        FreezeSettings(),
        temperature=1.0,
        total_updates=1,
        seed=0,
        device=torch.device("cpu"),
        adapter_settings=ADAPTERS[adapter],
    )
    loaded = peak(before)
    own = parameters(learner.policy.model)
    local = [value.to_local() if hasattr(value, "to_local") else value for value in own.values()]
    shard = sum(value.numel() * value.element_size() for value in local)
    width = 2 if adapter != "none" else 4
    layer = sum(value.numel() for name, value in own.items() if ".layers.0." in name) * width
    held = status("VmRSS") - before
    learner.export(Path(folder) / "export")
    rows: list[tuple[float, ...]] = [()] * ranks
    dist.all_gather_object(rows, (shard / GB, layer / GB, loaded / GB, held / GB, peak(before) / GB))
    if rank == 0:
        for place, row in enumerate(rows):
            print(
                f"| {adapter} | {ranks} | {place} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True
            )
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--adapter", choices=ADAPTERS, default="none")
    parser.add_argument("--folder", type=Path, help="of the model; made where it is not there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.folder or Path(folder) / "model"
        if not (model / "config.json").is_file():
            make_model(model)
        print("| adapter | ranks | rank | shard, GB | layer | peak of loading | held then | peak of exporting |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        for ranks in arguments.ranks:
            run = Path(tempfile.mkdtemp(dir=folder))
            mp.spawn(run_rank, (ranks, arguments.adapter, str(model), str(run)), nprocs=ranks)


if __name__ == "__main__":
    main()

"""Memory and speed of `rayrl drift` on a pair of models of Llama-3.1-8B's shape, written here in shards of bfloat16.

    python -m tests.benchmarks.drift_large --folder /some/disk --layers 32
    python -m tests.benchmarks.drift_large --folder /some/disk --layers 2 --spectral

The files of both models are written in full (random rows, repeated within a tensor; 16 GB each with 32 layers) and
removed at the end. Their pages are dropped from the cache before each reading, so that both come from the disk.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

HIDDEN, INNER, KEYS, VOCABULARY = 4096, 14336, 1024, 128256
LIMIT_GIB = 6.0
CHILD = """
import sys, time
from pathlib import Path
from rayrl.cli import main
assert main(sys.argv[1:]) == 0
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print("peak", int(status["VmHWM"].split()[0]) / 2**20, time.process_time())
"""  # its own high-water mark: that of wait4 has the parent's memory in it


def shards(layers: int) -> Iterator[dict[str, tuple[int, ...]]]:
    """Names and shapes, a file each."""
    yield {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(layers):
        sizes = {
            "self_attn.q_proj": (HIDDEN, HIDDEN),
            "self_attn.k_proj": (KEYS, HIDDEN),
            "self_attn.v_proj": (KEYS, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HIDDEN),
            "mlp.gate_proj": (INNER, HIDDEN),
            "mlp.up_proj": (INNER, HIDDEN),
            "mlp.down_proj": (HIDDEN, INNER),
            "input_layernorm": (HIDDEN,),
            "post_attention_layernorm": (HIDDEN,),
        }
        yield {f"model.layers.{layer}.{name}.weight": shape for name, shape in sizes.items()}
    yield {"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN)}


def write(folder: Path, layers: int, seed: int) -> None:
    """The tuned model (seed 1) is the base (seed 0) plus noise of a hundredth of its size."""
    folder.mkdir(parents=True)
    base = 0.02 * torch.randn(1 << 24, generator=torch.Generator().manual_seed(0))
    noise = 2e-4 * torch.randn(1 << 24, generator=torch.Generator().manual_seed(1))
    pool = (base + seed * noise).bfloat16()
    where = {}
    for number, shapes in enumerate(shards(layers)):
        file = f"model-{number:05d}.safetensors"
        tensors = {}
        for name, shape in shapes.items():
            size = torch.Size(shape).numel()
            tensors[name] = pool.repeat(-(-size // len(pool)))[:size].view(shape)
            where[name] = file
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    (folder / "config.json").write_text("{}")


def forget(files: list[Path]) -> None:
    """Writes the files' pages out and drops them from the cache."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--spectral", action="store_true")
    asked = parser.parse_args()
    needed = 2 * 2 * sum(torch.Size(shape).numel() for part in shards(asked.layers) for shape in part.values())
    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="rayrl-drift-") as made:
        free = shutil.disk_usage(made).free
        if free < 1.05 * needed:
            sys.exit(f"{needed / 1e9:.0f} GB are needed, {free / 1e9:.0f} GB are free: take fewer --layers")
        folders = [Path(made) / name for name in ("base", "tuned")]
        for seed, folder in enumerate(folders):
            write(folder, asked.layers, seed)
        files = [path for folder in folders for path in sorted(folder.glob("*.safetensors"))]
        forget(files)
        started = time.monotonic()
        subprocess.run(["cat", *files], stdout=subprocess.DEVNULL, check=True)
        plain_s = time.monotonic() - started
        forget(files)
        command = [sys.executable, "-c", CHILD, "drift", *map(str, folders)]
        started = time.monotonic()
        command += ["--output", f"{made}/drift.jsonl", *([] if asked.spectral else ["--no-spectral"])]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        drift_s = time.monotonic() - started
    print(child.stdout.rpartition("peak ")[0])
    peak, cpu_s = (float(value) for value in child.stdout.rpartition("peak ")[2].split())
    load = os.getloadavg()[0]
    print(f"{needed / 1e9:.1f} GB in {len(files)} files, spectral {'on' if asked.spectral else 'off'}, load {load:.0f}")
    print(f"cat: {plain_s:.0f} s, {needed / plain_s / 1e6:.0f} MB/s")
    print(
        f"rayrl drift: {drift_s:.0f} s ({cpu_s:.0f} s of CPU), {needed / drift_s / 1e6:.0f} MB/s, peak {peak:.2f} GiB"
    )
    if peak > LIMIT_GIB:
        sys.exit(f"more than {LIMIT_GIB} GiB")


if __name__ == "__main__":
    main()

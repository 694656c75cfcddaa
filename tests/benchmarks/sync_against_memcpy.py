"""Weights from a learner's process into a running vLLM, part by part, against one copy of the same bytes.

    python -m tests.benchmarks.sync_against_memcpy [--repeats 5]

Ray, a generator actor and the bundled model are real; the weights are sent as a rank sends them (`train.loop`).
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import ray
import torch
from ray import ObjectRef

from rayrl.actors.generator import GeneratorActor
from rayrl.generate.engine import EngineSettings
from rayrl.generate.packets import pack
from rayrl.models import EMBEDDED, resolve_model
from rayrl.processor import compute_dtype


def timed(times: dict[str, list[float]], name: str, call: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = call()
    times.setdefault(name, []).append(time.perf_counter() - started)
    return result


def measure(repeats: int) -> tuple[int, dict[str, float]]:
    """Bytes, and median seconds of each part, of the whole (`sync`) and of one copy of as many bytes (`memcpy`)."""
    from transformers import AutoModelForCausalLM

    folder = resolve_model(EMBEDDED)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    dtype = getattr(torch, compute_dtype())
    ray.init(include_dashboard=False, num_cpus=2)
    settings = EngineSettings(folder, 256, 0, 16, 1, 2, 1 << 28, 0.8, {})
    generator = ray.remote(GeneratorActor).options(max_concurrency=10).remote("vllm", settings)
    ray.get(generator.start.remote(), timeout=300)

    times: dict[str, list[float]] = {}
    size = 0
    held: list[ObjectRef] = []
    for version in range(1, repeats + 2):
        started = time.perf_counter()
        tensors = ((name, one.detach().to(dtype)) for name, one in model.named_parameters())
        packets = timed(times, "pack", lambda tensors=tensors: list(pack(tensors)))
        held = timed(times, "put", lambda packets=packets: [ray.put(packet) for packet in packets])
        load = generator.load_weights.remote(version, held)
        timed(times, "load", lambda load=load: ray.get(load, timeout=300))
        times.setdefault("sync", []).append(time.perf_counter() - started)
        size = sum(part.size for packet in packets for part in packet.parts)
        source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
        timed(times, "memcpy", lambda target=target, source=source: np.copyto(target, source))
    ray.get(generator.close.remote(), timeout=60)
    ray.shutdown()
    return size, {name: statistics.median(values[1:]) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    size, medians = measure(repeats)
    floor = medians["memcpy"]
    print(f"{size / 1e6:.0f} MB in {compute_dtype()}, median of {repeats}; one copy of as much: {floor:.3f} s")
    for name, median in medians.items():
        print(f"  {name:8} {median:.3f} s  {median / floor:6.1f} x the copy")


if __name__ == "__main__":
    main()

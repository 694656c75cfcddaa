"""The learner alone (no Ray, no vLLM) on random-initialised models, bfloat16: tokens/s, MFU, peak memory.

    python -m tests.benchmarks.learner_gpu [--shapes 1b 8b] [--presets none qk_only lora qlora] [--tokens 16384]

`lora` and `qlora` train an adapter on every linear module. MFU is the model's own work (`flops.floor`: forward and the
backward that is needed, no recomputation) over time, against the bfloat16 matmul ceiling measured in the same run.
`--device cpu --shapes tiny` runs the same on a model of a few thousand parameters.
"""

import argparse
import datetime
import platform
import random
import tempfile
import time

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from rayrl.config import LearnerSettings, ModelSettings, ObjectiveSettings
from rayrl.learner.batch import Segment, Tree, make_batch
from rayrl.learner.learner import Learner
from rayrl.learner.objectives import grpo_objective
from tests.benchmarks.flops import matmul_ceiling
from tests.benchmarks.subjects import Subject, settings_of

# Llama 3.2 1B (untied) and Llama 3.1 8B: vocabulary, hidden, inner, layers, heads, key heads.
SHAPES = {
    "tiny": (128, 64, 128, 2, 4, 2),
    "1b": (128256, 2048, 8192, 16, 32, 8),
    "8b": (128256, 4096, 14336, 32, 32, 8),
}


def make_folder(shape: str, device: torch.device, folder: str) -> None:
    vocabulary, hidden, inner, layers, heads, key_heads = SHAPES[shape]
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        max_position_embeddings=32768,
        dtype=torch.bfloat16,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)


def groups(tokens: int, vocabulary: int) -> list[Tree]:
    """GRPO groups of a prompt of 512 tokens and 8 completions of 448, 4,096 in all; smaller where `tokens` is."""
    generator = random.Random(0)
    group = min(tokens, 4096)
    prompt, completion = group // 8, (group - group // 8) // 8

    def draw(count: int) -> list[int]:
        return [generator.randrange(vocabulary) for _ in range(count)]

    def tree() -> Tree:
        root = Segment(draw(prompt), [False] * prompt)
        lists = [[-11.0] * completion for _ in range(8)]
        return Tree([root, *(Segment(draw(completion), [True] * completion, 0, 1.0, values) for values in lists)])

    return [tree() for _ in range(max(1, tokens // group))]


def measure(
    folder: str, name: str, tokens: int, device: torch.device, checkpointing: bool, rounds: int, attention: str
) -> str:
    """One row of the table."""
    settings = LearnerSettings(
        gpus_per_worker=device.type == "cuda", microbatch_tokens=tokens, activation_checkpointing=checkpointing
    )
    model = ModelSettings(path=folder, attention=attention)  # type: ignore[arg-type]
    subject = Subject.read(name, model)
    freeze, adapter = settings_of(name)
    learner = Learner(model, settings, freeze, 1.0, 100, 0, device, adapter_settings=adapter)
    trees = groups(tokens, subject.config.vocab_size)
    objective = grpo_objective(ObjectiveSettings(), 1024)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    for _ in range(rounds + 1):  # the first compiles
        started = time.monotonic()
        learner.update(trees, objective)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.monotonic() - started)
    seconds = min(times[1:])
    batch = make_batch(trees, range(len(trees)))
    count = len(batch.token_ids)
    memory = f"{learner.peak_bytes() / 1e9:.1f} | {subject.estimate(settings, count) / 1e9:.1f}"
    mfu = subject.floor(batch).total / seconds / matmul_ceiling(device, 8192 if device.type == "cuda" else 512)
    return f"{count} | {count / seconds:.0f} | {100 * mfu:.0f} % | {memory}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["1b", "8b"], choices=list(SHAPES))
    parser.add_argument("--presets", nargs="+", default=["none", "qk_only", "lora", "qlora"])
    parser.add_argument("--tokens", type=int, default=16384)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--attention", default="auto", choices=["auto", "blocks", "varlen", "flex"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{name}, {datetime.date.today()}, torch {torch.__version__}\n")
    print(
        "| model | preset | tokens | tokens/s | MFU | peak GB | estimate GB |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    for shape in arguments.shapes:
        with tempfile.TemporaryDirectory() as folder:
            make_folder(shape, device, folder)
            for preset in arguments.presets:
                try:
                    row = measure(
                        folder,
                        preset,
                        arguments.tokens,
                        device,
                        arguments.checkpointing,
                        arguments.rounds,
                        arguments.attention,
                    )
                except torch.OutOfMemoryError:
                    row = f"{arguments.tokens} | out of memory | | | "
                print(f"| {shape} | {preset} | {row} |", flush=True)


if __name__ == "__main__":
    main()

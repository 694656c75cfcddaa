"""The learner alone (no Ray, no vLLM) on random-initialised models, bfloat16: tokens/s, MFU, peak memory.

    python -m tests.benchmarks.learner_gpu [--shapes 1b 8b] [--presets none qk_only lora qlora] [--tokens 16384]
        [--completions 0 8 28] [--loss grpo sft]

With 0 completions all tokens are one row, as peers publish it; else GRPO groups of so many completions on one prompt of
an eighth of a row. Tokens/s count each row whole, prompt included, as peers without shared prompts compute them.
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
from functools import cache
from itertools import product

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedConfig, Qwen3Config

from rayrl.config import LearnerSettings, ModelSettings, ObjectiveSettings
from rayrl.learner.batch import Segment, Tree, make_batch
from rayrl.learner.learner import Learner
from rayrl.learner.objectives import Objective, grpo_objective, sft_objective
from tests.benchmarks.flops import matmul_ceiling
from tests.benchmarks.subjects import Subject, settings_of

ROW = 4096  # tokens of a prompt and one completion, where completions share a prompt


def llama(vocabulary: int, hidden: int, inner: int, layers: int, heads: int, key_heads: int) -> PreTrainedConfig:
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        max_position_embeddings=131_072,
        dtype=torch.bfloat16,
    )


def qwen3(hidden: int, inner: int, layers: int, heads: int) -> PreTrainedConfig:
    return Qwen3Config(
        vocab_size=151_936,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
        max_position_embeddings=131_072,
        dtype=torch.bfloat16,
    )


# Llama 3.2 1B (untied) and 3.1 8B; Qwen3-0.6B and 4B.
SHAPES = {
    "tiny": llama(128, 64, 128, 2, 4, 2),
    "1b": llama(128_256, 2048, 8192, 16, 32, 8),
    "8b": llama(128_256, 4096, 14_336, 32, 32, 8),
    "qwen3-0.6b": qwen3(1024, 3072, 28, 16),
    "qwen3-4b": qwen3(2560, 9728, 36, 32),
}


def make_folder(shape: str, device: torch.device, folder: str) -> None:
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(SHAPES[shape], dtype=torch.bfloat16)
    model.save_pretrained(folder)


def make_groups(tokens: int, completions: int, vocabulary: int) -> list[Tree]:
    """About `tokens` packed tokens: one row, or groups of so many completions on one prompt."""
    generator = random.Random(0)

    def segment(count: int, parent: int) -> Segment:
        ids = [generator.randrange(vocabulary) for _ in range(count)]
        return Segment(ids, [parent >= 0] * count, parent, 1.0, [-11.0] * count)

    if not completions:
        return [Tree([segment(1, -1), segment(tokens - 1, 0)])]
    row = min(ROW, tokens // completions)
    prompt = row // 8
    size = prompt + completions * (row - prompt)
    tree = [prompt, *[row - prompt] * completions]
    return [
        Tree([segment(count, min(at, 1) - 1) for at, count in enumerate(tree)]) for _ in range(max(1, tokens // size))
    ]


def objective_of(loss: str) -> Objective:
    return grpo_objective(ObjectiveSettings(), 1024) if loss == "grpo" else sft_objective()


def measure(
    folder: str,
    name: str,
    trees: list[Tree],
    device: torch.device,
    learner_settings: LearnerSettings,
    rounds: int,
    attention: str,
    loss: str = "grpo",
) -> str:
    """One row of the table: packed tokens, tokens/s of whole rows, MFU, peak GB, estimated GB, the first update's s."""
    model = ModelSettings(path=folder, attention=attention)  # type: ignore[arg-type]
    subject = Subject.read(name, model)
    freeze, adapter = settings_of(name)
    learner = Learner(model, learner_settings, freeze, 1.0, 100, 0, device, adapter_settings=adapter)
    objective = objective_of(loss)
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
    rows = sum(len(tree.segments[at].token_ids) for tree in trees for path in tree.rows() for at in path)
    memory = f"{learner.peak_bytes() / 1e9:.1f} | {subject.estimate(learner_settings, count) / 1e9:.1f}"
    mfu = subject.floor(batch).total / seconds / _ceiling(device)
    return f"{count} | {rows / seconds:.0f} | {100 * mfu:.0f} % | {memory} | {times[0]:.0f}"


@cache
def _ceiling(device: torch.device) -> float:
    return matmul_ceiling(device, 8192 if device.type == "cuda" else 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["1b", "8b"], choices=list(SHAPES))
    parser.add_argument("--presets", nargs="+", default=["none", "qk_only", "lora", "qlora"])
    parser.add_argument("--tokens", type=int, default=16384)
    parser.add_argument("--completions", type=int, nargs="+", default=[8])
    parser.add_argument("--loss", nargs="+", default=["grpo"], choices=["grpo", "sft"])
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--attention", default="auto", choices=["auto", "blocks", "varlen", "flash4", "flex"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{name}, {datetime.date.today()}, torch {torch.__version__}\n")
    print("| model | preset | loss | completions | tokens | tokens/s | MFU | peak GB | estimate GB | first s |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    learner = LearnerSettings(
        gpus_per_worker=device.type == "cuda",
        microbatch_tokens=arguments.tokens,
        activation_checkpointing=arguments.checkpointing,
        compile=arguments.compile,
    )
    for shape in arguments.shapes:
        with tempfile.TemporaryDirectory() as folder:
            make_folder(shape, device, folder)
            for preset, loss, count in product(arguments.presets, arguments.loss, arguments.completions):
                trees = make_groups(arguments.tokens, count, SHAPES[shape].vocab_size)
                try:
                    row = measure(folder, preset, trees, device, learner, arguments.rounds, arguments.attention, loss)
                except torch.OutOfMemoryError:
                    row = f"{arguments.tokens} | out of memory | | | | "
                print(f"| {shape} | {preset} | {loss} | {count} | {row} |", flush=True)


if __name__ == "__main__":
    main()

"""Each kernel of attention over a forest: its error against plain float32 rows, and its time.

    python -m tests.benchmarks.attention_gpu [--models full window cap] [--kernels blocks varlen flash4 flex]
        [--device cuda] [--tokens 16384]

The error is that of all gradients of a small model (bfloat16) on groups of uneven completions, over the norm of those
of the same model in float32 on plain rows, without our attention. `blocks`, plain matmuls, says what bfloat16 costs.
`full` is a Qwen3, `window` one with a sliding window of 128 in each layer, `cap` a Gemma 2 (soft cap, windows).
"""

import argparse
import random
import tempfile
import time

import torch
from transformers import AutoModelForCausalLM, Gemma2Config, PreTrainedConfig, Qwen3Config

from rayrl.config import ModelSettings
from rayrl.learner.batch import Segment, Tree, make_batch
from rayrl.learner.model import PolicyModule, load_model

SIZES = {
    "vocab_size": 4096,
    "hidden_size": 1024,
    "intermediate_size": 2048,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "dtype": torch.bfloat16,
}
MODELS: dict[str, PreTrainedConfig] = {
    "full": Qwen3Config(**SIZES),
    "window": Qwen3Config(**SIZES, use_sliding_window=True, sliding_window=128, max_window_layers=0),
    "cap": Gemma2Config(**SIZES, sliding_window=128, attn_logit_softcapping=5.0, query_pre_attn_scalar=128),
}


def make_folder(folder: str, config: PreTrainedConfig) -> None:
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)


def make_trees(tokens: int, seed: int = 0) -> list[Tree]:
    """Prompts of 300 tokens and completions of 1 to 400, at least `tokens` in all."""
    draw = random.Random(seed)

    def segment(count: int, parent: int) -> Segment:
        return Segment([draw.randrange(4096) for _ in range(count)], [parent >= 0] * count, parent)

    trees: list[Tree] = []
    while sum(tree.tokens for tree in trees) < tokens:
        trees.append(Tree([segment(300, -1), *(segment(draw.randint(1, 400), 0) for _ in range(8))]))
    return trees


def reference(folder: str, trees: list[Tree], device: torch.device) -> dict[str, torch.Tensor]:
    """Gradients of the summed log-probabilities, row by row, in float32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").to(device)
    for tree in trees:
        prompt = tree.segments[0].token_ids
        for segment in tree.segments[1:]:
            ids = torch.tensor([prompt + segment.token_ids], device=device)
            logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
            (-torch.nn.functional.cross_entropy(logits, ids[0, len(prompt) :], reduction="sum")).backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def measure(folder: str, kernel: str, expected: dict[str, torch.Tensor], tokens: int, device: torch.device) -> str:
    """Largest and total error, and the seconds of a forward and backward at `tokens` tokens."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    settings = ModelSettings(path=folder, attention=kernel, compute_dtype=str(dtype)[6:])  # type: ignore[arg-type]
    policy = PolicyModule(load_model(folder, dtype).to(device), settings)

    def step(trees: list[Tree]) -> float:
        policy.zero_grad()
        started = time.monotonic()
        policy(make_batch(trees, range(len(trees))).to(device), 1.0).logprobs.sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.monotonic() - started

    step(make_trees(4000))
    found = {name: value.grad.float() for name, value in policy.model.named_parameters() if value.grad is not None}
    errors = {name: ((found[name] - value).norm() / value.norm()).item() for name, value in expected.items()}
    large = make_trees(tokens, 1)
    seconds = min(step(large) for _ in range(3))
    return f"{max(errors.values()):.2e} | {sum(errors.values()) / len(errors):.2e} | {1000 * seconds:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--kernels", nargs="+", default=["blocks", "varlen", "flash4", "flex"])
    parser.add_argument("--tokens", type=int, default=16384)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    print("| model | kernel | largest error of a tensor | mean | ms a step |\n|---|---|---|---|---|", flush=True)
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            make_folder(folder, MODELS[name])
            expected = reference(folder, make_trees(4000), device)
            for kernel in arguments.kernels:
                if (name, kernel) != ("cap", "varlen"):  # torch's FlashAttention has no cap of scores
                    row = measure(folder, kernel, expected, arguments.tokens, device)
                    print(f"| {name} | {kernel} | {row} |", flush=True)


if __name__ == "__main__":
    main()

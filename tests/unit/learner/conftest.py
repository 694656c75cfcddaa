import random
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GptOssConfig,
    Lfm2Config,
    LlamaConfig,
    Olmo2Config,
    PhiConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from rayrl.config import FreezeSettings, LearnerSettings, LoRASettings, ModelSettings
from rayrl.learner.adapter import parameters
from rayrl.learner.batch import Segment, Tree
from rayrl.learner.learner import Learner
from rayrl.learner.model_files import gather

VOCABULARY = 61
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
WHOLE_BLOCKS = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}  # rows that nf4 takes
SLIDING = {"sliding_window": 6, "layer_types": ["sliding_attention"] * 3 + ["full_attention"]}
KINDS: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**SIZES, tie_word_embeddings=False),
    "llama_tied": lambda: LlamaConfig(**SIZES, tie_word_embeddings=True),
    "llama_64": lambda: LlamaConfig(**SIZES | WHOLE_BLOCKS, tie_word_embeddings=False),
    "gemma3_64": lambda: Gemma3TextConfig(**SIZES | WHOLE_BLOCKS, sliding_window=6, query_pre_attn_scalar=16),
    "qwen2": lambda: Qwen2Config(**SIZES),
    "qwen3": lambda: Qwen3Config(**SIZES),
    "olmo2": lambda: Olmo2Config(**SIZES),
    "gemma": lambda: GemmaConfig(**SIZES),
    # Caps of scores and of final logits, both low enough to matter; sliding windows.
    "gemma2": lambda: Gemma2Config(
        **SIZES, **SLIDING, query_pre_attn_scalar=8, attn_logit_softcapping=3.0, final_logit_softcapping=5.0
    ),
    # Sliding windows, and another RoPE base in the layers that have none.
    "gemma3": lambda: Gemma3TextConfig(**SIZES, **SLIDING, query_pre_attn_scalar=8),
    # A bias in the head.
    "phi": lambda: PhiConfig(**SIZES),
}
# Models that cannot share a prompt: convolutions over the sequence; attention sinks.
PLAIN_KINDS: dict[str, Callable[[], PreTrainedConfig]] = {
    "lfm2": lambda: Lfm2Config(**SIZES, layer_types=["conv", "full_attention"] * 2),
    "gpt_oss": lambda: GptOssConfig(**SIZES, num_local_experts=3, num_experts_per_tok=2),
}


def make_folder(folder: Path, kind: str) -> str:
    torch.manual_seed(0)
    config = (KINDS | PLAIN_KINDS)[kind.removesuffix("_bfloat16")]()
    model = AutoModelForCausalLM.from_config(config)
    # Larger than the initialization's 0.02, so that attention and logits are far from uniform.
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    if kind.endswith("_bfloat16"):
        model.to(torch.bfloat16)
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Folder of a tiny random model of a kind."""
    made: dict[str, str] = {}

    def folder(kind: str) -> str:
        if kind not in made:
            made[kind] = make_folder(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return folder


def make_trees(count: int = 5, seed: int = 0) -> list[Tree]:
    """GRPO trees of uneven sizes, with generator log-probabilities near those of a random model."""
    generator = random.Random(seed)

    def tokens(most: int) -> list[int]:
        return [generator.randrange(VOCABULARY) for _ in range(generator.randint(1, most))]

    trees = []
    for _ in range(count):
        prompt = tokens(9)
        segments = [Segment(prompt, [False] * len(prompt))]
        for _ in range(generator.randint(1, 4)):
            ids = tokens(7)
            logprobs = [-generator.uniform(2, 6) for _ in ids]
            segments.append(Segment(ids, [True] * len(ids), 0, generator.uniform(-1, 1), logprobs))
        trees.append(Tree(segments))
    return trees


def make_learner(
    path: str,
    freeze: FreezeSettings | None = None,
    total: int = 4,
    compute_dtype: Literal["bfloat16", "float32"] = "float32",
    keep_reference: bool = False,
    adapter: LoRASettings | None = None,
    **settings: object,
) -> Learner:
    values = {"learning_rate": 1e-2, "microbatch_tokens": 64, "warmup_fraction": 0.0, "max_grad_norm": 1e6} | settings
    return Learner(
        ModelSettings(path=path, compute_dtype=compute_dtype),
        LearnerSettings.model_validate(values),
        freeze or FreezeSettings(),
        temperature=1.0,
        total_updates=total,
        seed=0,
        device=torch.device("cpu"),
        keep_reference=keep_reference,
        adapter_settings=adapter,
    )


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    """Every parameter, whole, as it is stored."""
    return {name: gather(value, value.dtype).clone() for name, value in parameters(learner.policy.model).items()}

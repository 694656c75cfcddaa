"""Everything that can be found wrong before an actor starts."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from rayrl.config import DatasetSettings, GRPOConfig
from rayrl.data.prompts import build_prompts
from rayrl.errors import DataError, ModelError
from rayrl.models import resolve_model
from rayrl.plugins import load
from rayrl.types import Prompt
from rayrl.verify.rewards import check_golds

GB = 1e9


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a run will use, all of it checked."""

    model: str
    """Folder or hub name of the model."""
    train: list[Prompt]
    held_out: list[Prompt]
    left_out: dict[str, list[str]]
    """Why -> ids of the rows that are left out."""
    freeze_rows: list[Any]
    """learner.freeze_table.Row"""
    parameters: int
    """Of the model, without an adapter."""
    adapter: dict[str, Any] | None
    """Contents of the adapter's adapter_config.json; None: the weights themselves train."""
    frozen_bytes: int
    """Of the learner's: what one rank holds of weights that never train."""
    learner_bytes: int
    """Of one learner rank, without activations."""
    generator_bytes: int
    """Of one generator."""


def check(config: GRPOConfig) -> Preflight:
    """Model, freeze rules, memory, datasets, golds, plugins: a RayrlError for whatever cannot work."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from rayrl.learner.adapter import adapter_config, linear_modules, parameters, prepare
    from rayrl.learner.estimate import estimate
    from rayrl.learner.freeze import layer_of
    from rayrl.learner.freeze_table import table
    from rayrl.learner.model import meta_model, tied_names

    model = resolve_model(config.model.path)
    structure = meta_model(model)
    own = sum(parameter.numel() for parameter in structure.parameters())
    linear = [f"{module}.weight" for module in linear_modules(structure)]
    tied = tied_names(structure)
    trainable = prepare(structure, config.freeze, config.adapter)
    sizes = {name: parameter.numel() for name, parameter in parameters(structure).items()}
    units = {name: layer_of(name) for name in sizes}
    memory = estimate(trainable, sizes, units, config.model, config.learner, config.adapter, linear)
    learner_bytes = memory.total
    generator_bytes = 2 * sum(sizes.values()) + int(config.generator.kv_cache_gb * GB)
    require_memory(config, learner_bytes, generator_bytes)

    for reward in config.rewards:
        if ":" in reward.function:
            load(reward.function, "rewards.function")
    if config.generator.engine != "vllm":
        load(config.generator.engine, "generator.engine")
    train, held_out, left_out = _prompts(config, model)
    return Preflight(
        model=model,
        train=train,
        held_out=held_out,
        left_out=left_out,
        freeze_rows=table(trainable, sizes, tied),
        parameters=own,
        adapter=adapter_config(structure, model) if config.adapter else None,
        frozen_bytes=memory.frozen,
        learner_bytes=learner_bytes,
        generator_bytes=generator_bytes,
    )


def require_memory(config: GRPOConfig, learner_bytes: int, generator_bytes: int) -> None:
    """Raises ModelError where this machine's memory cannot hold what runs on CPU here.

    On a cluster that is already there (RAY_ADDRESS) the machines are unknown: Ray and vLLM report for themselves.
    """
    if "RAY_ADDRESS" in os.environ:
        return
    needed = 0
    if not config.learner.gpus_per_worker:
        needed += config.learner.workers * learner_bytes
    if not config.generator.gpus:
        needed += config.generator.replicas * generator_bytes
    available = memory_available()
    if needed > available:
        raise ModelError(
            f"model.path: {config.model.path!r} needs about {needed / GB:.1f} GB on this machine (learner "
            f"{config.learner.workers} x {learner_bytes / GB:.1f}, generators {config.generator.replicas} x "
            f"{generator_bytes / GB:.1f}), {available / GB:.1f} GB are free; freeze more (freeze.preset), lower "
            "generator.kv_cache_gb, use more machines or a smaller model"
        )


def memory_available() -> int:
    """Free memory in bytes: the machine's, or what the container's limit leaves."""
    free = int(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
        free = min(free, int(limit) - int(used))
    return free


def _prompts(config: GRPOConfig, model: str) -> tuple[list[Prompt], list[Prompt], dict[str, list[str]]]:
    """Prompts to train on, held-out prompts, and what was left out of either."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    if tokenizer.chat_template is None:
        raise ModelError(
            f"model.path: the tokenizer of {config.model.path!r} has no chat template; use an instruct model, or put "
            "a chat_template.jinja into its folder"
        )

    def render(messages: list[dict[str, str]]) -> str:
        return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    left_out: dict[str, list[str]] = {}

    def usable(data: DatasetSettings, field: str) -> list[Prompt]:
        found = build_prompts(data, config.prompt, render, encode, field)
        left_out[f"{field}: longer than {config.prompt.max_tokens} tokens"] = found.too_long
        good, bad = _readable_golds(config, data, found.prompts, field)
        left_out[f"{field}: gold answer cannot be read"] = bad
        return good

    train = usable(config.train_data, "train_data")
    held_out = usable(config.eval_data, "eval_data") if config.eval_data else []
    texts = {prompt.text for prompt in held_out}
    left_out["train_data: held out too"] = [prompt.id for prompt in train if prompt.text in texts]
    train = [prompt for prompt in train if prompt.text not in texts]
    if not train:
        raise DataError("train_data: every problem is held out too (eval_data); give them different seeds or files")
    return train, held_out, {reason: ids for reason, ids in left_out.items() if ids}


def _readable_golds(
    config: GRPOConfig, data: DatasetSettings, prompts: list[Prompt], field: str
) -> tuple[list[Prompt], list[str]]:
    problems = check_golds([prompt.columns for prompt in prompts], config.rewards, "answer")
    if problems and (data.bad_golds == "error" or len(problems) == len(prompts)):
        listed = "\n".join(f"  {prompts[index].id}: {reason}" for index, reason in problems[:10])
        raise DataError(
            f"{field}: {len(problems)} of {len(prompts)} gold answers cannot be read:\n{listed}\n"
            f"mend them, set {field}.answer_column, or leave them out by {field}.bad_golds: skip"
        )
    bad = {index for index, _ in problems}
    return [p for at, p in enumerate(prompts) if at not in bad], [prompts[at].id for at in sorted(bad)]

"""Everything that can be found wrong before an actor starts."""

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rayrl.actors.chat_prompts import ChatPrompts
from rayrl.config import (
    DatasetSettings,
    GRPOConfig,
    PromptSettings,
    RewardSettings,
    SFTConfig,
    TrainingConfig,
    VerifierSettings,
)
from rayrl.data.chat import Encode, Render
from rayrl.data.chat_template import ChatTemplate
from rayrl.data.example_tokenizer import ExampleTokenizer
from rayrl.data.examples import ExampleFile, write_examples
from rayrl.data.prompts import Select, build_prompts
from rayrl.divergence.text_set import build_texts
from rayrl.errors import ConfigError, DataError, ModelError, listed
from rayrl.folders import require_writable
from rayrl.models import load_tokenizer, resolve_model
from rayrl.plugins import load
from rayrl.train.disk import require_disk
from rayrl.train.interrupt import terminated_as_interrupt
from rayrl.train.memory import GB, RunMemory, largest_microbatch, mapped_bytes, require_memory, run_memory
from rayrl.train.run_directory import EXAMPLES, draft_folder, require_run_directory, run_folder
from rayrl.types import Example, Prompt
from rayrl.verify.finance.own_judge import own_judges
from rayrl.verify.golds import check_golds


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a run will use, all of it checked."""

    model: str
    """Folder or hub name of the model."""
    train: list[Prompt]
    """Prompts to sample from; empty in SFT."""
    evaluated: dict[str, list[Prompt]]
    """Each set that is evaluated, by name."""
    examples: ExampleFile | None
    """What SFT learns, in a draft file."""
    texts: dict[str, list[Example]]
    """Sets whose divergence from the base is measured."""
    steps: int
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
    """Of one learner rank, with activations, and on CPU with what it maps of the object store."""
    activation_bytes: int
    """Of these: what the largest micro-batch that can come holds for its backward, and the holes between."""
    generator_bytes: int
    """Of one generator."""
    memory: RunMemory
    """Of the whole run, where all of it is on this machine."""
    kept_bytes: int
    """Of what the run leaves on disk: `checkpoint.keep` full checkpoints and the exported model."""

    def record(self) -> dict[str, Any]:
        """What plan.json of the run holds: what trains, and the memory that was expected, in bytes."""
        return {
            "model": self.model,
            "parameters": self.parameters,
            "freeze": [asdict(row) for row in self.freeze_rows],
            "learner_bytes": self.learner_bytes,
            "generator_bytes": self.generator_bytes,
            "run_bytes": self.memory.total,
        }


@contextmanager
def check(config: TrainingConfig) -> Iterator[Preflight]:
    """Folder, model, freeze rules, memory, disk, plugins, datasets, golds: a RayrlError for whatever cannot work.

    Data come last, because SFT's may take long. What they are tokenised into is a draft that is gone after the `with`,
    unless it was moved.
    """
    with terminated_as_interrupt(), ExitStack() as drafts:
        yield _check(config, drafts)


def _check(config: TrainingConfig, drafts: ExitStack) -> Preflight:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from rayrl.learner.adapter import adapter_config, linear_modules, parameters, prepare
    from rayrl.learner.estimate import activations, estimate, holes
    from rayrl.learner.freeze import layer_of
    from rayrl.learner.freeze_table import table
    from rayrl.learner.model import meta_model, tied_names

    require_writable(run_folder(config), "run.dir")
    require_run_directory(config)
    model = resolve_model(config.model.path)
    structure = meta_model(model)
    own = sum(parameter.numel() for parameter in structure.parameters())
    linear = [f"{module}.weight" for module in linear_modules(structure)]
    tied = tied_names(structure)
    trainable = prepare(structure, config.freeze, config.adapter)
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters(structure).items()}
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    units = {name: layer_of(name) for name in shapes}
    stored = getattr(structure.config.dtype, "itemsize", 4)
    reference = config.keeps_reference
    memory = estimate(trainable, shapes, units, config.model, config.learner, stored, reference, config.adapter, linear)
    width = 2 if config.model.compute_dtype == "bfloat16" else 4
    generator_bytes = width * sum(sizes.values()) + int(config.generator.kv_cache_gb * GB)
    sent_bytes = width * sum(size for name, size in sizes.items() if trainable[name])
    require_memory(config, run_memory(config, memory.total, generator_bytes, sent_bytes))
    require_context(config, getattr(structure.config, "max_position_embeddings", None))
    require_judge(config, model)

    if config.drift and Path(model).is_dir():
        _require_drift(model)
    for reward in config.all_rewards:
        if ":" in reward.function:
            load(reward.function, "rewards.function")
    if config.generator.engine != "vllm":
        load(config.generator.engine, "generator.engine")
    trains = bool(config.steps or (isinstance(config, SFTConfig) and config.epochs))
    state_bytes = 12 * sum(size for name, size in sizes.items() if trainable[name]) if trains else 0
    kept_bytes = config.checkpoint.keep * state_bytes + (2 * own if trains else 0)
    require_disk(run_folder(config), kept_bytes + state_bytes)  # a new checkpoint is whole before the oldest goes
    data = _data(config, model, drafts)
    tokens = largest_microbatch(config, data.train, data.examples)
    about = (trainable, shapes, units, config.model, config.learner, tokens)
    packed = linear if config.adapter and config.adapter.quantize else []
    activation_bytes = (activations(*about) + holes(*about, packed)) if trains else 0
    held_bytes = memory.total + activation_bytes
    needed = run_memory(config, held_bytes, generator_bytes, sent_bytes)
    require_memory(config, needed)
    return Preflight(
        model=model,
        train=data.train,
        evaluated=data.evaluated,
        examples=data.examples,
        texts=data.texts,
        steps=data.steps,
        left_out={reason: ids for reason, ids in data.left_out.items() if ids},
        freeze_rows=table(trainable, sizes, tied),
        parameters=own,
        adapter=adapter_config(structure, model) if config.adapter else None,
        frozen_bytes=memory.frozen,
        learner_bytes=held_bytes + mapped_bytes(config, sent_bytes),
        activation_bytes=activation_bytes,
        generator_bytes=generator_bytes,
        memory=needed,
        kept_bytes=kept_bytes,
    )


def _require_drift(model: str) -> None:
    from rayrl.drift.model_paths import open_base

    try:
        open_base(model)
    except ModelError as error:
        raise ModelError(f"drift: {error}; or switch it off (drift: false)") from error


def require_context(config: TrainingConfig, positions: int | None) -> None:
    """Raises ConfigError where a prompt and its completion, or an example, can be longer than the model's context."""
    longest = {
        "prompt.max_tokens and the longest completion": config.longest_sample,
        "judge.prompt_tokens and judge.max_tokens": longest_verdict(config),
    }
    if isinstance(config, SFTConfig):
        longest["target.max_tokens"] = config.target.max_tokens
    for name, tokens in longest.items():
        if positions is not None and tokens > positions:
            raise ConfigError(
                f"{name}: {tokens} tokens are more than the {positions} positions of {config.model.path!r}; lower them"
            )


def longest_verdict(config: TrainingConfig) -> int:
    """Longest prompt with its reply that the run's own generators are asked for as judges, in tokens."""
    return max((judge.prompt_tokens + judge.max_tokens for judge in own_judges(config.all_rewards)), default=0)


def require_judge(config: TrainingConfig, model: str) -> None:
    """Raises ConfigError or ModelError where the run's own generators are to judge and cannot."""
    judges = own_judges(config.all_rewards)
    if judges:
        ChatPrompts(model, config.model.chat_template, judges[0].prompt_tokens)  # has a chat template
    for judge in judges:
        if config.verifier.deadline_s <= judge.deadline_s:
            raise ConfigError(
                f"verifier.deadline_s: {config.verifier.deadline_s:g} leaves the judge no time; set it above "
                f"judge.deadline_s ({judge.deadline_s:g})"
            )


@dataclass(slots=True)
class _Data:
    train: list[Prompt] = field(default_factory=list)
    evaluated: dict[str, list[Prompt]] = field(default_factory=dict)
    examples: ExampleFile | None = None
    texts: dict[str, list[Example]] = field(default_factory=dict)
    steps: int = 0
    left_out: dict[str, list[str]] = field(default_factory=dict)


def _data(config: TrainingConfig, model: str, drafts: ExitStack) -> _Data:
    """What to train on, what to evaluate on, and what was left out of either."""
    tokenizer = load_tokenizer(model, config.model.chat_template)
    if tokenizer.chat_template is None:
        raise ModelError(
            f"model.path: the tokenizer of {config.model.path!r} has no chat template; use an instruct model, or name "
            "a Jinja file (model.chat_template: configs/finance/plain_chat.jinja)"
        )

    render = ChatTemplate(tokenizer, config.model.chat_template)

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    data = _Data(steps=config.steps)

    def usable(
        dataset: DatasetSettings,
        prompt: PromptSettings,
        rewards: list[RewardSettings],
        name: str,
        select: Select | None = None,
    ) -> list[Prompt]:
        found = build_prompts(dataset, prompt, render, encode, name, select)
        data.left_out |= found.left_out
        good, bad = _readable_golds(rewards, config.verifier, dataset, found.prompts, name)
        data.left_out[f"{name}: gold answer cannot be read"] = bad
        return good

    for one in config.evaluation_sets:
        data.evaluated[one.name] = usable(one.data, one.prompt, one.rewards, one.field)
    for name, settings in config.divergence.items():
        found = build_texts(settings, config.prompt, tokenizer, f"divergence.{name}")
        data.texts[name] = found.texts
        data.left_out |= {f"divergence.{name}: {reason}": names for reason, names in found.left_out.items()}
    texts = {prompt.text for prompts in data.evaluated.values() for prompt in prompts}
    if isinstance(config, SFTConfig):
        data.examples = _examples(config, render, encode, tokenizer.eos_token, texts, drafts)
        data.left_out |= data.examples.left_out
        data.steps = config.steps or math.ceil(config.epochs * len(data.examples) / config.examples_per_step)
        return data
    select = None
    if isinstance(config, GRPOConfig) and config.target:
        arguments = (config.train_data, config.prompt, config.target, render, encode, tokenizer.eos_token)
        select = ExampleTokenizer(*arguments).selected
    data.train = usable(config.train_data, config.prompt, config.rewards, "train_data", select)
    data.left_out["train_data: held out too"] = [prompt.id for prompt in data.train if prompt.text in texts]
    data.train = [prompt for prompt in data.train if prompt.text not in texts]
    if not data.train:
        raise DataError(
            "train_data: every problem is evaluated too (eval_data, benchmarks); give them different seeds or files"
        )
    return data


def _examples(
    config: SFTConfig, render: Render, encode: Encode, eos: str, held_out: set[str], drafts: ExitStack
) -> ExampleFile:
    """The examples of a run that goes on; else made anew, in a draft until the run's folder is opened."""
    made = run_folder(config) / EXAMPLES
    if config.run.resume and made.exists():
        return ExampleFile(made)
    return write_examples(config, render, encode, eos, held_out, drafts.enter_context(draft_folder(config)) / EXAMPLES)


def _readable_golds(
    rewards: list[RewardSettings], verifier: VerifierSettings, data: DatasetSettings, prompts: list[Prompt], field: str
) -> tuple[list[Prompt], list[str]]:
    problems = check_golds([prompt.columns for prompt in prompts], rewards, "answer", verifier)
    if problems and (data.bad_golds == "error" or len(problems) == len(prompts)):
        named = listed([f"{prompts[index].id}: {reason}" for index, reason in problems])
        raise DataError(
            f"{field}: {len(problems)} of {len(prompts)} gold answers cannot be read:\n{named}\n"
            f"mend them, set {field}.answer_column, or leave them out by {field}.bad_golds: skip"
        )
    bad = {index for index, _ in problems}
    return [p for at, p in enumerate(prompts) if at not in bad], [prompts[at].id for at in sorted(bad)]

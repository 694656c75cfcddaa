"""A run's rows as what it works on: prompts, texts and examples, with what is left out of each and why."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from rayrl.config import (
    DatasetSettings,
    EvaluationConfig,
    EvaluationSet,
    GRPOConfig,
    PromptSettings,
    RewardSettings,
    SFTConfig,
    TrainingConfig,
)
from rayrl.data.chat_template import ChatTemplate
from rayrl.data.example_tokenizer import ExampleTokenizer
from rayrl.data.examples import ExampleFile, write_examples
from rayrl.data.prompts import Select, build_prompts, equal_prompts
from rayrl.data.row import in_brackets
from rayrl.divergence.text_set import build_texts
from rayrl.errors import DataError, ModelError, listed
from rayrl.evaluate.choices import likelihood_prompt
from rayrl.models import load_tokenizer
from rayrl.train.first_row import FirstRow, first_example, first_prompt
from rayrl.train.folder_kind import RUN
from rayrl.train.run_directory import EXAMPLES, draft_folder
from rayrl.types import Example, Prompt
from rayrl.verify.golds import check_golds


@dataclass(frozen=True, slots=True)
class Datasets:
    """What a run trains on and measures."""

    train: list[Prompt]
    """Prompts to sample from; empty in SFT."""
    examples: ExampleFile | None
    """What SFT learns, in a draft file; None in GRPO."""
    evaluated: dict[str, list[Prompt]]
    """Each set that is evaluated, by name."""
    texts: dict[str, list[Example]]
    """Sets whose divergence from the base is measured."""
    steps: int
    left_out: dict[str, list[str]]
    """Why -> ids of the rows that are left out."""
    notes: list[str] = field(default_factory=list)
    """What a user should know of the rows, beside what is left out."""
    first: FirstRow | None = None
    """The first of what it trains on."""


def read_datasets(config: TrainingConfig, model: str, drafts: ExitStack) -> Datasets:
    """All rows of a run, tokenized. Examples go to a draft folder that `drafts` removes.

    Raises:
        ModelError: The tokenizer has no chat template.
        DataError, ConfigError: Rows that cannot be used.
    """
    reader = _Reader(config, model)
    evaluated = reader.evaluated()
    texts = {name: reader.texts(name, config) for name in config.divergence}
    held_out = {prompt.text for prompts in evaluated.values() for prompt in prompts}
    train: list[Prompt] = []
    examples, steps = None, config.steps
    if isinstance(config, SFTConfig):
        examples = reader.examples(config, held_out, drafts)
        first = first_example(examples[0], reader.tokenizer)
        reader.notes += examples.notes
        steps = steps or math.ceil(config.epochs * len(examples) / config.examples_per_step)
    else:
        train = reader.training_prompts(config, held_out)
        first = first_prompt(train[0], reader.tokenizer)
    return Datasets(train, examples, evaluated, texts, steps, reader.reasons, reader.notes, first)


@dataclass(frozen=True, slots=True)
class EvaluatedSets:
    """What a model is evaluated on; `left_out` and `notes` as in `Datasets`."""

    prompts: dict[str, list[Prompt]]
    left_out: dict[str, list[str]]
    notes: list[str]


def read_evaluated(config: EvaluationConfig, tokenizer: str) -> EvaluatedSets:
    """The sets alone, tokenized; `tokenizer`: its folder or hub name. Raises as `read_datasets`."""
    if not config.evaluation_sets:  # tasks of lm-evaluation-harness need no chat template
        return EvaluatedSets({}, {}, [])
    reader = _Reader(config, tokenizer)
    return EvaluatedSets(reader.evaluated(), reader.reasons, reader.notes)


class _Reader:
    """Reads with the model's tokenizer and chat template, and notes what is left out."""

    def __init__(self, config: EvaluationConfig, model: str) -> None:
        tokenizer = load_tokenizer(model, config.model.chat_template)
        if tokenizer.chat_template is None:
            raise ModelError(
                f"model.path: the tokenizer of {config.model.path!r} has no chat template; use an instruct model, or "
                "name a Jinja file (model.chat_template: configs/finance/plain_chat.jinja)"
            )
        self.config = config
        self.tokenizer: Any = tokenizer
        self.render = ChatTemplate(tokenizer, config.model.chat_template)
        self.encode: Callable[[str], list[int]] = lambda text: list(tokenizer.encode(text, add_special_tokens=False))
        self.left_out: dict[str, list[str]] = {}
        self.notes: list[str] = []

    @property
    def reasons(self) -> dict[str, list[str]]:
        """Why -> ids of the rows that are left out, where there are any."""
        return {why: ids for why, ids in self.left_out.items() if ids}

    def evaluated(self) -> dict[str, list[Prompt]]:
        """Each set that is evaluated, by name."""
        return {one.name: self._evaluated(one) for one in self.config.evaluation_sets}

    def _evaluated(self, one: EvaluationSet) -> list[Prompt]:
        """With the choices of each problem where their likelihoods decide."""
        found = self.prompts(one.data, one.prompt, one.rewards, one.field)
        if one.method == "generate":
            return found
        kept: list[Prompt] = []
        bad: dict[str, str] = {}
        for prompt in found:
            try:
                kept.append(likelihood_prompt(prompt, one.method, self.encode, one.max_tokens))
            except ValueError as error:
                bad[prompt.id] = str(error)
        if bad and (one.data.bad_golds == "error" or not kept):
            named = listed([f"{name}: {reason}" for name, reason in bad.items()])
            raise DataError(
                f"{one.field}: {len(bad)} of {len(found)} rows cannot be answered by {one.method}:\n{named}\n"
                f"mend them, set method: generate, or leave them out by {one.field}.bad_golds: skip"
            )
        self.left_out[f"{one.field}: no choices for {one.method}"] = list(bad)
        return kept

    def prompts(
        self,
        data: DatasetSettings,
        prompt: PromptSettings,
        rewards: list[RewardSettings],
        field: str,
        select: Select | None = None,
    ) -> list[Prompt]:
        """The prompts of a set whose golds can be read."""
        found = build_prompts(data, prompt, self.render, self.encode, field, select)
        self.left_out |= found.left_out
        answers = {str(one.columns["answer"]) for one in found.prompts}
        equal = len({one.text for one in found.prompts}) == 1 < len(answers)
        self.notes += equal_prompts(field, len(found.prompts), equal)
        problems = check_golds([one.columns for one in found.prompts], rewards, "answer", self.config.verifier)
        if problems and (data.bad_golds == "error" or len(problems) == len(found.prompts)):
            named = listed(
                [f"{found.prompts[at].id}: {reason}{in_brackets(found.places[at])}" for at, reason in problems]
            )
            raise DataError(
                f"{field}: {len(problems)} of {len(found.prompts)} gold answers cannot be read:\n{named}\n"
                f"mend them, set {field}.answer_column, or leave them out by {field}.bad_golds: skip"
            )
        bad = {index for index, _ in problems}
        self.left_out[f"{field}: gold answer cannot be read"] = [found.prompts[at].id for at in sorted(bad)]
        return [one for at, one in enumerate(found.prompts) if at not in bad]

    def texts(self, name: str, config: TrainingConfig) -> list[Example]:
        """A set whose divergence from the base is measured."""
        field = f"divergence.{name}"
        found = build_texts(config.divergence[name], config.prompt, self.tokenizer, field)
        self.left_out |= {f"{field}: {reason}": names for reason, names in found.left_out.items()}
        return found.texts

    def training_prompts(self, config: TrainingConfig, held_out: set[str]) -> list[Prompt]:
        """What GRPO samples from, without what is evaluated too."""
        select = None
        if isinstance(config, GRPOConfig) and config.target:
            rows = (config.train_data, config.prompt, config.target)
            select = ExampleTokenizer(*rows, self.render, self.encode, self.tokenizer.eos_token).selected
        found = self.prompts(config.train_data, config.prompt, config.rewards, "train_data", select)
        self.left_out["train_data: held out too"] = [prompt.id for prompt in found if prompt.text in held_out]
        found = [prompt for prompt in found if prompt.text not in held_out]
        if not found:
            raise DataError(
                "train_data: every problem is evaluated too (eval_data, benchmarks); give them different seeds or files"
                + "".join(f"\n{note}" for note in self.notes)
            )
        return found

    def examples(self, config: SFTConfig, held_out: set[str], drafts: ExitStack) -> ExampleFile:
        """What SFT learns: those of the run that is resumed; else made again, in a draft."""
        made = RUN.path(config.run) / EXAMPLES
        if config.run.resume and made.exists():
            found = ExampleFile(made)
        else:
            draft = drafts.enter_context(draft_folder(config)) / EXAMPLES
            found = write_examples(config, self.render, self.encode, self.tokenizer.eos_token, held_out, draft)
        self.left_out |= found.left_out
        return found

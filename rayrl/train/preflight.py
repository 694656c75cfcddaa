"""Everything that can be found wrong before an actor starts: a list of checks, each with one job.

A new check is a function below and its name in CHECKS.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rayrl.actors.chat_prompts import ChatPrompts
from rayrl.config import EvaluationConfig, SFTConfig, TrainingConfig
from rayrl.drift.model_paths import open_base
from rayrl.errors import ConfigError, ModelError
from rayrl.learner.compilation import require_compiler
from rayrl.plugins import load
from rayrl.train.cluster import takes_turns
from rayrl.train.disk import require_disk
from rayrl.train.folder_kind import RUN
from rayrl.train.interrupt import terminated_as_interrupt
from rayrl.train.memory import require_memory
from rayrl.train.plan import ModelPlan, RunPlan
from rayrl.verify.finance.own_judge import own_judges
from rayrl.verify.rewards import function_paths

Check = Callable[[RunPlan], None]
"""Raises a RayrlError, which names field, value and fix, where the run cannot work."""


def check_folder(plan: RunPlan) -> None:
    """The run's folder can be written, and holds no other run."""
    RUN.require(plan.config.run)


def check_model(plan: RunPlan) -> None:
    """There is a model that the freeze rules and the adapter fit."""
    _ = plan.structure


def check_weights(plan: RunPlan) -> None:
    """There is memory for it, whatever the data are."""
    require_memory(plan.config, plan.memory_without_batch)


def check_context(plan: ModelPlan) -> None:
    """No prompt with its completion, and no example, can be longer than the model's context."""
    config, positions = plan.config, plan.structure.positions
    longest = {
        "lm_eval.max_length and one token more": max(
            (one.max_length + 1 for one in config.harness_tasks.values()), default=0
        ),
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


def check_judge(plan: ModelPlan) -> None:
    """The run's own generators can judge, where they are to."""
    judges = own_judges(plan.config.all_rewards)
    if judges:
        ChatPrompts(plan.model, plan.config.model.chat_template, judges[0].prompt_tokens)  # has a chat template
    for judge in judges:
        if plan.config.verifier.deadline_s <= judge.deadline_s:
            raise ConfigError(
                f"verifier.deadline_s: {plan.config.verifier.deadline_s:g} leaves the judge no time; set it above "
                f"judge.deadline_s ({judge.deadline_s:g})"
            )


def check_drift(plan: RunPlan) -> None:
    """The base's weights can be compared with."""
    if plan.config.drift and Path(plan.model).is_dir():
        try:
            open_base(plan.model)
        except ModelError as error:
            raise ModelError(f"drift: {error}; or switch it off (drift: false)") from error


def check_plugins(plan: ModelPlan) -> None:
    """Rewards have the options that they are given, and what is named by import path is there."""
    for path in function_paths(plan.config.all_rewards):
        load(path, "rewards.function")
    engine = plan.config.generator.engine
    if engine != "vllm" and takes_turns(plan.config) and not hasattr(load(engine, "generator.engine"), "sleep"):
        raise ConfigError(f"generator.engine: {engine!r} has no method sleep, which colocate asks for")
    if engine != "vllm":
        likelihood = plan.config.harness_tasks or any(one.method != "generate" for one in plan.config.evaluation_sets)
        if not hasattr(load(engine, "generator.engine"), "score") and likelihood:
            raise ConfigError(
                f"generator.engine: {engine!r} has no method score, which benchmarks by likelihood ask for"
            )


def check_compiler(plan: RunPlan) -> None:
    """There is a compiler for layers that are to be compiled. Of another machine its learner finds out."""
    if plan.config.learner.compile and "RAY_ADDRESS" not in os.environ:
        require_compiler()


def check_disk(plan: RunPlan) -> None:
    """There is room for what the run leaves. A new checkpoint is whole before the oldest goes."""
    require_disk(RUN.path(plan.config.run), plan.kept_bytes + plan.state_bytes)


def check_datasets(plan: RunPlan) -> None:
    """Every row can be used, or is to be left out."""
    _ = plan.data


def check_harness(plan: RunPlan) -> None:
    """lm-evaluation-harness has the tasks that benchmarks name, and their data are here."""
    _ = plan.harness_sizes


def check_memory(plan: RunPlan) -> None:
    """There is memory for the largest micro-batch that can come."""
    require_memory(plan.config, plan.memory, plan.largest_microbatch)


CHECKS: tuple[Check, ...] = (
    check_folder,
    check_model,
    check_weights,
    check_context,
    check_judge,
    check_drift,
    check_plugins,
    check_compiler,
    check_disk,
    check_datasets,  # late, because SFT's may take long
    check_harness,  # later still: it reads every file of lm-eval's tasks
    check_memory,
)


@contextmanager
def check_run(config: TrainingConfig) -> Iterator[RunPlan]:
    """Yields the plan of a run that passes all CHECKS. What its data are tokenized into is a draft that is gone after
    the `with`, unless it was moved."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with terminated_as_interrupt(), ExitStack() as drafts:
        plan = RunPlan(config, drafts)
        for check in CHECKS:
            check(plan)
        yield plan


def longest_verdict(config: EvaluationConfig) -> int:
    """Longest prompt with its reply that the run's own generators are asked for as judges, in tokens."""
    return max((judge.prompt_tokens + judge.max_tokens for judge in own_judges(config.all_rewards)), default=0)

"""The actors of a run, from their start to their end."""

import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray import cloudpickle

from rayrl.actors.coordinator import CoordinatorActor, PromptSets
from rayrl.actors.generator import engine_settings
from rayrl.actors.judge_server import OwnJudge
from rayrl.actors.verifier import VerifierActor
from rayrl.config import EvaluationConfig, TrainingConfig
from rayrl.train.cluster import ANYWHERE, takes_turns, verifier_actors
from rayrl.train.entry import RankJob, run_ranks
from rayrl.train.generators import start_generators
from rayrl.train.plan import RunPlan
from rayrl.train.preflight import longest_verdict
from rayrl.verify.finance.own_judge import own_judges


class RunActors:
    """Generators, verifiers and the coordinator of a run.

    Args:
        config: The settings.
        model: Folder or hub name of what generators load.
        adapter: Contents of adapter_config.json where they are to be given a LoRA adapter; None: they are not.
        prompts: Of training and of each set that is evaluated.
    """

    def __init__(
        self, config: EvaluationConfig, model: str, adapter: dict[str, Any] | None, prompts: PromptSets
    ) -> None:
        self.config = config
        verifier = config.verifier
        verifiers = ray.remote(VerifierActor).options(
            num_cpus=verifier.cpus, max_restarts=-1, max_concurrency=1000, scheduling_strategy=ANYWHERE
        )
        longest = max(config.longest_sample, longest_verdict(config))
        shares, colocates = isinstance(config, TrainingConfig) and config.shares_gpu, takes_turns(config)
        settings = engine_settings(config.generator, model, longest, config.run.seed, adapter, shares)
        self.beside = replace(settings, sleeps=True) if colocates else None
        self.generators = [] if colocates else start_generators(config, settings)
        own_rewards = {one.name: one.rewards for one in config.evaluation_sets}
        name = f"coordinator-{uuid4().hex}"
        judge = _own_judge(config, model, name)
        self.verifiers = [
            verifiers.remote(config.rewards, verifier, "answer", own_rewards, judge)
            for _ in range(verifier_actors(config))
        ]
        self.prompts = ray.put(prompts)
        coordinators = ray.remote(CoordinatorActor).options(
            name=name, num_cpus=0, max_restarts=-1, max_concurrency=10_000, scheduling_strategy=ANYWHERE
        )
        self.coordinator = coordinators.remote(config, cloudpickle.dumps((self.generators, self.verifiers)))

    def start_training(self, config: TrainingConfig, plan: RunPlan, folder: Path) -> "Future[None]":
        """Ray Train in a thread of its own, so that this one stays free to show progress and to take Ctrl-C."""
        memory = plan.learner_bytes, plan.device_bytes
        job = RankJob(config, plan.model, self.coordinator, self.prompts, folder, *memory, self.beside)
        end: Future[None] = Future()

        def run() -> None:
            try:
                run_ranks(job)
            except BaseException as error:
                end.set_exception(error)
            else:
                end.set_result(None)

        threading.Thread(target=run, name="ray-train", daemon=True).start()
        return end

    def stop(self) -> None:
        """Closes engines and worker processes in order, then kills; never waits longer than a few seconds."""
        handles = [*self.generators, *self.verifiers]
        ray.wait([handle.close.remote() for handle in handles], num_returns=len(handles), timeout=3)
        for handle in [*handles, self.coordinator]:
            ray.kill(handle)


def _own_judge(config: EvaluationConfig, model: str, coordinator: str) -> OwnJudge | None:
    judges = own_judges(config.all_rewards)
    if not judges:
        return None
    return OwnJudge(
        coordinator,
        model,
        config.model.chat_template,
        prompt_tokens=max(judge.prompt_tokens for judge in judges),
        deadline_s=max(judge.deadline_s for judge in judges),
    )

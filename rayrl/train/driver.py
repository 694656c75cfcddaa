"""One training run, from settings to report: checks, actors, Ray Train, progress, an end that leaves nothing behind."""

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray import cloudpickle

from rayrl.actors.coordinator import CoordinatorActor, PromptSets
from rayrl.actors.generator import GeneratorActor, engine_settings
from rayrl.actors.judge_server import OwnJudge
from rayrl.actors.verifier import VerifierActor
from rayrl.actors.waiting import fetch, original
from rayrl.config import HELD_OUT, TrainingConfig
from rayrl.divergence.text_set import write_texts
from rayrl.errors import RayrlError, StoppedError
from rayrl.files import write_whole
from rayrl.jsonl import JsonLines, write_jsonl
from rayrl.metrics import MetricsLog, read_metrics
from rayrl.report.run_page import write_report
from rayrl.rollout_row import EvaluationRow, identity
from rayrl.train.cluster import ANYWHERE, connect, generator_replicas, require_resources, verifier_actors
from rayrl.train.entry import fit
from rayrl.train.interrupt import terminated_as_interrupt
from rayrl.train.preflight import Preflight, check, longest_verdict
from rayrl.train.run_directory import EXAMPLES, TEXTS, open_run_directory
from rayrl.train.view import View, memory_line
from rayrl.verify.finance.own_judge import own_judges

POLL_S = 0.3
INTERRUPTED = 130


Watch = Callable[[dict[str, Any]], None]


def train(config: TrainingConfig, watch: Watch = lambda record: None) -> int:
    """Runs to the end and returns the exit code: 0, or 130 after Ctrl-C (the run can be resumed).

    Args:
        config: The settings.
        watch: Called with each record of metrics.jsonl once it is written; StoppedError from it ends the run.

    Raises:
        RayrlError: Bad input (before anything starts), or what made the run fail; no actor is left running.
    """
    with check(config) as plan:
        config = config.model_copy(update={"steps": plan.steps})
        folder = open_run_directory(config)
        if plan.examples:
            plan.examples.move(folder / EXAMPLES)
    if plan.texts:
        write_texts(folder / TEXTS, plan.texts)
    view = View(config, folder)
    view.show_plan(plan)
    write_whole(folder / "plan.json", json.dumps(plan.record(), indent=1))
    writer = Writer(folder, config)
    try:
        with terminated_as_interrupt(), connect() as cluster, view:
            require_resources(config, cluster)
            _train(config, plan, folder, writer, view, watch)
        if view.steps:
            view.say(memory_line(view.steps[-1]))
        writer.event("finished", "")
        return 0
    except KeyboardInterrupt:
        command = f"rayrl {config.command} {folder / 'config.yaml'} --run.resume true"
        writer.event("interrupted", f"go on with: {command}")
        view.say(f"interrupted; go on with:\n  {command}")
        return INTERRUPTED
    except StoppedError as error:
        writer.event("stopped", str(error))
        raise
    except BaseException as error:
        writer.event("failed", str(error))
        raise
    finally:
        writer.close()
        if writer.steps or writer.evaluations:
            view.say(f"report: {write_report(folder)}")


def _train(config: TrainingConfig, plan: Preflight, folder: Path, writer: "Writer", view: View, watch: Watch) -> None:
    """Starts the actors and Ray Train, and passes on what they say until the end."""
    actors = _Actors(config, plan)
    try:
        view.phase({"phase": "start", "done": 0, "total": 0})
        training = actors.start_training(folder)
        seen, token = 0, ""
        finished = False
        while not finished:
            finished = bool(wait([training], timeout=POLL_S).done)
            try:
                news = fetch(actors.coordinator.poll.remote(seen, token), "the coordinator's records", 60)
            except ray.exceptions.RayActorError:
                # Ray restarts it, and Ray Train the ranks that lost it, which go on from the newest checkpoint.
                writer.event("actor_lost", "the coordinator")
                continue
            records, now, phase, failure = news
            seen, token = (seen if now == token else 0) + len(records), now
            for record in records:
                writer.write(record)
                view.record(record)
                watch(record)
            view.phase(phase)
            if failure is not None:
                raise failure  # other ranks may sit in a collective for ever: they end with Ray, not by themselves
        try:
            training.result()
        except Exception as error:
            raise RayrlError(f"the learner failed: {str(original(error))[-1500:]}") from error
    finally:
        actors.stop()


class _Actors:
    """Generators, verifiers and the coordinator of a run."""

    def __init__(self, config: TrainingConfig, plan: Preflight) -> None:
        self.config = config
        self.plan = plan
        generator, verifier = config.generator, config.verifier
        # Ray restarts an actor that dies; the coordinator brings it up to date.
        generators = ray.remote(GeneratorActor).options(
            num_cpus=generator.cpus,
            num_gpus=generator.gpus,
            max_restarts=-1,
            max_concurrency=10_000,
            scheduling_strategy=ANYWHERE,
        )
        verifiers = ray.remote(VerifierActor).options(
            num_cpus=verifier.cpus, max_restarts=-1, max_concurrency=1000, scheduling_strategy=ANYWHERE
        )
        longest = max(config.longest_sample, longest_verdict(config))
        settings = engine_settings(generator, plan.model, longest, config.run.seed, plan.adapter)
        replicas, judges = generator_replicas(config), verifier_actors(config)
        self.generators = [generators.remote(generator.engine, settings) for _ in range(replicas)]
        for handle in self.generators:
            handle.start.remote()  # the coordinator waits for it; meanwhile the learner starts
        own_rewards = {one.name: one.rewards for one in config.evaluation_sets}
        name = f"coordinator-{uuid4().hex}"
        judge = _own_judge(config, plan.model, name)
        self.verifiers = [
            verifiers.remote(config.rewards, verifier, "answer", own_rewards, judge) for _ in range(judges)
        ]
        self.prompts = ray.put(PromptSets(plan.train, plan.evaluated))
        coordinators = ray.remote(CoordinatorActor).options(
            name=name, num_cpus=0, max_restarts=-1, max_concurrency=10_000, scheduling_strategy=ANYWHERE
        )
        self.coordinator = coordinators.remote(config, cloudpickle.dumps((self.generators, self.verifiers)))

    def start_training(self, folder: Path) -> "Future[None]":
        """Ray Train in a thread of its own, so that this one stays free to show progress and to take Ctrl-C."""
        context = {
            "config": self.config,
            "model": self.plan.model,
            "coordinator": self.coordinator,
            "prompts": self.prompts,
            "run_dir": str(folder),
            "learner_bytes": self.plan.learner_bytes,
        }
        end: Future[None] = Future()

        def run() -> None:
            try:
                fit(context)
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


def _own_judge(config: TrainingConfig, model: str, coordinator: str) -> OwnJudge | None:
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


class Writer:
    """Puts records where they belong: metrics.jsonl, rollouts/, and Weights & Biases when it is configured."""

    def __init__(self, folder: Path, config: TrainingConfig) -> None:
        self.folder = folder
        self.config = config
        path = folder / "metrics.jsonl"
        before = read_metrics(path) if path.exists() else []
        self.started = time.monotonic() - max((record.get("elapsed_s") or 0.0 for record in before), default=0.0)
        self.log = MetricsLog(path)
        self.items = JsonLines(folder / "benchmarks.jsonl")
        self.step = 0
        self.steps = 0
        self.evaluations = 0
        self.tracker = None
        if config.run.wandb_project:
            import wandb

            mode: Any = "online" if os.environ.get("WANDB_API_KEY") else "offline"
            self.tracker = wandb.init(
                project=config.run.wandb_project,
                name=config.run.name,
                dir=folder,
                mode=mode,
                config=config.model_dump(),
            )
        if config.run.resume:
            self.event("resumed", "")

    def write(self, record: dict[str, Any]) -> None:
        values = dict(record)
        kind = values.pop("kind")
        self.step = values.pop("step", self.step)
        if kind == "eval":
            self.evaluations += 1
            self._write_evaluation(values.pop("rows"))
        elif kind == "step":
            self.steps += 1
            groups = values.pop("samples", [])[: self.config.run.samples_per_step]
            if groups:
                rows = [row for group in groups for row in group]
                write_jsonl(self.folder / "rollouts" / f"step_{self.step:06d}.jsonl", rows)
        values["elapsed_s"] = round(time.monotonic() - self.started, 3)
        self.log.append(kind, self.step, values)
        if self.tracker is not None:
            self.tracker.log({key: value for key, value in values.items() if "/" in key}, step=self.step)

    def _write_evaluation(self, sets: dict[str, list[EvaluationRow]]) -> None:
        """Completions of each set to rollouts/; what each item scored to benchmarks.jsonl."""
        for name, rows in sets.items():
            stem = "eval" if name == HELD_OUT else f"benchmark_{name}"
            write_jsonl(self.folder / "rollouts" / f"{stem}_{self.step:06d}.jsonl", rows)
            for index, row in enumerate(rows):
                item = {"step": self.step, "benchmark": name, "index": index, "item": identity(row)}
                item |= {"score": row["score"], "status": row["status"], "completion_tokens": row["tokens"]}
                self.items.append(item)

    def close(self) -> None:
        self.log.close()
        self.items.close()

    def event(self, event: str, detail: str) -> None:
        self.write({"kind": "event", "event": event, "detail": detail})

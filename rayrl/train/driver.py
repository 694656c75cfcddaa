"""One training run, from settings to report: checks, actors, Ray Train, progress, an end that leaves nothing behind."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from rayrl.actors.coordinator import PromptSets
from rayrl.actors.deadlines import fetch, original
from rayrl.actors.records import News
from rayrl.config import TrainingConfig
from rayrl.config.deadlines import BUSY
from rayrl.divergence.text_set import write_texts
from rayrl.errors import INTERRUPTED, RayrlError, ResourceError, StoppedError
from rayrl.files import write_whole
from rayrl.report.run_page import write_report
from rayrl.train.cluster import connect, gpu_notice, require_resources
from rayrl.train.interrupt import terminated_as_interrupt
from rayrl.train.plan import RunPlan
from rayrl.train.preflight import check_run
from rayrl.train.run_actors import RunActors
from rayrl.train.run_directory import EXAMPLES, TEXTS, open_run_directory
from rayrl.train.view import View, memory_line
from rayrl.train.writer import Writer
from rayrl.units import GB

POLL_S = 0.3

Watch = Callable[[dict[str, Any]], None]


def train(config: TrainingConfig, watch: Watch = lambda record: None) -> int:
    """Runs to the end and returns the exit code: 0, or 130 after Ctrl-C (the run can be resumed).

    Args:
        config: The settings.
        watch: Called with each record of metrics.jsonl once it is written; StoppedError from it ends the run.

    Raises:
        RayrlError: Bad input (before anything starts), or what made the run fail; no actor is left running.
    """
    with check_run(config) as plan:
        data = plan.data
        config = config.model_copy(update={"steps": data.steps})
        folder = open_run_directory(config)
        if data.examples:
            data.examples.move(folder / EXAMPLES)
    if data.texts:
        write_texts(folder / TEXTS, data.texts)
    view = View(config)
    view.show_plan(plan)
    write_whole(folder / "plan.json", json.dumps(plan.record(), indent=1))
    writer = Writer(folder, config)
    try:
        with terminated_as_interrupt(), connect() as cluster, view:
            require_resources(config, cluster)
            if notice := gpu_notice(config, cluster):
                view.say(notice)
            _train(config, plan, folder, writer, view, watch)
        if view.steps:
            view.say(memory_line(view.steps[-1]))
        writer.event("finished", "")
        return 0
    except KeyboardInterrupt:
        command = f"rayrl {config.command} {folder / 'config.yaml'} --run.resume true"
        writer.event("interrupted", f"resume with: {command}")
        view.say(f"interrupted; resume with:\n  {command}")
        return INTERRUPTED
    except StoppedError as error:
        writer.event("stopped", str(error))
        raise
    except BaseException as error:
        writer.event("failed", str(error))
        raise
    finally:
        with _said(view, "metrics were not closed"):
            writer.close()
        if writer.steps or writer.evaluations:
            with _said(view, f"no report (try rayrl report {folder})"):
                view.say(f"report: {write_report(folder)}")


def learner_failure(error: BaseException, planned_bytes: int) -> RayrlError:
    """What to say of an error that ended Ray Train, other than by a run's own check."""
    said = str(original(error))
    if "how to address the out of memory issue" in said:  # Ray's, at the end of a table of all processes
        return ResourceError(
            "the learner failed: Ray killed a process as the machine's memory was nearly full. The whole run was "
            f"expected to take {planned_bytes / GB:.1f} GB: end what else takes memory, or lower "
            "learner.microbatch_tokens or generator.kv_cache_gb; --run.resume true resumes from the last checkpoint"
        )
    return RayrlError(f"the learner failed: {said[-1500:]}")


@contextmanager
def _said(view: View, what: str) -> Iterator[None]:
    """An error within is said and no more: it hides neither what ended the run nor its exit code."""
    try:
        yield
    except Exception as error:
        view.say(f"{what}: {type(error).__name__}: {error}")


def _train(config: TrainingConfig, plan: RunPlan, folder: Path, writer: Writer, view: View, watch: Watch) -> None:
    """Starts the actors and Ray Train, and passes on what they say until the end."""
    prompts = PromptSets(plan.data.train, plan.data.evaluated)
    actors = RunActors(config, plan.model, plan.structure.adapter, prompts)
    try:
        training = actors.start_training(config, plan, folder)
        seen, token = 0, ""
        finished = lost = False
        while not finished:
            finished = bool(wait([training], timeout=POLL_S).done)
            try:
                asked = actors.coordinator.poll.remote(seen, token)
                news: News = fetch(asked, "the coordinator's records", BUSY)
            except ray.exceptions.RayActorError:
                # Ray restarts it, and Ray Train the ranks that lost it, which resume from the newest checkpoint.
                if not lost:
                    writer.event("actor_lost", "the coordinator")
                lost = True
                continue
            lost = False
            seen, token = (seen if news.token == token else 0) + len(news.records), news.token
            for record in news.records:
                writer.write(record)
                view.record(record)
                watch(record)
            view.phase = news.phase
            if news.failure is not None:
                raise news.failure  # other ranks may sit in a collective for ever: they end with Ray, not by themselves
        try:
            training.result()
        except Exception as error:
            raise learner_failure(error, plan.memory.total) from error
    finally:
        actors.stop()

"""Trials on Ray Tune: how many at once, what happened to each, and one view of all.

A trial's own process takes no room: its actors and Ray Train's workers take theirs from the cluster as in any run. So
that trials that run at once can never wait for one another's room, no more are started than the cluster can hold whole
(github.com/ray-project/ray/issues/54305).
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import ray
from ray import tune
from ray.tune import Callback

from rayrl.config import TrainingConfig
from rayrl.errors import ResourceError
from rayrl.study.ledger import Ledger, State, Trial
from rayrl.study.settings import TrialsSettings
from rayrl.study.trial import run_trial
from rayrl.study.view import StudyView
from rayrl.train.cluster import connect, needed_resources
from rayrl.train.interrupt import terminated_as_interrupt
from rayrl.train.memory import memory_slots

Configure = Callable[[Mapping[str, Any], str], tuple[Trial, TrainingConfig]]
"""What Ray Tune chose, and its id of the trial -> the trial and its config."""
Score = Callable[[Mapping[str, Any]], dict[str, float]]
"""A step's or an evaluation's numbers -> what a search is to go by."""

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the study as it ends a run
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # not every report has what a scheduler goes by
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}
# One byte: a placement group cannot be empty (github.com/ray-project/ray/issues/19959).
ROOM = tune.PlacementGroupFactory([{"memory": 1}])


def slots(configs: Iterable[TrainingConfig], total: Mapping[str, float], memory: float | None = None) -> int:
    """How many of these runs, any of them, fit at once.

    Args:
        configs: Of the runs.
        total: The cluster's resources.
        memory: Memory of this machine divided by what the largest run needs; None: unknown.

    Raises:
        ResourceError: One of them does not fit alone.
    """
    most = memory if memory is not None else float("inf")
    for config in configs:
        for kind, amount in needed_resources(config).items():
            held = total.get(kind, 0.0)
            if amount > held:
                raise ResourceError(
                    f"trial {config.run.name} asks for {amount:g} {kind}s, the Ray cluster has {held:g}; lower "
                    "generator.cpus/gpus, learner.cpus_per_worker/gpus_per_worker or their counts, or add nodes"
                )
            if amount:
                most = min(most, held / amount)
    return max(1, int(min(most, 1e6) + 1e-9))


class Follower(Callback):  # type: ignore[misc]
    """Keeps ledger and view up to date with what Ray Tune says. Runs in the study's own process."""

    def __init__(self, ledger: Ledger, view: StudyView) -> None:
        self.ledger = ledger
        self.view = view
        self.names: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Ray Tune pickles its callbacks (github.com/ray-project/ray/issues/31366); this one is never read back.
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "about" not in result:
            return
        about = Trial(**result["about"])
        self.names[trial.trial_id] = about.trial
        self.ledger.trials.setdefault(about.trial, about)
        if "outcome" in result:
            self._settle(about.trial, result["outcome"], result["why"] or None)
        else:
            self.view.progress(about.trial, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        name = self.names.get(trial.trial_id)
        if name and self.ledger.trials[name].state == "pending":
            self._settle(name, "stopped", "ended by the scheduler")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        name = self.names.get(trial.trial_id) or trial.config.get("trial")
        if name in self.ledger.trials:
            error = trial.get_error()
            self._settle(name, "failed", f"its process ended: {str(error)[-600:]}")

    def _settle(self, name: str, state: State, why: str | None) -> None:
        self.ledger.settle(name, state, why)
        self.view.settle(self.ledger.trials[name])


class TrialRunner:
    """Runs trials on Ray Tune. Ray must be connected.

    Args:
        settings: Of the study.
        follower: Takes in what happens.
        at_once: How many may run at the same time.
    """

    def __init__(self, settings: TrialsSettings, follower: Follower, at_once: int) -> None:
        self.settings, self.follower, self.at_once = settings, follower, at_once
        self.ledger = follower.ledger

    def run(
        self,
        stage: str,
        configure: Configure,
        space: Mapping[str, Any],
        score: Score = lambda numbers: {},
        **tune_settings: Any,
    ) -> None:
        """Runs trials until none is left.

        Args:
            stage: Names the folder, in the study's, of Ray Tune's own files.
            configure: Makes a trial and its config.
            space: Ray Tune's search space.
            score: Adds to what Ray Tune is told of a step or an evaluation; a trial that finishes tells the last once
                more.
            tune_settings: Of `tune.TuneConfig`: search algorithm, scheduler, number of trials.
        """
        os.environ.update(QUIET)
        logging.getLogger("ray.tune").setLevel(logging.ERROR)
        stop, here = self.settings.stop, os.getcwd()

        def trial(chosen: dict[str, Any]) -> None:
            if os.path.isdir(here):
                os.chdir(here)  # files are named from where the study was started; Ray Tune goes to a folder of its own
            about, config = configure(chosen, tune.get_context().get_trial_id())
            label = {"about": asdict(about)}
            scored: dict[str, float] = {}

            def report(numbers: dict[str, Any]) -> None:
                scored.update(score(numbers))
                tune.report(label | numbers | scored)

            tune.report(label | {"kind": "start"})
            state, why = run_trial(config, stop, report)
            told = scored if state == "finished" else {}
            tune.report(label | told | {"outcome": state, "why": why or ""})

        tune.Tuner(
            tune.with_resources(trial, ROOM),
            param_space=dict(space),
            tune_config=tune.TuneConfig(max_concurrent_trials=self.at_once, **tune_settings),
            run_config=tune.RunConfig(
                name=stage,
                storage_path=str(self.ledger.folder / "tune"),
                callbacks=[self.follower],
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),
            ),
        ).fit()

    def run_listed(
        self,
        stage: str,
        names: list[str],
        configs: Mapping[str, TrainingConfig],
        score: Score = lambda numbers: {},
        **tune_settings: Any,
    ) -> None:
        """Runs these trials of the ledger; the rest as in `run`."""
        known = {name: (self.ledger.trials[name], configs[name]) for name in names}

        def configure(parameters: Mapping[str, Any], trial_id: str) -> tuple[Trial, TrainingConfig]:
            return known[parameters["trial"]]

        self.run(stage, configure, {"trial": tune.grid_search(names)}, score, **tune_settings)


@contextmanager
def start_runner(
    ledger: Ledger, settings: TrialsSettings, configs: Iterable[TrainingConfig], run_bytes: int
) -> Iterator[TrialRunner]:
    """Connects to Ray, once for all trials, and shows them; yields what runs them.

    Args:
        ledger: Of the study.
        settings: Of the study.
        configs: Of the trials.
        run_bytes: Memory of the largest trial.
    """
    # In this order: Ray takes SIGTERM for itself when it starts (github.com/ray-project/ray/issues/17308).
    with connect(), terminated_as_interrupt(), StudyView(ledger, settings.name) as view:
        at_once = slots(configs, ray.cluster_resources(), memory_slots(run_bytes))
        at_once = min(at_once, settings.max_concurrent or at_once)
        view.say(f"at most {at_once} trials at once")
        yield TrialRunner(settings, Follower(ledger, view), at_once)

"""What Ray Tune calls for each trial: the ordinary driver, watched."""

import math
from collections.abc import Callable
from typing import Any

from rayrl.config import TrainingConfig
from rayrl.errors import StoppedError
from rayrl.study.settings import StopSettings

Report = Callable[[dict[str, Any]], None]
WATCHED = ("train/loss", "train/grad_norm", "reward/mean")


class Watch:
    """Passes a run's steps and evaluations on, and ends it where the study's rules say so."""

    def __init__(self, stop: StopSettings, report: Report) -> None:
        self.stop = stop
        self.report = report
        self.poor = 0

    def __call__(self, record: dict[str, Any]) -> None:
        """Raises StoppedError."""
        if record["kind"] == "event":
            return
        numbers = {key: value for key, value in record.items() if isinstance(value, int | float)}
        self.report({"kind": record["kind"], **numbers})
        if record["kind"] == "step":
            self._judge(record)

    def _judge(self, record: dict[str, Any]) -> None:
        for key in WATCHED:
            value = record.get(key)
            if self.stop.not_finite and value is not None and not math.isfinite(value):
                raise StoppedError(f"{key} is {value} at step {record['step']} (stop.not_finite)")
        if self.stop.reward_below is None or "reward/mean" not in record:
            return
        reward = record["reward/mean"]
        self.poor = self.poor + 1 if reward is not None and reward < self.stop.reward_below else 0
        if self.poor >= self.stop.patience:
            raise StoppedError(
                f"the mean reward was below {self.stop.reward_below:g} for {self.poor} steps up to {record['step']} "
                "(stop.reward_below)"
            )


def run_trial(config: TrainingConfig, stop: StopSettings, report: Report) -> tuple[str, str | None]:
    """Runs, or resumes, one trial; returns its state and, unless it finished, why."""
    from rayrl.train.driver import train
    from rayrl.train.folder_kind import RUN

    resume = (RUN.path(config.run) / RUN.marker).exists()
    config = config.model_copy(update={"run": config.run.model_copy(update={"resume": resume})})
    try:
        train(config, Watch(stop, report))
    except StoppedError as error:
        return "stopped", str(error)
    except Exception as error:  # whatever it is, the study continues
        return "failed", f"{type(error).__name__}: {error}"[:2000]
    return "finished", None

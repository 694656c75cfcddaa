"""Optuna on Ray Tune. Lists are searched by the index of a value, so that a value may be anything."""

from typing import Any

from rayrl.study.settings import SweepSettings
from rayrl.study.space import Chosen


def search(settings: SweepSettings) -> tuple[Any, dict[str, Any]]:
    """(search algorithm that maximizes `objective`, Ray Tune's search space)."""
    import optuna
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    class Search(OptunaSearch):  # type: ignore[misc]
        """Hears of a trial's evaluations alone: steps have no objective, on which Ray Tune's own class raises KeyError
        (no public issue known)."""

        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            if self.metric in result:
                super().on_trial_result(trial_id, result)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space: dict[str, Any] = {}
    for name, values in settings.space.items():
        if isinstance(values, list):
            space[name] = tune.choice(list(range(len(values))))
        elif values.integer:
            ends = (int(values.low), int(values.high) + 1)
            space[name] = tune.lograndint(*ends) if values.log else tune.randint(*ends)
        else:
            space[name] = (tune.loguniform if values.log else tune.uniform)(values.low, values.high)
    return Search(metric="objective", mode="max", seed=settings.seed), space


def values_of(settings: SweepSettings, suggested: dict[str, Any]) -> Chosen:
    """What a suggestion of Ray Tune stands for."""
    return {
        name: values[suggested[name]] if isinstance(values, list) else suggested[name]
        for name, values in settings.space.items()
    }

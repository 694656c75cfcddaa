"""What Ray Train calls on each rank. Light: its controller and the driver import this, and need no torch for it."""

from typing import Any


def train_loop(context: dict[str, Any]) -> None:
    """Entry point on each rank. `context`: config (dict), model, coordinator, run_dir."""
    import ray

    from rayrl.actors.waiting import original
    from rayrl.errors import RayrlError
    from rayrl.train.loop import Rank

    coordinator = context["coordinator"]
    try:
        Rank(context).run()
    except RayrlError as error:
        # No restart mends these: the driver raises them; returning keeps Ray Train from trying again.
        ray.get(coordinator.fail.remote(error), timeout=60)
    except ray.exceptions.RayTaskError as error:
        cause = original(error)
        if not isinstance(cause, RayrlError):
            raise
        ray.get(coordinator.fail.remote(cause), timeout=60)

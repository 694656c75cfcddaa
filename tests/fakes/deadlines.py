"""One deadline for all that a run waits for."""


def deadlines(seconds: float) -> dict[str, float]:
    """Of `run.deadlines`."""
    return dict.fromkeys(("start_s", "step_s", "evaluation_s", "sync_s"), seconds)

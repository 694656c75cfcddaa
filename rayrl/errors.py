"""Every error that rayrl raises on purpose. The command line prints the message alone and exits with `exit_code`."""

from collections.abc import Sequence

MAX_SHOWN = 10
INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def listed(problems: Sequence[str]) -> str:
    """Lines for a message: the first ten problems, and how many more there are."""
    more = [f"and {len(problems) - MAX_SHOWN} more"] if len(problems) > MAX_SHOWN else []
    return "\n".join(f"  {line}" for line in [*problems[:MAX_SHOWN], *more])


class RayrlError(Exception):
    """Base of all: the message names the field, the value and the fix."""

    exit_code = 1


class ConfigError(RayrlError):
    """A setting is unknown, of the wrong type, out of range, or contradicts another."""

    exit_code = 2


class DataError(RayrlError):
    """A dataset is missing, empty, or holds rows that cannot be used."""

    exit_code = 3


class ModelError(RayrlError):
    """A model folder is missing or unusable, or the model does not fit the memory."""

    exit_code = 4


class ResourceError(RayrlError):
    """The Ray cluster, or the disk, cannot give what the run asks for."""

    exit_code = 5


class RewardError(RayrlError):
    """A reward function raised, or returned something that is not one number or None per completion."""

    exit_code = 6


class SyncError(RayrlError):
    """A generator does not hold the weights that the learner sent."""

    exit_code = 7


class DeadlineError(RayrlError):
    """A wait ran past its deadline; the message says what was waited for."""

    exit_code = 8


class StoppedError(RayrlError):
    """A run was ended before its last step by the study that it is a trial of."""

    exit_code = 10


class FreezeError(RayrlError):
    """A freeze rule matches nothing, leaves nothing to train, or a frozen weight moved."""

    exit_code = 9

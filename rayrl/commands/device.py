"""`--device`."""

import torch

from rayrl.errors import ConfigError


def parse_device(name: str) -> torch.device:
    """Raises ConfigError where there is no such device here."""
    try:
        found = torch.device(name)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:
        message = str(error).splitlines()[0]
        raise ConfigError(f"--device: {name!r} cannot be used ({message}); take cpu or cuda") from error
    return found

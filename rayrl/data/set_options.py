"""What every dataset that has a name here takes as `options`."""

from rayrl.config import Settings


class SetOptions(Settings):
    split: str | None = None
    """Split, where the set comes from the hub. None: train, or for a set that is for evaluation its own."""

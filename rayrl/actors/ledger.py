"""The books of a run: where each group of completions went."""

from dataclasses import dataclass

from rayrl.errors import RayrlError


@dataclass(slots=True)
class Ledger:
    """Counts of groups since the run began. A checkpoint holds them; what a restart draws again counts once."""

    sampled: int = 0
    """Came back from generators and verifiers."""
    no_signal: int = 0
    """All completions earned the same: replaced by another prompt's (`dynamic_sampling`)."""
    stale: int = 0
    """Too old when their turn came: replaced (`stale_groups: drop`)."""
    skipped: int = 0
    """Not sampled: prompts that `difficulty_filter` passed over."""

    @property
    def replaced(self) -> int:
        return self.no_signal + self.stale

    def figures(self, trained: int) -> dict[str, int]:
        """As metrics, with the groups that were trained on so far."""
        waiting = self.sampled - trained - self.replaced
        return {
            "groups/sampled": self.sampled,
            "groups/trained": trained,
            "groups/no_signal": self.no_signal,
            "groups/stale": self.stale,
            "groups/waiting": waiting,
            "groups/skipped": self.skipped,
        }

    def require_balance(self, trained: int, waiting: int) -> None:
        """Every group was trained on, replaced, or waits.

        Raises:
            RayrlError: One was lost, or counted twice: a fault of this program.
        """
        if self.sampled != trained + self.replaced + waiting:
            raise RayrlError(
                f"the books of groups do not balance: {self.sampled} sampled, but {trained} trained on, "
                f"{self.no_signal} without signal, {self.stale} too old and {waiting} waiting; please report this"
            )

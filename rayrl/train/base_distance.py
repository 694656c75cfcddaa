"""How far training takes the model from its base, measured at each checkpoint: drift.jsonl and divergence.jsonl."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist

from rayrl.config import TrainingConfig
from rayrl.divergence.base_states import BaseStates
from rayrl.divergence.summary import divergence_row
from rayrl.divergence.text_set import read_texts
from rayrl.divergence.token_kl import TokenDivergence
from rayrl.drift.learner_rows import find_unmatched, measure_learner
from rayrl.drift.model_paths import open_base
from rayrl.jsonl import read_jsonl, write_jsonl
from rayrl.learner.learner import Learner
from rayrl.train.run_directory import TEXTS
from rayrl.types import Example


class BaseDistance:
    """Drift of the weights and divergence of the distributions. Made on every rank while the learner is still the base.

    Args:
        config: What to measure.
        learner: Whose weights are measured.
        folder: The run directory.
        model: Folder or hub name of the base.
    """

    def __init__(self, config: TrainingConfig, learner: Learner, folder: Path, model: str) -> None:
        self.learner, self.folder = learner, folder
        self.base = open_base(model) if config.drift else None
        self.texts = read_texts(folder / TEXTS) if config.divergence else {}
        rank, ranks = dist.get_rank(), dist.get_world_size()
        most = config.learner.microbatch_tokens
        self.states = {
            name: BaseStates(learner.policy, texts, most, learner.device, rank, ranks)
            for name, texts in self.texts.items()
        }
        learner.reshard()

    def notice(self) -> str:
        """Whose drift is not measured; empty: all is."""
        names = find_unmatched(self.learner, self.base) if self.base else []
        return f"{len(names)} parameters are not in the base's files as they are here ({names[0]}, …)" if names else ""

    def measure(self, step: int) -> None:
        """Writes the rows of the weights after `step` steps, of 0 without drift. A collective."""
        if self.base is not None and step:
            self._write("drift.jsonl", step, measure_learner(self.learner, self.base, step))
        if self.states:
            rows = [self._divergence(name, step) for name in self.states]
            self._write("divergence.jsonl", step, rows)

    def _divergence(self, name: str, step: int) -> dict[str, Any]:
        own = self.states[name].compare(self.learner.policy)
        self.learner.reshard()
        gathered: list[dict[int, TokenDivergence]] = [{} for _ in range(dist.get_world_size())]
        dist.all_gather_object(gathered, own)
        by_index = {index: found for part in gathered for index, found in part.items()}
        texts: Sequence[Example] = self.texts[name]
        return divergence_row(step, step, name, texts, [by_index[index] for index in range(len(texts))])

    def _write(self, file: str, step: int, rows: Sequence[dict[str, Any]]) -> None:
        """Puts the rows in place of those that were written after this step, by a run that was cut off."""
        if dist.get_rank():
            return
        path = self.folder / file
        before = read_jsonl(path) if path.exists() else ()
        write_jsonl(path, [*(row for row in before if row["step"] < step), *rows])

"""Brings a learner's weights to the generators: as packets, or from GPU to GPU by a backend of vLLM's own."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any

import ray
import torch
import torch.distributed as dist

from rayrl.config import TrainingConfig
from rayrl.generate.base_recipe import recipe
from rayrl.generate.engine import BaseRecipe
from rayrl.generate.packets import Packet, pack, with_fused_partners
from rayrl.learner.learner import Learner

Call = Callable[[Any, str], Any]
"""Waits for a reference; the second argument says what for."""


class WeightSender:
    """Sends what trains, and what vLLM fuses with it. Every rank takes part, since gathering is a collective.

    What trains is the adapter, where there is one: generators put it beside their base.

    Args:
        config: Of the run.
        learner: Whose weights they are.
        coordinator: Handle of the CoordinatorActor, which knows the generators.
        rank: Of this process; the first one sends.
        wait: Fetches an answer of the coordinator's, with a deadline.
    """

    def __init__(self, config: TrainingConfig, learner: Learner, coordinator: Any, rank: int, wait: Call) -> None:
        self.learner, self.coordinator, self.rank, self._wait = learner, coordinator, rank, wait
        trained = [name for name, trains in learner.trainable.items() if trains]
        self.names = trained if config.adapter else with_fused_partners(trained, learner.trainable)
        self._double_quantization = bool(config.adapter and config.adapter.double_quantization)
        self._base_as_recipe = config.base_transfer == "recipe"
        self._keeper = ThreadPoolExecutor(1, "weights")
        self._keeping: Future[None] | None = None
        self._direct = None
        if config.weight_transfer != "packets":
            from rayrl.train.direct_transfer import DirectTransfer

            self._direct = DirectTransfer(config, self.names, learner, rank, self._ask)

    def send(self, version: int, base: Iterable[tuple[str, torch.Tensor]] = ()) -> None:
        """Every generator holds `version` afterwards.

        `base` are weights that the learner rounded to 4 bits, which hold for the whole run: without them generators
        would sample from another policy. Of version 0 they are all that is sent where generators hold what they have
        read from the same files as the learner; after a restart they may hold what an earlier one sent.
        """
        names = [] if not version and self._generators_hold_base() else self.names
        if names and self._direct is not None:
            if self._keeping is not None:
                self._keeping.result()
            sent = self._direct.send(version)
            if not self.rank:  # in a thread: the learner need not wait for what generators that come later may need
                self._keeping = self._keeper.submit(self._keep, sent)
            return
        tensors = self.learner.tensors(names)
        if self.rank:
            for _ in chain(base, tensors):
                pass
            return
        held = self._put(recipe(base, self._double_quantization) if self._base_as_recipe else pack(base))
        packets = self._put(pack(tensors))
        what = f"generators to load weights of version {version}"
        self._wait(self.coordinator.publish.remote(version, packets, held), what)

    def _generators_hold_base(self) -> bool:
        """One answer for all ranks: what they gather must be the same."""
        answer = [None if self.rank else self._ask("generators_hold_base")]
        dist.broadcast_object_list(answer, src=0)
        return bool(answer[0])

    def _keep(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        self._ask("keep", self._put(pack(tensors)))

    def _put(self, packets: Iterable[Packet | BaseRecipe]) -> list[Any]:
        return [ray.put(packet) for packet in packets]

    def _ask(self, method: str, *arguments: Any) -> Any:
        what = f"the coordinator's answer to {' '.join([method, *arguments[:1]] if method == 'transfer' else [method])}"
        return self._wait(getattr(self.coordinator, method).remote(*arguments), what)

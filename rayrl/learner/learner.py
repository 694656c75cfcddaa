"""One optimizer over a model sharded over ranks. Plain PyTorch: runs alone, in a notebook, or by torchrun."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from rayrl.config import FreezeSettings, LearnerSettings, LoRASettings, ModelSettings
from rayrl.errors import FreezeError
from rayrl.learner import adapter, checkpoint, flash4
from rayrl.learner.backend import collectives
from rayrl.learner.batch import Batch, Tree, idle_batch, make_batch, with_logprobs
from rayrl.learner.compilation import compile_policy, require_compiler
from rayrl.learner.metrics import MetricSums
from rayrl.learner.model import PolicyModule, meta_model, shard, stored_buffers
from rayrl.learner.model_files import gather
from rayrl.learner.objectives import Objective, weigh
from rayrl.learner.packing import Part, bin_trees, split_over_ranks
from rayrl.learner.peak import PeakMemory
from rayrl.learner.reference import Reference
from rayrl.learner.schedule import learning_rate
from rayrl.learner.weights import materialize

TOP_K = (1, 10)  # of which the share of targets among the k most likely tokens is measured


class Learner:
    """Holds model, optimizer and schedule. Every method is a collective: all ranks call it with the same arguments.

    Args:
        model_settings: Which model, and in what dtype it computes.
        learner_settings: Optimizer, schedule, memory.
        freeze_settings: What trains.
        temperature: Of the sampler whose log-probabilities the batches carry; 1 for supervised training.
        total_updates: Length of the schedule.
        seed: Of torch's generator.
        device: CPU or this rank's GPU.
        keep_reference: Keep what training starts from, for objectives with a KL divergence to it.
        adapter_settings: LoRA or QLoRA; None: the weights themselves train.

    Raises:
        ModelError, FreezeError, ConfigError: See `meta_model`, `materialize` and `adapter.prepare`.
        ValueError: A temperature that is not above 0.
    """

    def __init__(
        self,
        model_settings: ModelSettings,
        learner_settings: LearnerSettings,
        freeze_settings: FreezeSettings,
        temperature: float,
        total_updates: int,
        seed: int,
        device: torch.device,
        keep_reference: bool = False,
        adapter_settings: LoRASettings | None = None,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"the learner needs a temperature above 0, got {temperature}")
        if model_settings.attention == "flash4":
            flash4.require()
        if not dist.is_initialized():
            dist.init_process_group(collectives(device.type == "cuda"), store=HashStore(), rank=0, world_size=1)
        torch.manual_seed(seed)
        self._peak = PeakMemory(device)
        self.settings, self.temperature, self.total_updates = learner_settings, temperature, total_updates
        self.source, self.chat_template, self.device = model_settings.path, model_settings.chat_template, device
        self.compute_dtype = getattr(torch, model_settings.compute_dtype)
        self._writers: dist.ProcessGroup | None = None  # all ranks, for the thread that writes in the background
        self.updates = 0  # calls of `update` so far: what the schedule counts
        # Masters are float32; what is frozen stays as it is stored, the base of an adapter as it is computed with.
        quantization = adapter.nf4(adapter_settings, self.compute_dtype)
        model = meta_model(model_settings.path, self.compute_dtype if adapter_settings else None, quantization)
        self.generation_config = model.generation_config
        self.adapter_settings = adapter_settings
        self.trainable = adapter.prepare(model, freeze_settings, adapter_settings)
        self.policy = PolicyModule(model, model_settings, learner_settings.activation_checkpointing)
        if learner_settings.compile:
            require_compiler()
            compile_policy(self.policy)
        shard(self.policy, _mesh(device, learner_settings.replicate), self.compute_dtype)
        materialize(model, model_settings.path, device, quantization)
        self.reference = Reference(self._trained().values(), self.compute_dtype) if keep_reference else None
        self.optimizer = torch.optim.AdamW(
            self._trained().values(),
            lr=learner_settings.learning_rate,
            betas=learner_settings.betas,
            weight_decay=learner_settings.weight_decay,
            fused=True,
        )

    def update(self, trees: Sequence[Tree], objective: Objective) -> dict[str, float]:
        """One optimizer update over `trees`, of which each rank takes its share.

        Returns:
            The objective's metrics and policy/entropy_mean, policy/top1_frac, policy/top10_frac, train/loss,
            train/grad_norm, train/learning_rate, train/packed_tokens, train/loss_tokens, train/microbatches,
            train/skipped_updates, over all ranks. Without any loss token, or with a gradient that is not finite, the
            weights stay and train/skipped_updates is 1.
        """
        trees = weigh([tree for tree in trees if tree.loss_tokens], objective.normalizer, objective.max_tokens)
        # Groups in which all earned the same count in the denominator, and need neither forward nor backward.
        trees = [tree for tree in trees if objective.moves(tree)]
        if objective.reference:
            trees = with_logprobs(trees, self.reference_logprobs(trees), "reference_logprobs")
        shares = self._shares(trees)
        rate = learning_rate(self.updates, self.total_updates, self.settings)
        self.updates += 1
        batches = self._batches(shares)
        counts = {
            "train/learning_rate": rate,
            "train/packed_tokens": float(sum(part.tree.tokens for share in shares for part in share)),
            "train/loss_tokens": float(sum(tree.loss_tokens for tree in trees)),
            "train/microbatches": float(len(batches)),
            "train/skipped_updates": 1.0,
        }
        if not batches:
            return counts
        metrics = MetricSums()
        for left, batch in zip(reversed(range(len(batches))), batches, strict=True):
            self.policy.set_requires_all_reduce(not left)  # type: ignore[operator]  # between copies of the model
            metrics.merge(self._accumulate(batch.to(self.device), objective))
        norm = self._clip()
        if torch.isfinite(torch.tensor(norm)):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
            counts["train/skipped_updates"] = 0.0
        self.optimizer.zero_grad()
        return {**metrics.reduce(), **counts, "train/grad_norm": norm}

    def with_old_logprobs(self, updates: Sequence[Sequence[Tree]], objective: Objective) -> list[list[Tree]]:
        """The trees of a step's updates, to be learned from in this order, with the log-probabilities of the learner as
        it is now, before the first of them.

        The first is given none: it is compared with the very policy that it updates (`policy_loss`). The others take a
        forward each, laid out over ranks and micro-batches as their update will be, so that both round alike. At one
        update a step, and for a loss without a policy ratio, nothing is done.
        """

        def held(trees: Sequence[Tree]) -> list[Tree]:
            moving = [tree for tree in trees if objective.moves(tree)]
            found = iter(with_logprobs(moving, self.logprobs(moving), "old_logprobs"))
            return [next(found) if objective.moves(tree) else tree for tree in trees]

        return [held(trees) if place and objective.proximal else list(trees) for place, trees in enumerate(updates)]

    @torch.no_grad()
    def logprobs(self, trees: Sequence[Tree]) -> list[list[float]]:
        """Log-probabilities in nats of each tree's loss tokens, in the order of its segments, on every rank."""
        shares = self._shares(trees)
        own = shares[dist.get_rank()]
        mine: dict[tuple[int, tuple[int, ...]], list[float]] = {}
        for batch in self._batches(shares):
            with adapter.without_dropout(self.policy):
                values = self.policy(batch.to(self.device), self.temperature).logprobs
            parts = [own[index] for index in batch.trees] if batch.targets.numel() else []
            sizes = [part.tree.loss_tokens for part in parts]
            for part, found in zip(parts, values.split(sizes) if sizes else [], strict=True):
                mine[part.owner, part.place] = found.tolist()
        self.reshard()
        gathered: list[dict[tuple[int, tuple[int, ...]], list[float]]] = [{} for _ in range(dist.get_world_size())]
        dist.all_gather_object(gathered, mine)
        result: list[list[float]] = [[] for _ in trees]
        for (owner, _), logprobs in sorted(item for share in gathered for item in share.items()):
            result[owner] += logprobs
        return result

    def reference_logprobs(self, trees: Sequence[Tree]) -> list[list[float]]:
        """As `logprobs`, of the model that training started from.

        Raises:
            ValueError: The learner was made without `keep_reference`.
        """
        if self.reference is None:
            raise ValueError("log-probabilities of the reference need a Learner made with keep_reference=True")
        with self.reference.in_place():
            return self.logprobs(trees)

    def tensors(self, names: Sequence[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """The named tensors, each whole, on the device, in the compute dtype, by their Hugging Face names."""
        parameters = adapter.parameters(self.policy.model)
        for name in names:
            yield name, gather(parameters[name], self.compute_dtype)

    def shapes(self, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Of the named tensors, whole."""
        parameters = adapter.parameters(self.policy.model)
        return {name: tuple(parameters[name].shape) for name in names}

    def rounded_base(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The frozen weights that this learner rounded to 4 bits, as `tensors` gives others; none without NF4."""
        return adapter.rounded_base(self.policy.model, self.compute_dtype)

    def export(self, folder: Path) -> None:
        """Writes a Hugging Face folder (model and tokenizer) in the source model's dtype; an adapter as a PEFT folder.

        With `adapter.merge` the adapter is added to the source model's own weights, whatever base it trained on.
        """
        if self.adapter_settings is None:
            tensors = adapter.parameters(self.policy.model) | stored_buffers(self.policy.model)
            checkpoint.export(folder, self.source, tensors, self.generation_config, self.chat_template)
            return
        config = adapter.adapter_config(self.policy.model, self.source)
        merge = self.adapter_settings.merge
        checkpoint.export_adapter(folder, config, self._trained(), merge, self.chat_template)

    def state(self, folder: Path, background: bool = False) -> "Future[Any]":
        """Writes all that `load` needs to resume bit for bit, but for the frozen weights, which never move.

        In the background from a copy, while training goes on; one at a time. The future is done when all ranks have
        written, and raises what kept one from it (CheckpointException).
        """
        if background and self._writers is None:
            self._writers = dist.new_group(backend="gloo")
        group = self._writers if background else None
        return checkpoint.save_state(folder, self._trained(), self.optimizer, self.updates, group)

    def load(self, folder: Path) -> None:
        """Takes up the state that `state` wrote, on any number of ranks."""
        self.updates = checkpoint.load_state(folder, self._trained(), self.optimizer)

    def peak_bytes(self) -> int:
        """The most memory that this learner has held so far on any rank."""
        peak = torch.tensor(self._peak.bytes(), device=self.device)
        dist.all_reduce(peak, dist.ReduceOp.MAX)
        return int(peak)

    def release_memory(self) -> None:
        """Gives back what torch keeps of a GPU for later, so that another process can have it."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def check_frozen(self) -> None:
        """Raises FreezeError where a frozen parameter has a gradient or optimizer state."""
        for name, parameter in adapter.parameters(self.policy.model).items():
            if not self.trainable[name] and (parameter.grad is not None or parameter in self.optimizer.state):
                raise FreezeError(f"the frozen parameter {name!r} has a gradient or optimizer state")

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        return {name: value for name, value in adapter.parameters(self.policy.model).items() if self.trainable[name]}

    def _shares(self, trees: Sequence[Tree]) -> list[list[Part]]:
        """What each rank computes: trees and parts of trees, or plain rows where the model can take no tree."""
        budget = self.settings.microbatch_tokens if self.policy.forest else 0
        return split_over_ranks(trees, dist.get_world_size(), budget)

    def _batches(self, shares: Sequence[Sequence[Part]]) -> list[Batch]:
        """This rank's micro-batches, filled up with idle ones: collectives need as many on every rank."""
        ranks = [[part.tree for part in share] for share in shares]
        bins = [bin_trees(trees, self.settings.microbatch_tokens) for trees in ranks]
        own = [make_batch(ranks[dist.get_rank()], indices) for indices in bins[dist.get_rank()]]
        return own + [idle_batch()] * (max(map(len, bins)) - len(own))

    def _accumulate(self, batch: Batch, objective: Objective) -> MetricSums:
        logprobs, entropy, ranks = self.policy(batch, self.temperature)
        loss, metrics = objective.loss(logprobs, batch)
        metrics.mean("policy/entropy_mean", entropy)
        for k in TOP_K:
            metrics.mean(f"policy/top{k}_frac", ranks < k)
        metrics.total("train/loss", loss)
        # FSDP averages gradients over ranks; the weights already hold the global denominator.
        (loss * dist.get_world_size()).backward()  # type: ignore[no-untyped-call]
        return metrics

    def _clip(self) -> float:
        """Scales gradients down to max_grad_norm; the global norm before."""
        norm = torch.nn.utils.clip_grad_norm_(self._trained().values(), self.settings.max_grad_norm)
        return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def reshard(self) -> None:
        """For after a forward without a backward: FSDP keeps the weights that it gathered, past their next change
        (github.com/pytorch/pytorch/issues/131965)."""
        for module in self.policy.modules():
            if isinstance(module, FSDPModule):
                module.reshard()


def _mesh(device: torch.device, replicate: int) -> DeviceMesh:
    """[replicate, shard], or [shard] alone where there is one copy of the model."""
    ranks = dist.get_world_size()
    if replicate == 1:
        return init_device_mesh(device.type, (ranks,), mesh_dim_names=("shard",))
    return init_device_mesh(device.type, (replicate, ranks // replicate), mesh_dim_names=("replicate", "shard"))

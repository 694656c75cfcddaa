"""Generators and verifiers of a run. Every call has a deadline; an actor that dies is revived, and the call repeated.

Revived generators hold the base weights: they get the newest before they are asked again.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ray.exceptions import RayTaskError

from rayrl.actors.deadlines import expect, original
from rayrl.actors.records import Records
from rayrl.actors.replicas import LOST, Replicas
from rayrl.config import EvaluationConfig
from rayrl.config.deadlines import Deadline
from rayrl.errors import RayrlError, SyncError
from rayrl.generate.engine import TransferStep
from rayrl.types import Prompt, Rollout, RolloutGroup, Sampling, Score


@dataclass(frozen=True, slots=True)
class Turn:
    """Of a call among those that start together. replica: the generator that is asked. place: among them. held: done
    once generators wait for them all."""

    replica: int
    place: int
    held: "asyncio.Future[None]"


class Fleet:
    """Makes scored groups, and brings new weights to every generator.

    Args:
        config: Of the run.
        generators: Handles of `GeneratorActor`s; none where each comes with a learner rank (`colocate`).
        verifiers: Handles of `VerifierActor`s.
        records: Takes events: actors that were lost, completions without a reward.
    """

    def __init__(self, config: EvaluationConfig, generators: list[Any], verifiers: list[Any], records: Records) -> None:
        self.deadlines = config.run.deadlines
        self.records = records
        self.version = 0  # of the weights that generators hold
        self._all_joined = False  # the newest transfer's group: one that was revived since then is not in it
        self._kept = asyncio.Event()  # `_packets` hold what the generators hold
        self._kept.set()
        self._base: list[Any] = []  # packets that a generator needs before the first of the newest, `_packets`
        self._packets: list[Any] = []
        self._ranks = max(1, int(config.generator.gpus))  # of each generator, in a transfer's group
        self._in_flight = config.generator.max_concurrent_prompts
        in_flight, note = 4 * config.verifier.processes_per_actor, self._note_loss
        self._verifiers = Replicas(verifiers, in_flight, self.deadlines.start, _ping, note)
        self.take(generators)

    def take(self, generators: list[Any]) -> None:
        """These are its generators from now on."""
        self._generators = Replicas(generators, self._in_flight, self.deadlines.start, self._revive, self._note_loss)

    async def ready(self) -> None:
        """Waits for all actors, which start while the learner does.

        Raises:
            RayrlError: One did not start.
        """
        self._packets, self._all_joined = [], False  # the learner may be another; it publishes next
        self._kept.set()
        starts = [self._started(generator) for generator in self._generators.handles]
        starts += [verifier.ping.remote() for verifier in self._verifiers.handles]
        try:
            await expect(asyncio.gather(*starts), "generators and verifiers to start", self.deadlines.start)
        except RayrlError:
            raise
        except Exception as error:
            raise RayrlError(f"a generator or verifier did not start: {str(error)[-800:]}") from error

    async def publish(self, version: int, packets: list[Any], base: Sequence[Any]) -> None:
        """Gives new weights to every generator; as `Coordinator.publish`."""
        self._base = list(base) or self._base
        self._packets = packets
        self.version = version
        await asyncio.gather(*(self._push(generator, [*base, *packets]) for generator in self._generators.handles))

    async def sleep(self) -> None:
        """Every generator leaves its GPU's memory to the learner, until the next weights. One that died has left it."""

        async def leave(generator: Any) -> None:
            what = "a generator to leave its GPU to the learner"
            try:
                await expect(generator.sleep.remote(), what, self.deadlines.sync)
            except LOST as error:
                self._note_loss(what, error)

        await asyncio.gather(*map(leave, self._generators.handles))

    async def hold_base(self) -> bool:
        """Whether every generator holds the weights that it has read from the model's files."""
        versions = await asyncio.gather(*map(_held, self._generators.handles))
        return not any(versions)

    async def prepare_transfer(self) -> bool:
        """Whether every generator is in the group that `transfer` opened last; those that died are up again."""
        starts = asyncio.gather(*map(self._started, self._generators.handles))
        await expect(starts, "generators to be up for a transfer of weights", self.deadlines.start)
        return self._all_joined

    async def transfer(self, step: TransferStep, fields: dict[str, Any]) -> None:
        """One step of a transfer (`Engine.transfer`), taken by all generators at once.

        Raises:
            SyncError: One died in it, or its engine failed: those that wait for it in a collective cannot be woken.
        """
        if step == "start":
            self._kept.clear()
        calls = []
        for place, generator in enumerate(self._generators.handles):
            own = dict(fields)
            if "rank_offset" in own:  # a rank for each GPU, those of the first generator behind the sender's
                own["rank_offset"] += place * self._ranks
            calls.append(generator.transfer.remote(step, own))
        what = f"generators to {step} a transfer of weights"
        try:
            await expect(asyncio.gather(*calls), what, self.deadlines.sync)
        except LOST as error:
            self._note_loss(what, error)
            raise SyncError(f"weight sync: a generator died in a transfer; resume the run: {error}") from error
        if step == "open":
            self._all_joined = True
        elif step == "finish":
            self.version = fields["version"]

    def keep(self, packets: list[Any]) -> None:
        """Takes what the newest transfer brought, for generators that are revived from now on."""
        self._packets = packets
        self._kept.set()

    async def _started(self, generator: Any) -> None:
        try:
            await generator.start.remote()
        except LOST as error:
            self._note_loss("a generator to start", error)
            await self._generators.revive(generator, "the restart of a generator")

    def together(self, count: int) -> list[Turn]:
        """Turns of `count` calls, each to be used once: generators share them in a fixed way, and start theirs at once
        and in order, so that runs compute the same ones in the same batches."""
        replicas = len(self._generators.handles)
        shares = [len(range(replica, count, replicas)) for replica in range(replicas)]
        held = asyncio.ensure_future(self._hold(shares))
        return [Turn(place % replicas, place, held) for place in range(count)]

    async def _hold(self, shares: list[int]) -> None:
        pairs = zip(self._generators.handles, shares, strict=True)
        calls = asyncio.gather(*(handle.hold.remote(share) for handle, share in pairs if share))
        with suppress(*LOST):  # told by the call that loses it
            await expect(calls, "generators to wait for all that start together", self.deadlines.sync)

    async def generate(
        self, what: str, token_ids: list[int], sampling: Sampling, deadline: Deadline, turn: Turn | None = None
    ) -> list[Rollout]:
        """Completions by whichever generator is least busy, or whose turn it is; while that takes new weights, it
        waits. `what` they are is said in errors."""
        if turn is not None:
            await asyncio.shield(turn.held)
            sampling = replace(sampling, priority=turn.place)
        replica = turn.replica if turn else None
        call = self._generators.call(
            what, lambda handle: handle.generate.remote(token_ids, sampling), deadline, replica
        )
        rollouts: list[Rollout] = await call
        return rollouts

    async def score(self, what: str, token_ids: list[int], continuations: Sequence[list[int]]) -> list[Score]:
        """How probable each continuation of a prompt is (`Engine.score`); asked for as completions are."""
        found = self._generators.call(
            what, lambda handle: handle.score.remote(token_ids, list(continuations)), self.deadlines.evaluation
        )
        scores: list[Score] = await found
        return scores

    async def group(
        self, prompt: Prompt, sampling: Sampling, benchmark: str = "", turn: Turn | None = None
    ) -> RolloutGroup:
        """Completions of one prompt with what they earn, by the rewards of `benchmark` where it has its own.

        Raises:
            RayrlError: What made a generator or verifier fail, or that they died again and again.
            DeadlineError: One did not answer.
        """
        started, deadline = time.monotonic(), self.deadlines.evaluation if benchmark else self.deadlines.step
        rollouts = await self.generate(f"completions of {prompt.id}", prompt.token_ids, sampling, deadline, turn)
        sampled = time.monotonic()
        texts, lengths = [rollout.text for rollout in rollouts], [len(rollout.token_ids) for rollout in rollouts]
        scored = await self._verifiers.call(
            f"verdicts on {prompt.id}",
            lambda handle: handle.score.remote(prompt.columns, texts, lengths, benchmark),
            deadline,
        )
        for problem in scored.problems:
            self.records.add_event("no_reward", f"{prompt.id}: {problem}")
        return RolloutGroup(
            prompt,
            rollouts,
            scored.rewards,
            scored.parts,
            scored.verdicts,
            generate_s=sampled - started,
            verify_s=time.monotonic() - sampled,
        )

    async def _push(self, generator: Any, packets: list[Any]) -> None:
        what = f"a generator to load weights of version {self.version}"
        try:
            await expect(self._load(generator, packets), what, self.deadlines.sync)
        except LOST as error:
            self._note_loss(what, error)
            await self._generators.revive(generator, what)

    async def _revive(self, generator: Any) -> None:
        """Starts a generator that Ray restarted, with the newest weights."""
        self._all_joined = False
        await generator.start.remote()
        await self._kept.wait()
        await self._load(generator, [*self._base, *self._packets])

    async def _load(self, generator: Any, packets: list[Any]) -> None:
        if not packets:
            return
        version = self.version  # the next may be published meanwhile
        try:
            held = await generator.load_weights.remote(version, packets)
        except RayTaskError as error:
            raise original(error) from error
        if held != version:
            raise SyncError(f"weight sync: a generator holds version {held} after version {version} was sent")

    def _note_loss(self, what: str, error: BaseException) -> None:
        self.records.add_event("actor_lost", f"{what}: {error}")


async def _held(generator: Any) -> int:
    """Version of its weights; 0 of one that died, as it starts with those of the files."""
    try:
        held: int = await generator.held.remote()
    except LOST:
        return 0
    return held


async def _ping(verifier: Any) -> None:
    await verifier.ping.remote()

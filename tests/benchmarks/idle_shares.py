"""How long generators and learner wait for each other: the real coordinator, fake generators, a virtual clock.

    python -m tests.benchmarks.idle_shares [--generators 1 8 32] [--staleness 0 1 4] [--ranks 8] [--slow 5] [--steps 24]

Lengths are log-normal with a long tail, cut at the longest. A generator decodes up to `SLOTS` sequences at once, each
at the same speed; the rest wait. A learner takes as long for a step as the generators' mean, and each of its ranks asks
for the step. Prints, for each number of generators and each rule, the share of slots that stay empty, the share of time
that the learner waits, steps and groups an hour, and how many completions this process gets through in a second.
`stream` is the rule before groups were taken as they come back: step s takes positions s P to (s + 1) P.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from rayrl.actors.admission import Admission
from rayrl.actors.coordinator import Coordinator, PromptSets
from rayrl.config import GRPOConfig
from rayrl.types import Prompt, Rollout, Sampling
from rayrl.verify.rewards import ScoredGroup
from tests.fakes.deadlines import deadlines
from tests.virtual_clock import run_virtually

SLOTS = 64  # sequences that a generator decodes at once
GROUP = 8
GROUPS_EACH = 8  # of a step, for each generator: as many completions as it has slots
TOKENS_PER_S = 50.0  # of one sequence
MEDIAN, SIGMA, LONGEST = 400.0, 0.8, 4096.0  # tokens
SYNC_S = 1.0


class Method:
    """`handle.method.remote(...)`."""

    def __init__(self, function: Any) -> None:
        self.remote = function


class FakeGenerator:
    """Decodes by the clock; counts the seconds of slots that decode."""

    def __init__(self, slow: float) -> None:
        self.slow, self.held, self.busy_s = slow, 0, 0.0
        self.slots = asyncio.Semaphore(SLOTS)
        self.generate, self.load_weights = Method(self._generate), Method(self._load)
        self.hold, self.start, self.ping = Method(self._nothing), Method(self._nothing), Method(self._nothing)

    async def _nothing(self, *_: Any) -> None:
        pass

    async def _load(self, version: int, packets: list[Any]) -> int:
        self.held = version
        return version

    async def _one(self, seed: int) -> Rollout:
        async with self.slots:
            version = self.held
            tokens = min(LONGEST, random.Random(seed).lognormvariate(0, SIGMA) * MEDIAN)
            seconds = tokens / TOKENS_PER_S * self.slow
            await asyncio.sleep(seconds)
            self.busy_s += seconds
        return Rollout("", [1], [0.0], [version], "stop")

    async def _generate(self, token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        seed = sampling.seed or 0
        return list(await asyncio.gather(*(self._one(seed * 1000 + place) for place in range(sampling.n))))


class FakeVerifier:
    """Says at once that half is right."""

    def __init__(self) -> None:
        self.score, self.ping = Method(self._score), Method(self._ping)

    async def _ping(self) -> None:
        pass

    async def _score(self, columns: Any, completions: list[str], lengths: list[int], benchmark: str) -> ScoredGroup:
        return ScoredGroup([float(place % 2) for place in range(len(completions))], {}, [])


class StreamOrder(Admission):
    """The rule before: a step waits for its own positions of the stream."""

    def _is_complete(self, step: int) -> bool:
        positions = range(step * self.size, (step + 1) * self.size)
        return len(self.finished) >= self.size and all(at in self.finished for at in positions)

    def _take(self, step: int) -> None:
        self._taken = {step: {at: self.finished.pop(at) for at in range(step * self.size, (step + 1) * self.size)}}


async def simulate(generators: int, staleness: int, rule: str, slow: float, ranks: int, steps: int) -> dict[str, float]:
    """Idle shares and steps an hour after the first quarter; the first generator is `slow` times slower."""
    prompts = [Prompt(f"p{n}", "", [n], {}) for n in range(100_000)]
    config = GRPOConfig.model_validate(
        {
            "run": {"deadlines": deadlines(1e9)},
            "model": {"path": "m"},
            "train_data": {"source": "t"},
            "rewards": [{"function": "maths"}],
            "steps": steps,
            "prompts_per_step": GROUPS_EACH * generators,
            "group_size": GROUP,
            "max_staleness": staleness,
            "stale_groups": "drop" if rule == "drop" else "wait",
        }
    )
    fakes = [FakeGenerator(slow if place == 0 else 1.0) for place in range(generators)]
    coordinator = Coordinator(config, fakes, [FakeVerifier()])
    if rule == "stream":
        coordinator.admission = StreamOrder(config, coordinator.fleet)
    coordinator.hold(PromptSets(prompts, {}))
    loop = asyncio.get_running_loop()
    mean_s = MEDIAN * 2.718281828 ** (SIGMA**2 / 2) / TOKENS_PER_S  # of a completion, before the cut
    learn_s, waited, busy, begun = 1.5 * mean_s, 0.0, 0.0, 0.0
    await coordinator.start()
    for step in range(steps):
        if step == steps // 4:
            waited, begun, busy = 0.0, loop.time(), sum(fake.busy_s for fake in fakes)
        asked = loop.time()
        batch, *_ = await asyncio.gather(*(coordinator.batch(step) for _ in range(ranks)))
        waited += loop.time() - asked
        await asyncio.sleep(learn_s)
        await asyncio.sleep(SYNC_S)
        await coordinator.publish(step + 1, ["weights"])
    took = loop.time() - begun
    busy = sum(fake.busy_s for fake in fakes) - busy
    return {
        "empty": 1 - busy / (took * SLOTS * generators),
        "wait": waited / took,
        "steps": (steps - steps // 4) / took * 3600,
        "stale": batch.ledger.get("groups/stale", 0) / max(1, batch.ledger.get("groups/sampled", 1)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Idle shares on a virtual clock")
    parser.add_argument("--generators", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--staleness", type=int, nargs="+", default=[0, 1, 4])
    parser.add_argument("--slow", type=float, default=1.0, help="the first generator is so many times slower")
    parser.add_argument("--ranks", type=int, default=1, help="of the learner: each asks for every step")
    parser.add_argument("--steps", type=int, default=24, help="the first quarter does not count")
    known = parser.parse_args(arguments)
    print(
        "| generators | staleness | rule | slots empty | learner waits | steps/h | groups/h | stale | completions/s |"
    )
    print("|---:|---:|---|---:|---:|---:|---:|---:|---:|")
    for generators in known.generators:
        for staleness in known.staleness:
            for rule in ("stream", "wait", "drop") if staleness else ("stream",):
                started = time.perf_counter()
                found = run_virtually(simulate(generators, staleness, rule, known.slow, known.ranks, known.steps))
                rate = known.steps * GROUPS_EACH * GROUP * generators / (time.perf_counter() - started)
                groups = found["steps"] * GROUPS_EACH * generators
                print(
                    f"| {generators} | {staleness} | {rule} | {found['empty']:.0%} | {found['wait']:.0%} "
                    f"| {found['steps']:.0f} | {groups:,.0f} | {found['stale']:.1%} | {rate:,.0f} |",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())

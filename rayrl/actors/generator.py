"""A Ray actor around one inference engine."""

import asyncio
import os
import time
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from rayrl.actors.shared_memory import shared_folder
from rayrl.config import GeneratorSettings
from rayrl.errors import SyncError
from rayrl.generate.engine import BaseRecipe, Engine, EngineSettings, PacketFile, TransferStep
from rayrl.generate.packets import Packet
from rayrl.imports import uncollected
from rayrl.plugins import load
from rayrl.types import Rollout, Sampling, Score
from rayrl.units import GB

WATCH_S = 0.5

T = TypeVar("T")


def engine_settings(
    generator: GeneratorSettings,
    model: str,
    max_model_len: int,
    seed: int,
    adapter: dict[str, Any] | None = None,
    shares_gpu: bool = False,
) -> EngineSettings:
    """The engine's part of a run's settings; the other arguments as in `EngineSettings`."""
    return EngineSettings(
        model=model,
        max_model_len=max_model_len,
        seed=seed,
        max_sequences=generator.max_sequences,
        tensor_parallel_size=generator.tensor_parallel_size,
        threads=generator.threads or 0,
        kv_cache_bytes=int(generator.kv_cache_gb * GB),
        gpu_memory_utilization=generator.gpu_memory_utilization,
        options=generator.options,
        adapter=adapter,
        gpus=generator.gpus,
        shares_gpu=shares_gpu,
    )


class RestartedError(Exception):
    """Ray restarted the actor: it must be given again what it held before it is of use."""


class GeneratorActor:
    """Samples completions, and takes new weights while it runs. Restarted by Ray when it dies, with base weights.

    It dies with its engine: of two that can be lost one is left, and what is done about it is one thing.
    """

    def __init__(self, engine: str, settings: EngineSettings) -> None:
        if settings.device is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = settings.device  # before anything asks for GPUs
        with uncollected():
            kind = load("rayrl.generate.vllm_engine:VLLMEngine" if engine == "vllm" else engine, "generator.engine")
        self.engine: Engine = kind(settings)
        self._loading = asyncio.Lock()
        self._receives = False  # in a transfer that has not finished
        self._starting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> float:
        """Loads the model once; returns how long that took, in seconds.

        Asked anew in the middle of a transfer, its sender is gone: the engine waits in a collective from which nothing
        wakes it, so the actor ends, and Ray starts another.
        """
        if self._receives:
            os._exit(1)
        started = time.monotonic()
        if self._starting is None:
            self._starting = asyncio.ensure_future(self.engine.start())
        await self._starting
        if self._watching is None:
            self._watching = asyncio.ensure_future(self._watch())
        return time.monotonic() - started

    async def generate(self, prompt_token_ids: list[int], sampling: Sampling) -> list[Rollout]:
        self._require_started()
        return await self._call(self.engine.generate(prompt_token_ids, sampling))

    async def hold(self, count: int) -> None:
        """As `Engine.hold`."""
        self._require_started()
        await self._call(self.engine.hold(count))

    async def score(self, prompt_token_ids: list[int], continuations: Sequence[list[int]]) -> list[Score]:
        """As `Engine.score`."""
        self._require_started()
        return await self._call(self.engine.score(prompt_token_ids, continuations))

    async def load_weights(self, version: int, packets: list[Any]) -> int:
        """Takes the packets behind some object references; returns the version now held.

        Raises:
            SyncError: What arrived is not what was sent.
        """
        self._require_started()
        async with self._loading:  # a revived one may still take a version when the next is published
            return await self._load(version, packets)

    async def _load(self, version: int, packets: list[Any]) -> int:
        with shared_folder() as folder:
            files: list[PacketFile | BaseRecipe] = []
            for number, reference in enumerate(packets):
                packet: Packet | BaseRecipe = await reference
                if isinstance(packet, Packet):
                    files.append(await asyncio.to_thread(packet.write, folder / str(number)))
                else:
                    files.append(packet)
            try:
                await self._call(self.engine.load_weights(version, files))
            except SyncError:
                raise
            except Exception as error:
                raise SyncError(f"weight sync to version {version} failed in the engine: {error}") from error
        if self.engine.version != version:
            raise SyncError(f"weight sync: the engine holds version {self.engine.version}, version {version} was sent")
        return self.engine.version

    async def sleep(self) -> None:
        """As `Engine.sleep`."""
        self._require_started()
        await self._call(self.engine.sleep())

    async def held(self) -> int:
        """Version of the weights that it holds."""
        return self.engine.version

    async def transfer(self, step: TransferStep, fields: dict[str, Any]) -> None:
        """As `Engine.transfer`.

        Raises:
            SyncError: The engine failed in it.
        """
        self._require_started()
        if step == "start":
            await self._loading.acquire()
            self._receives = True
        try:
            await self._call(self.engine.transfer(step, fields))
        except Exception as error:
            raise SyncError(f"weight sync failed in the engine, at the step {step!r}: {error}") from error
        if step == "finish":
            self._receives = False
            self._loading.release()

    def _require_started(self) -> None:
        if self._starting is None or not self._starting.done():
            raise RestartedError("this generator was restarted and has no weights yet")

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await self.engine.close()

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except Exception:
            self._end_with_engine()
            raise

    async def _watch(self) -> None:
        """Calls that a dead engine will never answer do not raise."""
        while True:
            await asyncio.sleep(WATCH_S)
            self._end_with_engine()

    def _end_with_engine(self) -> None:
        if not getattr(self.engine, "alive", True):  # an engine in this process need not say
            # An end that Ray mends, unlike ray.actor.exit_actor's (github.com/ray-project/ray/pull/59112).
            os._exit(1)

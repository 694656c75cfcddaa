"""The run's own generators as a language model to ask: prompts in the chat template, waits with deadlines."""

import asyncio
import json
from typing import Any

import ray
from ray.exceptions import RayActorError

from rayrl.actors.chat_prompts import ChatPrompts, whole_text
from rayrl.actors.deadlines import expect, original
from rayrl.actors.generator import GeneratorActor, RestartedError, engine_settings
from rayrl.actors.replicas import Replicas
from rayrl.errors import ConfigError, ModelError
from rayrl.models import resolve_model
from rayrl.synth.settings import SynthConfig
from rayrl.synth.writers.replies import SCHEMA
from rayrl.types import Rollout, Sampling

RESTARTS = 3


class GeneratorChat:
    """Chats through generator actors. Ray restarts one that dies; it then loads the model again and is asked again."""

    def __init__(self, config: SynthConfig) -> None:
        if config.model is None:
            raise ConfigError("questions.writer: generators need the section model (path)")
        model = resolve_model(config.model.path)
        self._config = config
        self._prompts = ChatPrompts(model, config.model.chat_template, config.prompt_tokens)
        generator = config.generator
        remote = ray.remote(GeneratorActor).options(
            num_cpus=generator.cpus, num_gpus=generator.gpus, max_restarts=-1, max_concurrency=10_000
        )
        longest = config.prompt_tokens + config.sampling.max_tokens
        settings = engine_settings(generator, model, longest, config.run.seed)
        self.actors = [remote.remote(generator.engine, settings) for _ in range(generator.replicas)]
        self._replicas = Replicas(self.actors, generator.max_concurrent_prompts, self._start)

    async def start(self) -> None:
        """Loads the model in every generator.

        Raises:
            DeadlineError: One is not up within `run.deadline_s`.
        """
        await asyncio.gather(*(self._revive(actor) for actor in self.actors))

    async def _revive(self, actor: Any) -> None:
        await expect(self._replicas.revive(actor), "a generator to start", self._config.run.deadline_s)

    async def _start(self, actor: Any) -> None:
        """Callers have the deadline: while Ray restarts an actor, it cannot be reached."""
        while True:
            try:
                await actor.start.remote()
                return
            except RayActorError:
                await asyncio.sleep(0.5)

    async def reply(self, messages: list[dict[str, str]], seed: int) -> str:
        """See `rayrl.synth.writers.model_writer.Chat`.

        Raises:
            DataError: The prompt is longer than `prompt_tokens`, or the reply was cut at `sampling.max_tokens`.
            DeadlineError: No reply within `run.deadline_s`.
        """
        config = self._config
        token_ids = self._prompts.token_ids(messages)
        drawn = config.sampling
        sampling = Sampling(drawn.temperature, drawn.top_p, drawn.max_tokens, seed=seed, json_schema=json.dumps(SCHEMA))
        return whole_text(await self._generate(token_ids, sampling), "sampling.max_tokens")

    async def _generate(self, token_ids: list[int], sampling: Sampling) -> Rollout:
        deaths = 0
        while True:
            async with self._replicas.least_busy() as actor:
                try:
                    reply = actor.generate.remote(token_ids, sampling)
                    rollouts: list[Rollout] = await expect(reply, "a generator's reply", self._config.run.deadline_s)
                    return rollouts[0]
                except (RayActorError, RestartedError) as error:
                    deaths += 1
                    if deaths > RESTARTS:
                        raise ModelError(
                            f"generators died {deaths} times over one prompt: {original(error)}"
                        ) from error
                    await self._revive(actor)

    async def close(self) -> None:
        closing = [actor.close.remote() for actor in self.actors]
        await asyncio.to_thread(ray.wait, closing, num_returns=len(closing), timeout=3)
        for actor in self.actors:
            ray.kill(actor)

"""The run's own generators as a language model to ask: prompts in the chat template, waits with deadlines."""

import asyncio
import json

import ray

from rayrl.actors.chat_prompts import ChatPrompts, whole_text
from rayrl.actors.generator import GeneratorActor, engine_settings
from rayrl.actors.replicas import Replicas
from rayrl.config.deadlines import Deadline
from rayrl.errors import ConfigError
from rayrl.models import resolve_model
from rayrl.synth.settings import SynthConfig
from rayrl.synth.writers.replies import SCHEMA
from rayrl.types import Rollout, Sampling


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
        self._deadline = Deadline.of("run.deadline_s", config.run.deadline_s)
        in_flight = generator.max_concurrent_prompts
        self._replicas = Replicas(self.actors, in_flight, self._deadline, lambda actor: actor.start.remote())

    async def start(self) -> None:
        """Loads the model in every generator.

        Raises:
            DeadlineError: One is not up within `run.deadline_s`.
        """
        await asyncio.gather(*(self._replicas.revive(actor, "a generator to start") for actor in self.actors))

    async def reply(self, messages: list[dict[str, str]], seed: int) -> str:
        """See `rayrl.synth.writers.model_writer.Chat`.

        Raises:
            DataError: The prompt is longer than `prompt_tokens`, or the reply was cut at `sampling.max_tokens`.
            DeadlineError: No reply within `run.deadline_s`.
            RayrlError: Generators died over it again and again.
        """
        config = self._config
        token_ids = self._prompts.token_ids(messages)
        drawn = config.sampling
        sampling = Sampling(drawn.temperature, drawn.top_p, drawn.max_tokens, seed=seed, json_schema=json.dumps(SCHEMA))
        rollouts: list[Rollout] = await self._replicas.call(
            "a generator's reply", lambda actor: actor.generate.remote(token_ids, sampling), self._deadline
        )
        return whole_text(rollouts[0], "sampling.max_tokens")

    async def close(self) -> None:
        closing = [actor.close.remote() for actor in self.actors]
        await asyncio.to_thread(ray.wait, closing, num_returns=len(closing), timeout=3)
        for actor in self.actors:
            ray.kill(actor)

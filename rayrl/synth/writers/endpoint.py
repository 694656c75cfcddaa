"""Questions from a language model behind an OpenAI-compatible service."""

import os
from typing import Any

from rayrl.chat_client import ChatClient
from rayrl.config import SamplingSettings
from rayrl.errors import ConfigError, DataError, ResourceError
from rayrl.synth.settings import EndpointSettings
from rayrl.synth.writers.model_writer import Messages
from rayrl.synth.writers.replies import SCHEMA


class Endpoint:
    """A `Chat` whose replies come from `settings.url`."""

    def __init__(self, settings: EndpointSettings, sampling: SamplingSettings, deadline_s: float) -> None:
        variable = settings.api_key_variable
        if variable is not None and not os.environ.get(variable):
            raise ConfigError(
                f"endpoint.api_key_variable: the environment has no {variable!r}; export it, or set it to null where "
                "no key is needed"
            )
        self._client = ChatClient(settings.url, settings.model, variable, deadline_s=deadline_s, tries=settings.tries)
        self._max_tokens = sampling.max_tokens
        self._options: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        if settings.json_schema:
            schema = {"name": "questions", "schema": SCHEMA, "strict": True}
            self._options["response_format"] = {"type": "json_schema", "json_schema": schema}

    async def reply(self, messages: Messages, seed: int) -> str:
        """See `rayrl.synth.writers.model_writer.Chat`.

        Raises:
            DataError: The reply was cut at `sampling.max_tokens`, or is empty.
            ConfigError: The service refuses the request (status 4xx).
            ResourceError: It cannot be reached, or keeps failing.
        """
        try:
            reply = await self._client.reply(messages, seed=seed, **self._options)
        except ConfigError as error:
            raise ConfigError(f"endpoint: {error}") from error
        except ResourceError as error:
            raise ResourceError(
                f"endpoint.url: {error}; what it has answered is kept: start the same command again to go on"
            ) from error
        if reply.cut:
            raise DataError(f"reply was cut at sampling.max_tokens ({self._max_tokens})")
        if not reply.text:
            raise DataError("reply is empty")
        return reply.text

    async def close(self) -> None:
        await self._client.aclose()

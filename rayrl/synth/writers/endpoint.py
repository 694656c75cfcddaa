"""A language model behind an OpenAI-compatible service."""

import asyncio
import os
from typing import Any

import httpx

from rayrl.config import SamplingSettings
from rayrl.errors import ConfigError, DataError, ResourceError
from rayrl.synth.settings import EndpointSettings
from rayrl.synth.writers.model_writer import Messages
from rayrl.synth.writers.replies import SCHEMA

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Endpoint:
    """Asks `POST {url}/chat/completions`; a request that fails for a passing reason is sent again after a pause."""

    def __init__(self, settings: EndpointSettings, sampling: SamplingSettings, deadline_s: float) -> None:
        self._settings, self._sampling = settings, sampling
        headers = {}
        if settings.api_key_variable is not None:
            key = os.environ.get(settings.api_key_variable)
            if not key:
                raise ConfigError(
                    f"endpoint.api_key_variable: the environment has no {settings.api_key_variable!r}; export it, or "
                    "set it to null where no key is needed"
                )
            headers["Authorization"] = f"Bearer {key}"
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.AsyncClient(headers=headers, timeout=deadline_s, limits=limits)

    async def reply(self, messages: Messages, seed: int) -> str:
        """See `rayrl.synth.writers.model_writer.Chat`.

        Raises:
            DataError: The reply was cut at `sampling.max_tokens`, or is empty.
            ConfigError: The service refuses the request (status 4xx).
            ResourceError: It cannot be reached, or keeps failing.
        """
        sampling = self._sampling
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": seed,
        }
        if self._settings.json_schema:
            schema = {"name": "questions", "schema": SCHEMA, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        answer = await self._post(body)
        try:
            choice = answer["choices"][0]
            text, ended = choice["message"]["content"], choice.get("finish_reason")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise DataError("reply is no chat completion") from error
        if ended == "length":
            raise DataError(f"reply was cut at sampling.max_tokens ({sampling.max_tokens})")
        if not isinstance(text, str) or not text:
            raise DataError("reply is empty")
        return text

    async def _post(self, body: dict[str, Any]) -> Any:
        url = f"{self._settings.url.rstrip('/')}/chat/completions"
        problem = ""
        for attempt in range(self._settings.tries):
            if attempt:
                await asyncio.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1)))
            try:
                response = await self._client.post(url, json=body)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__} {error}".strip()
                continue
            if response.status_code == 429 or response.status_code >= 500:
                problem = f"status {response.status_code}: {response.text[:200]}"
                continue
            if response.status_code == 400 and "context length" in response.text:
                raise DataError("prompt is longer than the model's context")
            if response.status_code >= 400:
                raise ConfigError(f"endpoint: {url} answers status {response.status_code}: {response.text[:300]}")
            try:
                return response.json()
            except ValueError as error:
                raise DataError("reply is no chat completion") from error
        raise ResourceError(
            f"endpoint.url: {url} failed {self._settings.tries} times, last: {problem}; what it has answered is kept: "
            "start the same command again to go on"
        )

    async def close(self) -> None:
        await self._client.aclose()

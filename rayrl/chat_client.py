"""A language model behind an OpenAI-compatible service: the one client of all that ask one."""

import asyncio
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from rayrl.errors import ConfigError, DataError, ResourceError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
MAX_REPLY = 1 << 24


@dataclass(frozen=True, slots=True)
class Reply:
    """text: may be empty. cut: whether it ended at `max_tokens`."""

    text: str
    cut: bool


class ChatClient:
    """Asks `POST {url}/chat/completions`. A request that fails for a passing reason is sent again after a pause.

    Args:
        url: Base of the service, such as http://localhost:8000/v1.
        model: Its name there.
        api_key_variable: Environment variable with the key, which is sent if it is set; None: no key is sent.
        deadline_s: Longest wait for one reply.
        tries: Attempts in all.
    """

    def __init__(
        self, url: str, model: str, api_key_variable: str | None = None, *, deadline_s: float, tries: int = 1
    ) -> None:
        self.url = f"{url.rstrip('/')}/chat/completions"
        self._model, self._deadline_s, self._tries = model, deadline_s, tries
        key = os.environ.get(api_key_variable) if api_key_variable else None
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        trust = _certificates() if url.startswith("https") else False  # no certificates to check: reads none, 50 ms
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.AsyncClient(headers=headers, timeout=None, limits=limits, verify=trust)

    async def reply(self, messages: Sequence[Mapping[str, str]], **options: Any) -> Reply:
        """One completion; `options`, such as `temperature` and `max_tokens`, go into the request as they are.

        Raises:
            DataError: The prompt is longer than the model's context, or the reply is no chat completion.
            ConfigError: The service refuses the request (status 4xx).
            ResourceError: It cannot be reached, or keeps failing.
        """
        body = {"model": self._model, "messages": list(messages), **options}
        problem = ""
        for attempt in range(self._tries):
            if attempt:
                await asyncio.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1)))
            try:
                async with asyncio.timeout(self._deadline_s):
                    status, content = await self._post(body)
            except TimeoutError:
                problem = f"no reply from it within {self._deadline_s:g} s"
            except httpx.RequestError as error:
                problem = f"{type(error).__name__} {error}".strip()
            else:
                if status != 429 and status < 500:
                    return self._read(status, content)
                problem = f"HTTP {status}: {_excerpt(content)}"
        times = f"{self._tries} times, last" if self._tries > 1 else "once"
        raise ResourceError(f"{self.url} failed {times}: {problem}")

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and content, up to MAX_REPLY bytes of it."""
        async with self._client.stream("POST", self.url, json=body) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_REPLY:
                    break
            return response.status_code, bytes(content)

    def _read(self, status: int, content: bytes) -> Reply:
        if status == 400 and b"context length" in content:
            raise DataError("prompt is longer than the model's context")
        if status >= 400:
            raise ConfigError(f"{self.url} answers status {status}: {_excerpt(content)}")
        try:
            choice = json.loads(content)["choices"][0]
            text, ended = choice["message"]["content"], choice.get("finish_reason")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DataError("reply is no chat completion") from error
        return Reply(text if isinstance(text, str) else "", ended == "length")

    async def aclose(self) -> None:
        await self._client.aclose()


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _excerpt(content: bytes) -> str:
    return content[:300].decode("utf-8", "replace")

"""A language model as judge of free text: any OpenAI-compatible endpoint, a written rubric, verdicts cached on disk."""

import asyncio
import hashlib
import json
import re
import secrets
from contextlib import aclosing
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from rayrl.config import Settings
from rayrl.errors import DataError, RayrlError
from rayrl.files import write_whole

MAX_CHARACTERS = 20_000
MAX_REPLY = 1 << 20
_VERDICT = re.compile(r"\{[^{}]*\"verdict\"[^{}]*\}")


class JudgeSettings(Settings):
    url: str | None = Field(None, pattern=r"^https?://")
    """Base of the endpoint, such as `http://localhost:8000/v1`; `/chat/completions` is added."""
    model: str | None = None
    """Name of the model there."""
    generators: bool = False
    """In place of `url`: the run's own generators judge, by the weights that they hold."""
    prompt_tokens: int = Field(2048, ge=1)
    """Longest prompt for `generators`, rubric included."""
    rubric: Path | None = None
    """File with the rubric; None: the one that comes with rayrl (rayrl/verify/finance/rubric.md)."""
    cache: Path | None = None
    """Folder of cached verdicts; None: none are kept."""
    deadline_s: float = Field(30.0, gt=0)
    """Longest wait for the endpoint, in seconds. `verifier.deadline_s` holds over all of it: set that above."""
    api_key_variable: str | None = "OPENAI_API_KEY"
    """Environment variable with the key, which is sent if it is set. None: no key is sent."""
    max_tokens: int = Field(200, ge=1)
    """Longest reply."""

    @model_validator(mode="before")
    @classmethod
    def refuse_old_name(cls, values: Any) -> Any:
        if isinstance(values, dict) and "api_key_env" in values:
            raise ValueError("api_key_env is called api_key_variable, as in endpoint; rename it")
        return values

    @model_validator(mode="after")
    def one_judge(self) -> Self:
        if self.generators == (self.url is not None):
            raise ValueError("give either url (of an endpoint, with model) or generators: true (those of the run)")
        if (self.model is None) != self.generators:
            raise ValueError("model goes with url: the name of the model there")
        if self.generators and self.cache is not None:
            raise ValueError("cache goes with url: the weights of generators change, and with them their verdicts")
        return self


class JudgeError(RayrlError):
    """The judge gave no verdict: no reply within the deadline, an HTTP error, or a reply that is no verdict."""


@cache
def read_rubric(path: Path | None) -> str:
    """The rubric's text.

    Raises:
        DataError: The file cannot be read, or is empty.
    """
    if path is None:
        return resources.files("rayrl.verify.finance").joinpath("rubric.md").read_text()
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"judge.rubric: cannot read {str(path)!r}: {error}") from error
    if not text.strip():
        raise DataError(f"judge.rubric: {str(path)!r} is empty")
    return text


def _messages(rubric: str, question: str, gold: str, response: str) -> list[dict[str, str]]:
    mark = secrets.token_hex(8)
    asked = f"Question: {question}\n\nReference answer: {gold}\n\nAnswer:\n{mark}\n{response}\n{mark}"
    return [{"role": "system", "content": rubric}, {"role": "user", "content": asked}]


def read_reply(reply: str) -> tuple[bool, str]:
    """(correct, reason) of a judge's reply.

    Raises:
        JudgeError: It holds no verdict, or more than one.
    """
    found = _VERDICT.findall(reply[-MAX_REPLY:])
    try:
        verdicts = [json.loads(text) for text in found]
    except ValueError as error:
        raise JudgeError(f"a reply that is no JSON: {reply[:100]!r}") from error
    words = {str(verdict["verdict"]).lower() for verdict in verdicts}
    if len(words) != 1 or not words <= {"correct", "incorrect"}:
        raise JudgeError(f"a reply without one verdict: {reply[:100]!r}")
    return words == {"correct"}, str(verdicts[-1].get("reason", ""))[:200]


async def _reply(url: str, settings: JudgeSettings, messages: list[dict[str, str]]) -> str:
    from rayrl.chat_client import ChatClient  # httpx takes long to import, and most verifiers have no judge

    variable, deadline_s = settings.api_key_variable, settings.deadline_s
    async with aclosing(ChatClient(url, str(settings.model), variable, deadline_s=deadline_s)) as client:
        return (await client.reply(messages, temperature=0, max_tokens=settings.max_tokens)).text


def ask_judge(settings: JudgeSettings, question: str, gold: str, response: str) -> tuple[bool, str]:
    """(correct, reason) from the cache or from the endpoint.

    Raises:
        JudgeError: No verdict; nothing is cached then.
        DataError: The rubric cannot be read.
    """
    if len(response) > MAX_CHARACTERS:
        raise JudgeError(f"a response of {len(response)} characters, more than {MAX_CHARACTERS}")
    if settings.url is None:
        raise JudgeError("judge.generators: only a training run has generators; name an endpoint: url, model")
    rubric = read_rubric(settings.rubric)
    response = response.encode("utf-8", "replace").decode()
    key = json.dumps([settings.url, settings.model, rubric, question, gold, response])
    path = settings.cache / f"{hashlib.sha256(key.encode()).hexdigest()}.json" if settings.cache else None
    if path is not None and path.is_file():
        kept = json.loads(path.read_text())
        return bool(kept["correct"]), str(kept["reason"])
    try:
        reply = asyncio.run(_reply(settings.url, settings, _messages(rubric, question, gold, response)))
    except RayrlError as error:
        raise JudgeError(str(error)) from error
    correct, reason = read_reply(reply)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"correct": correct, "reason": reason}))
    return correct, reason

"""Questions written by a language model: prompt from a template, reply read strictly, asked again if unusable."""

import zlib
from pathlib import Path
from typing import Protocol

import jinja2

from rayrl.errors import ConfigError, DataError
from rayrl.synth.chunks import Chunk
from rayrl.synth.settings import QuestionSettings
from rayrl.synth.triplets import REFUSAL, Outcome
from rayrl.synth.writers.replies import parse_reply

TEMPLATE = Path(__file__).parent / "templates" / "questions.md.j2"
_PARTING = "\n===\n"

Messages = list[dict[str, str]]


class Chat(Protocol):
    """A language model that can be asked."""

    async def reply(self, messages: Messages, seed: int) -> str:
        """One reply.

        Raises:
            DataError: This prompt cannot be answered (longer than the model takes, cut at the length limit).
            RayrlError: The model is away; asking on makes no sense.
        """

    async def close(self) -> None:
        """Lets go of connections and processes."""


class ModelWriter:
    """Asks a `Chat` for questions on a chunk, up to `settings.replies` times."""

    def __init__(self, chat: Chat, settings: QuestionSettings, seed: int) -> None:
        self._chat, self._settings, self._seed = chat, settings, seed
        path = settings.template or TEMPLATE
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)
        try:
            self._template = environment.from_string(path.read_text(encoding="utf-8"))
        except (OSError, jinja2.TemplateError) as error:
            raise ConfigError(f"questions.template: {str(path)!r} cannot be used: {error}") from error

    def messages(self, chunk: Chunk) -> Messages:
        """The prompt for a chunk.

        Raises:
            ConfigError: The template names something that is not known.
        """
        try:
            text = self._template.render(
                text=chunk.text,
                document=chunk.document,
                page_start=chunk.page_start,
                page_end=chunk.page_end,
                classes=self._settings.classes,
                refusal=REFUSAL,
            )
        except jinja2.TemplateError as error:
            raise ConfigError(f"questions.template: cannot be filled: {error}") from error
        system, parting, user = text.partition(_PARTING)
        if not parting:
            return [{"role": "user", "content": text.strip()}]
        return [{"role": "system", "content": system.strip()}, {"role": "user", "content": user.strip()}]

    async def write(self, chunk: Chunk) -> Outcome:
        messages, failures = self.messages(chunk), []
        for attempt in range(self._settings.replies):
            try:
                reply = await self._chat.reply(messages, zlib.crc32(f"{self._seed}/{chunk.id}/{attempt}".encode()))
                triplets, faults = parse_reply(reply)
            except DataError as error:
                failures.append(str(error))
                continue
            return Outcome(triplets, failures + faults, attempt + 1)
        return Outcome([], failures, self._settings.replies)

"""Rows -> texts to be read by both models: the chat with the question and the reference answer, tokenized once."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rayrl.config import PromptSettings, TextSettings
from rayrl.data.chat import require_written
from rayrl.data.chat_template import ChatTemplate
from rayrl.data.intake import Intake
from rayrl.data.question import prompt_chat, template_fixes
from rayrl.data.row import LeftOut, Row
from rayrl.data.template import fill
from rayrl.errors import DataError
from rayrl.files import write_whole
from rayrl.types import Example


@dataclass(frozen=True, slots=True)
class TextSet:
    """Texts, of which `loss_mask` marks the answer; and why -> names of the rows that are left out."""

    texts: list[Example]
    left_out: dict[str, list[str]]


def build_texts(settings: TextSettings, prompt: PromptSettings, tokenizer: Any, field: str) -> TextSet:
    """Raises DataError or ConfigError for rows that cannot be used, or where none is within `max_tokens`.

    Args:
        settings: Rows, templates, length.
        prompt: Of the run, for where `settings` has none.
        tokenizer: With a chat template.
        field: Where `settings` stand, for messages.
    """
    asked = settings.prompt or prompt
    intake = Intake(settings.data, f"{field}.data", template_fixes(asked, f"{field}.data"))
    render = ChatTemplate(tokenizer)

    def make(index: int, row: Row) -> Example | LeftOut:
        columns = intake.complete(row)
        if isinstance(columns, LeftOut):
            return columns
        chat = prompt_chat(columns, asked, settings.data.question_column)
        require_written(chat, lambda one: one.text(render))
        answer = {"role": "assistant", "content": fill(settings.template, columns, f"{field}.template")}
        before, whole = chat.text(render, True), replace(chat, messages=[*chat.messages, answer]).text(render, False)
        if not whole.startswith(before):
            raise DataError(f"{field}: the chat template writes the prompt of row {index} differently before an answer")
        first, second = (tokenizer.encode(t, add_special_tokens=False) for t in (before, whole[len(before) :]))
        if len(first) + len(second) > settings.max_tokens:
            return LeftOut(f"more than {settings.max_tokens} tokens")
        mask = [False] * len(first) + [True] * len(second)
        return Example(f"{field}-{index}", [*first, *second], mask)

    texts = list(intake.read(make))
    intake.require_good(any_left=bool(texts))
    if not texts:
        count = sum(map(len, intake.reasons.values()))
        raise DataError(f"{field}.max_tokens: {settings.max_tokens} leaves none of the {count} rows; raise it")
    return TextSet(texts, intake.reasons)


def write_texts(path: Path, sets: dict[str, list[Example]]) -> None:
    """For the ranks of a run, which `read_texts` from it."""
    write_whole(path, json.dumps({name: [asdict(text) for text in texts] for name, texts in sets.items()}))


def read_texts(path: Path) -> dict[str, Sequence[Example]]:
    """What `write_texts` wrote."""
    sets = json.loads(path.read_text())
    return {name: [Example(**text) for text in texts] for name, texts in sets.items()}

"""Rows -> texts to be read by both models: the chat with the question and the reference answer, tokenised once."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rayrl.config import PromptSettings, TextSettings
from rayrl.data.bad_rows import NoColumn, UnusableRow
from rayrl.data.chat_template import ChatTemplate
from rayrl.data.chats import require_written
from rayrl.data.fill import fill, is_blank
from rayrl.data.prompts import named_columns, prompt_chat
from rayrl.data.row import LeftOut, Row
from rayrl.data.rows import iterate_rows
from rayrl.errors import DataError
from rayrl.types import Example


@dataclass(frozen=True, slots=True)
class TextSet:
    """Texts, of which `loss_mask` marks the answer, and why each of the other rows (by number) is left out."""

    texts: list[Example]
    left_out: dict[int, str]


def build_texts(settings: TextSettings, prompt: PromptSettings, tokenizer: Any, field: str) -> TextSet:
    """Raises DataError or ConfigError for rows that cannot be used, or where none is within `max_tokens`.

    Args:
        settings: Rows, templates, length.
        prompt: Of the run, for where `settings` has none.
        tokenizer: With a chat template.
        field: Where `settings` stand, for messages.
    """
    texts: list[Example] = []
    left_out: dict[int, str] = {}
    render = ChatTemplate(tokenizer)
    for index, row in enumerate(iterate_rows(settings.data, f"{field}.data")):
        if isinstance(row, LeftOut):
            left_out[index] = row.reason
            continue
        names = settings.data.question_column, settings.data.answer_column
        if any(is_blank(row.get(name)) for name in names):
            raise DataError(
                f"{field}.data: row {index} has no {names[0]!r} or no {names[1]!r}, but {', '.join(row)}; name the "
                f"columns by {field}.data.question_column / answer_column"
            )
        try:
            before, whole = _chat(named_columns(row, settings.data), settings, prompt, render, field)
        except NoColumn:
            raise
        except UnusableRow as error:
            if settings.data.bad_golds == "skip":
                left_out[index] = error.kind
                continue
            raise DataError(
                f"{field}.data: row {index}: {error}; mend it, or leave such rows out by {field}.data.bad_golds: skip"
            ) from error
        if not whole.startswith(before):
            raise DataError(f"{field}: the chat template writes the prompt of row {index} differently before an answer")
        first, second = (tokenizer.encode(t, add_special_tokens=False) for t in (before, whole[len(before) :]))
        if len(first) + len(second) > settings.max_tokens:
            left_out[index] = f"more than {settings.max_tokens} tokens"
        else:
            mask = [False] * len(first) + [True] * len(second)
            texts.append(Example(f"{field}-{index}", [*first, *second], mask))
    if not texts:
        raise DataError(f"{field}.max_tokens: {settings.max_tokens} leaves none of the {len(left_out)} rows; raise it")
    return TextSet(texts, left_out)


def _chat(
    columns: Row, settings: TextSettings, prompt: PromptSettings, render: ChatTemplate, field: str
) -> tuple[str, str]:
    """The chat before the answer, and with it."""
    chat = prompt_chat(columns, settings.prompt or prompt, settings.data.question_column)
    require_written(chat, lambda one: one.text(render))
    answer = {"role": "assistant", "content": fill(settings.template, columns, f"{field}.template")}
    return chat.text(render, True), replace(chat, messages=[*chat.messages, answer]).text(render, False)


def write_texts(path: Path, sets: dict[str, list[Example]]) -> None:
    """For the ranks of a run, which `read_texts` from it."""
    path.write_text(json.dumps({name: [asdict(text) for text in texts] for name, texts in sets.items()}))


def read_texts(path: Path) -> dict[str, Sequence[Example]]:
    """What `write_texts` wrote."""
    sets = json.loads(path.read_text())
    return {name: [Example(**text) for text in texts] for name, texts in sets.items()}

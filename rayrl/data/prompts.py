"""Rows -> prompts: template, chat messages, token ids. Nothing is dropped unseen."""

from collections.abc import Callable
from dataclasses import dataclass

from rayrl.config import DatasetSettings, PromptSettings
from rayrl.data.bad_rows import NO_CHAT, NO_QUESTION, NO_TEXT, REFUSED, UNWRITTEN, BadRows, UnusableRow
from rayrl.data.chats import Chat, is_chat, read_chat, require_written
from rayrl.data.fill import fill, is_blank
from rayrl.data.row import LeftOut, Row
from rayrl.data.rows import iterate_rows
from rayrl.errors import DataError
from rayrl.types import Prompt

Render = Callable[..., str]
"""Messages (and `tools`, where there are any) -> the chat template's text, ready for the assistant's turn."""
Encode = Callable[[str], list[int]]
Select = Callable[[Row], Row | LeftOut]


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts of a dataset; and why -> ids of the rows that are left out."""

    prompts: list[Prompt]
    left_out: dict[str, list[str]]


def build_prompts(
    data: DatasetSettings,
    settings: PromptSettings,
    render: Render,
    encode: Encode,
    field: str,
    select: Select | None = None,
) -> PromptSet:
    """Tokenises every row of a dataset once.

    Args:
        data: The dataset.
        settings: System message, template and length limit.
        render: Messages -> the chat template's text, ready for the assistant's turn.
        encode: Text -> token ids, adding none.
        field: Config field of the dataset, for messages.
        select: A row -> what is used of it, or why it is left out. None: all of it is.

    Raises:
        DataError: No rows, rows without question or answer, without text for the template or that the chat template
            refuses (unless `data.bad_golds` is skip), or none that can be used.
        ConfigError: The template names a column that rows lack.
    """
    prompts: list[Prompt] = []
    left_out: dict[str, list[str]] = {}
    bad = BadRows(field, template_fixes(settings, field))
    last_incomplete: Row = {}
    too_long, incomplete = f"{field}: longer than {settings.max_tokens} tokens", f"{field}: no question or no answer"
    for index, found in enumerate(iterate_rows(data, field)):
        name = f"{field}-{index}"
        row = found if isinstance(found, LeftOut) or select is None else select(found)
        if isinstance(row, LeftOut):
            left_out.setdefault(f"{field}: {row.reason}", []).append(name)
            continue
        columns = named_columns(row, data)
        if is_blank(columns.get("question")) or is_blank(columns.get("answer")):
            left_out.setdefault(incomplete, []).append(name)
            last_incomplete = row
            continue
        try:
            chat = prompt_chat(columns, settings, data.question_column)
            require_written(chat, lambda one: one.text(render))
            text = chat.text(render)
        except UnusableRow as error:
            bad.add(name, error)
            continue
        token_ids = encode(text)
        if len(token_ids) > settings.max_tokens:
            left_out.setdefault(too_long, []).append(name)
        else:
            prompts.append(Prompt(name, text, token_ids, columns | {"question": question_text(columns)}))
    without = left_out.get(incomplete, [])
    if without and (data.bad_golds == "error" or not prompts):
        raise DataError(
            f"{field}: {len(without)} rows have no {data.question_column!r} or no {data.answer_column!r} "
            f"({', '.join(without[:10])}; the last has {', '.join(map(str, last_incomplete))}); set "
            f"{field}.question_column / answer_column, or leave them out by {field}.bad_golds: skip"
        )
    bad.require_few(data, any_left=bool(prompts))
    left_out |= bad.left_out()
    if not prompts:
        counts = ", ".join(f"{len(ids)} of {reason}" for reason, ids in left_out.items())
        raise DataError(f"{field}: no row is left ({counts}); raise prompt.max_tokens ({settings.max_tokens})")
    return PromptSet(prompts, left_out)


def template_fixes(settings: PromptSettings, field: str) -> dict[str, str]:
    """Kind of bad row -> what can be done about rows that cannot be written as prompts."""
    other = "name another model.chat_template"
    return {
        NO_QUESTION: f"set {field}.question_column or prompt.template",
        NO_TEXT: "change prompt.template",
        REFUSED: other if settings.system is None else f"leave out prompt.system, {other}",
        UNWRITTEN: other,
    }


def named_columns(row: Row, data: DatasetSettings) -> Row:
    """The row's columns, with those of `question_column` and `answer_column` by the names `question` and `answer`."""
    named = {"question": data.question_column, "answer": data.answer_column}
    return row | {name: row[column] for name, column in named.items() if column in row}


def prompt_chat(columns: Row, settings: PromptSettings, column: str) -> Chat:
    """The chat that asks a row's question: the template as user message, or, where the question is a chat itself,
    that chat, its last message written by the template.

    Args:
        columns: Of the row, with `question`.
        settings: System message and template.
        column: Where the question comes from, for messages.

    Raises:
        UnusableRow: The template names a column that the row lacks or that holds no text, or the chat is none.
    """
    question = columns.get("question")
    if not is_chat(question):
        if isinstance(question, list | dict):
            raise UnusableRow(NO_CHAT, f"{column!r} is neither text nor a list of messages with role and content")
        content = fill(settings.template, columns, "prompt.template")
        return Chat([{"role": "user", "content": content}]).starting_with(settings.system)
    chat = read_chat(columns, column)
    *before, last = chat.messages
    if last["role"] == "assistant":
        raise UnusableRow(NO_CHAT, f"the chat in {column!r} ends with an assistant message; what is asked must be last")
    asked = {name: last["content"] if value is question else value for name, value in columns.items()}
    message = last | {"content": fill(settings.template, asked, "prompt.template")}
    return Chat([*before, message], chat.tools).starting_with(settings.system)


def question_text(columns: Row) -> object:
    """The question as verifiers and reward functions get it: of a chat, its last message."""
    question = columns["question"]
    return question[-1].get("content") or "" if is_chat(question) else question

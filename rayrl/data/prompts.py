"""Rows -> prompts: template, chat messages, token ids. Nothing is dropped unseen."""

from collections.abc import Callable
from dataclasses import dataclass

from rayrl.config import DatasetSettings, PromptSettings
from rayrl.data.row import LeftOut, Row
from rayrl.data.rows import iterate_rows
from rayrl.errors import ConfigError, DataError
from rayrl.types import Prompt

Messages = list[dict[str, str]]
Render = Callable[[Messages], str]
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
        DataError: No rows, rows without question or answer (unless `data.bad_golds` is skip), or none that can be used.
        ConfigError: The template names a column that rows lack.
    """
    prompts: list[Prompt] = []
    left_out: dict[str, list[str]] = {}
    last_incomplete: Row = {}
    too_long, incomplete = f"{field}: longer than {settings.max_tokens} tokens", f"{field}: no question or no answer"
    for index, found in enumerate(iterate_rows(data, field)):
        name = f"{field}-{index}"
        row = found if isinstance(found, LeftOut) or select is None else select(found)
        if isinstance(row, LeftOut):
            left_out.setdefault(f"{field}: {row.reason}", []).append(name)
            continue
        columns = row | {"question": row.get(data.question_column), "answer": row.get(data.answer_column)}
        if _empty(columns["question"]) or _empty(columns["answer"]):
            left_out.setdefault(incomplete, []).append(name)
            last_incomplete = row
            continue
        text = render(prompt_messages(columns, settings))
        token_ids = encode(text)
        if len(token_ids) > settings.max_tokens:
            left_out.setdefault(too_long, []).append(name)
        else:
            prompts.append(Prompt(name, text, token_ids, columns))
    without = left_out.get(incomplete, [])
    if without and (data.bad_golds == "error" or not prompts):
        raise DataError(
            f"{field}: {len(without)} rows have no {data.question_column!r} or no {data.answer_column!r} "
            f"({', '.join(without[:10])}; the last has {', '.join(map(str, last_incomplete))}); set "
            f"{field}.question_column / answer_column, or leave them out by {field}.bad_golds: skip"
        )
    if not prompts:
        counts = ", ".join(f"{len(ids)} of {reason}" for reason, ids in left_out.items())
        raise DataError(f"{field}: no row is left ({counts}); raise prompt.max_tokens ({settings.max_tokens})")
    return PromptSet(prompts, left_out)


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def prompt_messages(columns: Row, settings: PromptSettings) -> Messages:
    """The chat that asks a row's question.

    Raises:
        ConfigError: The template names a column that the row lacks.
    """
    content = fill(settings.template, columns, "prompt.template")
    system = [] if settings.system is None else [{"role": "system", "content": settings.system}]
    return [*system, {"role": "user", "content": content}]


def fill(template: str, columns: Row, field: str) -> str:
    """`{column}` replaced by the row's column."""
    try:
        return template.format_map(columns)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise ConfigError(
            f"{field}: {template!r} cannot be filled ({error!r}); columns: {', '.join(columns)}"
        ) from error

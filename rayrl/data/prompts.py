"""Rows -> prompts: template, chat messages, token ids. Nothing is dropped unseen."""

from collections.abc import Callable
from dataclasses import dataclass

from rayrl.config import DatasetSettings, PromptSettings
from rayrl.data.rows import Row, load_rows
from rayrl.errors import ConfigError, DataError
from rayrl.types import Prompt

Messages = list[dict[str, str]]
Render = Callable[[Messages], str]
Encode = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts of a dataset, and the ids of rows that are too long."""

    prompts: list[Prompt]
    too_long: list[str]


def build_prompts(
    data: DatasetSettings, settings: PromptSettings, render: Render, encode: Encode, field: str
) -> PromptSet:
    """Tokenises every row of a dataset once.

    Args:
        data: The dataset.
        settings: System message, template and length limit.
        render: Messages -> the chat template's text, ready for the assistant's turn.
        encode: Text -> token ids, adding none.
        field: Config field of the dataset, for messages.

    Raises:
        DataError: No rows, or none within `settings.max_tokens`.
        ConfigError: The template names a column that rows lack.
    """
    prompts: list[Prompt] = []
    too_long: list[str] = []
    for index, row in enumerate(load_rows(data, field)):
        columns = row | {"question": row[data.question_column], "answer": row[data.answer_column]}
        text = render(prompt_messages(columns, settings))
        token_ids = encode(text)
        name = f"{field}-{index}"
        if len(token_ids) > settings.max_tokens:
            too_long.append(name)
        else:
            prompts.append(Prompt(name, text, token_ids, columns))
    if not prompts:
        raise DataError(
            f"prompt.max_tokens: {settings.max_tokens} leaves none of the {len(too_long)} rows of {field}; raise it"
        )
    return PromptSet(prompts, too_long)


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

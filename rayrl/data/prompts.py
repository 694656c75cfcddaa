"""Rows -> prompts: template, chat messages, token ids. Nothing is dropped unseen."""

from collections.abc import Callable
from dataclasses import dataclass

from rayrl.config import DatasetSettings, PromptSettings
from rayrl.data.chat import Encode, Render, require_written
from rayrl.data.intake import Intake
from rayrl.data.question import prompt_chat, question_text, template_fixes
from rayrl.data.row import LeftOut, Row, place_of
from rayrl.errors import DataError
from rayrl.types import Prompt

Select = Callable[[Row], Row | LeftOut]


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts of a dataset; why -> ids of the rows that are left out; and `FILE:LINE` of each prompt, where it has
    one."""

    prompts: list[Prompt]
    left_out: dict[str, list[str]]
    places: list[str]


def equal_prompts(field: str, count: int, equal: bool) -> list[str]:
    """What to say where the model sees the same prompt for every row of a dataset, though the answers differ."""
    if not equal:
        return []
    return [f"{field}: all {count} prompts are equal; check prompt.template and model.chat_template"]


def build_prompts(
    data: DatasetSettings,
    settings: PromptSettings,
    render: Render,
    encode: Encode,
    field: str,
    select: Select | None = None,
) -> PromptSet:
    """Tokenizes every row of a dataset once.

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
    intake = Intake(data, field, template_fixes(settings, field))
    places: list[str] = []

    def make(index: int, row: Row) -> Prompt | LeftOut:
        used = select(row) if select else row
        columns = used if isinstance(used, LeftOut) else intake.complete(used)
        if isinstance(columns, LeftOut):
            return columns
        chat = prompt_chat(columns, settings, data.question_column)
        require_written(chat, lambda one: one.text(render))
        text = chat.text(render)
        token_ids = encode(text)
        if len(token_ids) > settings.max_tokens:
            return LeftOut(f"longer than {settings.max_tokens} tokens")
        places.append(place_of(row))
        return Prompt(intake.name(index), text, token_ids, columns | {"question": question_text(columns)})

    prompts = list(intake.read(make))
    intake.require_good(any_left=bool(prompts))
    left_out = intake.left_out
    if not prompts:
        counts = ", ".join(f"{len(ids)} of {reason}" for reason, ids in left_out.items())
        raise DataError(f"{field}: no row is left ({counts}); raise prompt.max_tokens ({settings.max_tokens})")
    return PromptSet(prompts, left_out, places)

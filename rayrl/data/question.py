"""How a row's question becomes the chat that asks it: the same for prompts, examples and texts."""

from rayrl.config import PromptSettings
from rayrl.data.chat import Chat, is_chat, read_chat
from rayrl.data.row import EMPTY_PROMPT, NO_CHAT, NO_QUESTION, NO_TEXT, REFUSED, UNWRITTEN, Row, RowError
from rayrl.data.template import fill


def prompt_chat(columns: Row, settings: PromptSettings, column: str) -> Chat:
    """The chat that asks a row's question: the template as user message, or, where the question is a chat itself,
    that chat, its last message written by the template.

    Args:
        columns: Of the row, with `question`.
        settings: System message and template.
        column: Where the question comes from, for messages.

    Raises:
        RowError: The template names a column that the row lacks or that holds no text, or the chat is none.
    """
    question = columns.get("question")
    if not is_chat(question):
        if isinstance(question, list | dict):
            raise RowError(NO_CHAT, f"{column!r} is neither text nor a list of messages with role and content")
        content = fill(settings.template, columns, "prompt.template")
        return Chat([{"role": "user", "content": content}]).starting_with(settings.system)
    chat = read_chat(columns, column)
    *before, last = chat.messages
    if last["role"] == "assistant":
        raise RowError(NO_CHAT, f"the chat in {column!r} ends with an assistant message; what is asked must be last")
    asked = {name: last["content"] if value is question else value for name, value in columns.items()}
    message = last | {"content": fill(settings.template, asked, "prompt.template")}
    return Chat([*before, message], chat.tools).starting_with(settings.system)


def question_text(columns: Row) -> object:
    """The question as verifiers and reward functions get it: of a chat, its last message."""
    question = columns["question"]
    return question[-1].get("content") or "" if is_chat(question) else question


def template_fixes(settings: PromptSettings, field: str) -> dict[str, str]:
    """Kind of row error -> what can be done about rows that cannot be written as prompts."""
    other = "name another model.chat_template"
    return {
        NO_QUESTION: f"set {field}.question_column or prompt.template",
        NO_TEXT: "change prompt.template",
        REFUSED: other if settings.system is None else f"leave out prompt.system, {other}",
        EMPTY_PROMPT: f"change prompt.template, {other}",
        UNWRITTEN: other,
    }

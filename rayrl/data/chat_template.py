"""A tokenizer's chat template, and what it refuses in one message."""

from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError

from rayrl.data.chat import Messages, Tools
from rayrl.data.row import EMPTY_PROMPT, REFUSED, RowError
from rayrl.errors import ConfigError

MAX_ROLES = 6


class ChatTemplate:
    """Messages -> text.

    Args:
        tokenizer: Of transformers, with a chat template.
        file: `model.chat_template`, for messages; None: the tokenizer's own.
    """

    def __init__(self, tokenizer: Any, file: Path | None = None) -> None:
        self._tokenizer, self._file = tokenizer, file

    def __call__(self, messages: Messages, answer_next: bool = True, tools: Tools | None = None) -> str:
        """The text; `answer_next`: ready for the assistant's turn.

        Raises:
            RowError: The template does not take these messages, or writes no text for them.
            ConfigError: It is no template.
        """
        options = {"tools": tools} if tools else {}
        try:
            text = self._tokenizer.apply_chat_template(
                messages, add_generation_prompt=answer_next, tokenize=False, **options
            )
        except TemplateSyntaxError as error:
            where = f"file {str(self._file)!r}" if self._file else "the tokenizer's own"
            raise ConfigError(
                f"model.chat_template: {where} is no Jinja template (line {error.lineno}: {error.message}); mend it"
                + ("" if self._file else ", or name a file")
            ) from error
        except Exception as error:  # a template is a program: it raises what it likes
            reason = f"the chat template refuses the messages ({_roles(messages)}): {error or type(error).__name__}"
            raise RowError(REFUSED, reason) from error
        if messages and not text.strip():
            reason = f"model.chat_template: it writes no text for the messages ({_roles(messages)}) of this row"
            raise RowError(EMPTY_PROMPT, reason)
        return str(text)


def _roles(messages: Messages) -> str:
    roles = [str(message.get("role")) for message in messages]
    return ", ".join(roles[:MAX_ROLES]) + (", …" if len(roles) > MAX_ROLES else "") or "none"

"""Chats with a model that takes tokens: a prompt of messages, a reply of what was sampled. Knows no Ray."""

from pathlib import Path
from typing import Any

from rayrl.data.chat_template import ChatTemplate
from rayrl.errors import DataError, ModelError
from rayrl.models import load_tokenizer
from rayrl.types import Rollout


class ChatPrompts:
    """Messages as token ids, in a model's chat template, and replies from what was sampled.

    Args:
        model: Folder or hub name.
        chat_template: File with a template in place of the tokenizer's own.
        prompt_tokens: Longest prompt.
        where: Of the settings, for messages: `judge.` where they are the judge's.

    Raises:
        ModelError: There is no chat template.
    """

    def __init__(self, model: str, chat_template: Path | None, prompt_tokens: int, where: str = "") -> None:
        self._tokenizer: Any = load_tokenizer(model, chat_template)
        self._prompt_tokens = prompt_tokens
        self._where = where
        if self._tokenizer.chat_template is None:
            raise ModelError(
                f"model.path: the tokenizer of {model!r} has no chat template; name a Jinja file as model.chat_template"
            )
        self._template = ChatTemplate(self._tokenizer, chat_template)

    def token_ids(self, messages: list[dict[str, str]]) -> list[int]:
        """The prompt.

        Raises:
            DataError: It is longer than `prompt_tokens`, or the chat template refuses it.
        """
        text = self._template(messages)
        token_ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        if len(token_ids) > self._prompt_tokens:
            raise DataError(
                f"prompt of {len(token_ids)} tokens is longer than {self._where}prompt_tokens ({self._prompt_tokens})"
            )
        return token_ids


def whole_text(rollout: Rollout, limit: str) -> str:
    """The text of a reply.

    Raises:
        DataError: It was cut at `limit`.
    """
    if rollout.finish_reason == "length":
        raise DataError(f"reply was cut at {limit} ({len(rollout.token_ids)})")
    return rollout.text

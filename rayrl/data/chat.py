"""Chats in rows: lists of messages, with tools and tool calls, as chat templates take them."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rayrl.data.row import EMPTY_MESSAGE, NO_CHAT, UNWRITTEN, Row, RowError

Message = dict[str, Any]
Messages = list[Message]
Tools = list[dict[str, Any]]
Render = Callable[..., str]
"""Messages, whether it is the assistant's turn, and `tools` where there are any -> the chat template's text."""
Encode = Callable[[str], list[int]]
"""Text -> token ids, adding none."""


@dataclass(frozen=True, slots=True)
class Chat:
    """What a chat template is given. tools: JSON schemas of functions, or None."""

    messages: Messages
    tools: Tools | None = None

    def starting_with(self, system: str | None) -> "Chat":
        """With a system message first, where it has none."""
        if system is None or self.messages[0]["role"] == "system":
            return self
        return replace(self, messages=[{"role": "system", "content": system}, *self.messages])

    def until(self, end: int) -> "Chat":
        """Its first messages."""
        return replace(self, messages=self.messages[:end])

    def text(self, render: Render, *answer_next: bool) -> str:
        """Written by a chat template; `answer_next`: whether it ends ready for the assistant's turn."""
        return render(self.messages, *answer_next, **({"tools": self.tools} if self.tools else {}))


def is_chat(value: object) -> bool:
    """Whether a column's value is meant as a chat: a list of mappings."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def read_chat(row: Row, column: str) -> Chat:
    """The chat in a column, and the tools in the column `tools` (a list, or that as JSON), as TRL reads them.

    What is null is left out of messages and tools: tables write every key of every row
    (https://github.com/modelscope/ms-swift/pull/10125). Arguments of tool calls that are JSON in a text become
    mappings, as vLLM hands them to templates (https://github.com/vllm-project/vllm/pull/28820).

    Raises:
        RowError: It is none, or a message is empty: what would be learned of it is to end at once.
    """
    value = row.get(column)
    if not is_chat(value):
        raise RowError(NO_CHAT, f"{column!r} is no list of messages with role and content")
    messages = [_message(message, f"message {number} of {column!r}") for number, message in enumerate(value or [])]
    return Chat(messages, _tools(row.get("tools")))


def _message(given: Message, where: str) -> Message:
    message: Message = {key: value for key, value in given.items() if value is not None}
    calls = message.pop("tool_calls", None) or []
    if not isinstance(message.get("role"), str):
        raise RowError(NO_CHAT, f"{where} is no message with role and content; it has {', '.join(map(str, given))}")
    content = message.get("content", "" if calls else None)
    if content is not None and not isinstance(content, str):
        raise RowError(NO_CHAT, f"{where}: its content is no text, but {type(content).__name__}")
    if not calls and not (content or "").strip() and message["role"] in ("user", "assistant"):
        raise RowError(EMPTY_MESSAGE, f"{where} ({message['role']}) has no text")
    message["content"] = content or ""
    if calls:
        message["tool_calls"] = [_call(call, where) for call in calls] if isinstance(calls, list) else _no_call(where)
    return message


def _call(call: Any, where: str) -> dict[str, Any]:
    if not isinstance(call, dict):
        _no_call(where)
    found: dict[str, Any] = _without_nulls(call)
    function = found.get("function", found)
    if not isinstance(function, dict) or not function.get("name"):
        _no_call(where)
    if isinstance(text := function.get("arguments"), str):
        with contextlib.suppress(json.JSONDecodeError):  # what a model wrote is not always JSON
            function["arguments"] = json.loads(text)
    return found


def _no_call(where: str) -> Any:
    raise RowError(NO_CHAT, f"{where}: tool_calls is no list of calls with the name of a function")


def _tools(value: Any) -> Tools | None:
    try:
        tools = json.loads(value) if isinstance(value, str) and value.strip() else value or None
    except json.JSONDecodeError:
        tools = value
    if tools is not None and not is_chat(tools):
        raise RowError(NO_CHAT, "'tools' is no list of functions")
    found: Tools | None = _without_nulls(tools)
    return found


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def require_written(chat: Chat, render: Callable[[Chat], str]) -> None:
    """Raises RowError where a template leaves the tools or a tool call out of its text."""
    calling = [index for index, message in enumerate(chat.messages) if "tool_calls" in message]
    if not calling and not chat.tools:
        return
    text = render(chat)
    if chat.tools and _text(render, replace(chat, tools=None)) == text:
        raise RowError(UNWRITTEN, "the chat template does not write the row's tools")
    for index in calling:
        without = {key: value for key, value in chat.messages[index].items() if key != "tool_calls"}
        silent = [*chat.messages[:index], without, *chat.messages[index + 1 :]]
        if _text(render, replace(chat, messages=silent)) == text:
            raise RowError(UNWRITTEN, f"the chat template does not write the tool calls of message {index}")


def _text(render: Callable[[Chat], str], chat: Chat) -> str | None:
    """None: the template takes no such chat, so it has seen what is missing."""
    try:
        return render(chat)
    except RowError:
        return None

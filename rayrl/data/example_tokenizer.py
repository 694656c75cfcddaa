"""A row -> the text of its example, in pieces that are learned and pieces that are not.

A prompt is rendered and encoded exactly as for rollouts, so that SFT and GRPO see the same tokens.
"""

from dataclasses import replace
from typing import NamedTuple

from rayrl.config import DatasetSettings, PromptSettings, TargetSettings
from rayrl.data.chat import Chat, Encode, Render, read_chat, require_written
from rayrl.data.intake import name_columns
from rayrl.data.question import prompt_chat
from rayrl.data.row import NO_ANSWER, NO_CHAT, NO_QUESTION, REFUSED, LeftOut, Row, RowError
from rayrl.data.template import fill, find_columns, is_blank
from rayrl.errors import ModelError


class Pieces(NamedTuple):
    """An example in text: what is learned of it, and what is not."""

    texts: list[tuple[str, bool]]
    end_added: bool
    """The chat template writes no `eos` after the last message, so one was put there."""


class ExampleTokenizer:
    """A row -> the tokens of its example."""

    def __init__(
        self,
        data: DatasetSettings,
        prompt: PromptSettings,
        target: TargetSettings,
        render: Render,
        encode: Encode,
        eos: str | None,
    ) -> None:
        if not eos:
            raise ModelError(
                "model.path: the tokenizer names no end-of-sequence token, so that no example could teach where to "
                "stop; set eos_token in its tokenizer_config.json"
            )
        self.data, self.prompt, self.target = data, prompt, target
        self.render, self.encode, self.eos = render, encode, eos

    def selected(self, row: Row) -> Row | LeftOut:
        """The row without the chat that SFT learns, or why SFT leaves it out: GRPO then trains on the same problems."""
        try:
            pieces = self.pieces(row).texts
        except RowError as error:
            return LeftOut("no answer that SFT could learn" if error.kind in (NO_ANSWER, NO_CHAT) else error.kind)
        limit = self.target.max_tokens
        if self.target.too_long == "drop" and sum(len(self.encode(text)) for text, _ in pieces) > limit:
            return LeftOut(f"example longer than {limit} tokens")
        return {name: value for name, value in row.items() if name != self.target.messages_column}

    def pieces(self, row: Row) -> Pieces:
        """The row's chat in text.

        Raises:
            RowError: There is nothing to learn, or it cannot be told from what is asked.
        """
        chat = self._chat(row)
        require_written(chat, lambda one: one.text(self.render, False))
        pieces: list[tuple[str, bool]] = []
        done = ""
        for index, message in enumerate(chat.messages):
            if message["role"] != "assistant":
                continue
            before, after = chat.until(index).text(self.render, True), chat.until(index + 1).text(self.render, False)
            if not before.startswith(done) or not after.startswith(before):
                reason = (
                    "the chat template rewrites earlier messages, so what is learned cannot be told from the prompt"
                )
                raise RowError(REFUSED, reason)
            pieces += [(before[len(done) :], False), (after[len(before) :], True)]
            done = after
        last, _ = pieces.pop()
        content = chat.messages[-1]["content"].strip()
        ended = last.rfind(self.eos, last.find(content) + len(content))  # not within what the message itself says
        learned = last[: ended + len(self.eos)] if ended >= 0 else last.rstrip() + self.eos
        return Pieces([*pieces, (learned, True)], end_added=ended < 0)

    def _chat(self, row: Row) -> Chat:
        """Messages up to the last that is learned."""
        column, system = self.target.messages_column, self.prompt.system
        if column is None:
            columns = name_columns(row, self.data)
            self._require_question(row, columns)
            return self._answered(prompt_chat(columns, self.prompt, self.data.question_column), columns)
        chat = read_chat(row, column)
        last = max((at for at, message in enumerate(chat.messages) if message["role"] == "assistant"), default=None)
        if last is None:
            raise RowError(NO_CHAT, f"{column!r} has no assistant message")
        return chat.until(last + 1).starting_with(system)

    def _require_question(self, row: Row, columns: Row) -> None:
        """Raises RowError where the template asks for the question and the row has none."""
        column = self.data.question_column
        if find_columns(self.prompt.template) & {"question", column} and is_blank(columns.get("question")):
            raise RowError(NO_QUESTION, f"{column!r} is empty or not there; the row has {', '.join(map(str, row))}")

    def _answered(self, chat: Chat, columns: Row) -> Chat:
        if not any(message["content"].strip() for message in chat.messages if message["role"] != "system"):
            raise RowError(NO_QUESTION, "prompt.template: the message is empty")
        try:
            answer = fill(self.target.template, columns, "target.template")
        except RowError as error:
            raise RowError(NO_ANSWER, str(error)) from error
        if not answer.strip():
            raise RowError(NO_ANSWER, "the answer is empty")
        return replace(chat, messages=[*chat.messages, {"role": "assistant", "content": answer}])

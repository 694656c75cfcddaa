"""Rows -> supervised examples, tokenised once into a file that every rank maps: memory does not grow with their number.

A prompt is rendered and encoded exactly as for rollouts, so that SFT and GRPO see the same tokens.
"""

import json
from collections.abc import Callable, Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from rayrl.config import DatasetSettings, PromptSettings, SFTConfig, TargetSettings
from rayrl.data.bad_rows import NO_ANSWER, NO_CHAT, NO_QUESTION, REFUSED, BadRows, UnusableRow
from rayrl.data.chats import Chat, read_chat, require_written
from rayrl.data.fill import asked_columns, fill, is_blank
from rayrl.data.prompts import Encode, named_columns, prompt_chat, template_fixes
from rayrl.data.row import LeftOut, Row
from rayrl.data.rows import iterate_rows
from rayrl.data.stream import Numbers
from rayrl.errors import ConfigError, DataError, ModelError
from rayrl.types import Example

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("loss_mask", pa.list_(pa.bool_())),
        ("group", pa.int64()),
    ]
)
ROWS_PER_BATCH = 256

RenderChat = Callable[..., str]
"""Messages, and whether it is the assistant's turn (and `tools`, where there are any) -> the chat template's text."""


class ExampleFile:
    """Examples of a run, on disk. Rows with one value of `target.share_column` have one group number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.left_out: dict[str, list[str]] = json.loads(self._table.schema.metadata[b"left_out"])
        self.notes: list[str] = json.loads(self._table.schema.metadata.get(b"notes", b"[]"))
        """What was done to examples that a user should know."""

    def move(self, path: Path) -> None:
        """Renames the file; what is mapped stays."""
        self.path = self.path.replace(path)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, index: int) -> Example:
        row = {name: self._table.column(name)[index].as_py() for name in ("id", "token_ids", "loss_mask")}
        return Example(**row)

    def lengths(self) -> Numbers:
        """Tokens of each example."""
        found: Numbers = pc.list_value_length(self._table.column("token_ids")).to_numpy()
        return found

    def groups(self) -> Numbers:
        """The group number of each example."""
        numbers: Numbers = self._table.column("group").to_numpy()
        return numbers


def write_examples(
    config: SFTConfig, render: RenderChat, encode: Encode, eos: str, held_out: Set[str], path: Path
) -> ExampleFile:
    """Tokenises every row of `config.train_data`.

    Args:
        config: Names rows, templates and the length limit.
        render: The chat template.
        encode: Text -> token ids, adding none.
        eos: The token that ends what the generators sample. It is learned as the end of the last assistant message,
            where the template writes none too (as TRL, LLaMA-Factory and ms-swift do); what follows is not learned.
        held_out: Texts of prompts that must not be trained on.
        path: File to write.

    Raises:
        DataError: No rows, rows that cannot be learned (unless `train_data.bad_golds` is skip), or none within the
            limit.
        ConfigError: A template names a column that rows lack.
        ModelError: There is no `eos`.
    """
    limit, left_out = config.target.max_tokens, _LeftOut(config)
    tokenizer = ExampleTokenizer(config.train_data, config.prompt, config.target, render, encode, eos)
    # The metadata is known at the end only: a first file without it is copied, batch by batch.
    draft = path.with_suffix(".draft")
    try:
        with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            for batch in _batches(_examples(config, tokenizer, held_out, left_out)):
                writer.write_batch(batch)
        with pa.memory_map(str(draft)) as source:
            reader = pa.ipc.open_file(source)
            left_out.bad.require_few(config.train_data, any_left=bool(reader.num_record_batches))
            if not reader.num_record_batches:
                raise DataError(f"target.max_tokens: {limit} leaves none of the rows of train_data; raise it")
            kept = {"left_out": left_out.listed(), "notes": left_out.notes(eos)}
            schema = SCHEMA.with_metadata({name: json.dumps(value) for name, value in kept.items()})
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                for index in range(reader.num_record_batches):
                    writer.write_batch(reader.get_batch(index).replace_schema_metadata(schema.metadata))
    finally:
        draft.unlink(missing_ok=True)
    return ExampleFile(path)


class _LeftOut:
    """Ids of rows that are not trained on as they are, by reason."""

    def __init__(self, config: SFTConfig) -> None:
        fixes = {NO_ANSWER: "set target.template (or target.messages_column)"}
        self.bad = BadRows("train_data", fixes | template_fixes(config.prompt, "train_data"))
        self.reasons: dict[str, list[str]] = {}
        self.ends_added = 0
        """Examples at whose end the chat template writes no `eos`, and one was put there."""

    def add(self, reason: str, name: str) -> None:
        self.reasons.setdefault(reason, []).append(name)

    def listed(self) -> dict[str, list[str]]:
        return self.reasons | self.bad.left_out()

    def notes(self, eos: str) -> list[str]:
        if not self.ends_added:
            return []
        return [
            f"model.chat_template: it writes no {eos} after an answer; one was put at the end of {self.ends_added} "
            "examples and is learned, so that the model learns to stop"
        ]


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
        render: RenderChat,
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
        except UnusableRow as error:
            return LeftOut("no answer that SFT could learn" if error.kind in (NO_ANSWER, NO_CHAT) else error.kind)
        limit = self.target.max_tokens
        if self.target.too_long == "drop" and sum(len(self.encode(text)) for text, _ in pieces) > limit:
            return LeftOut(f"example longer than {limit} tokens")
        return {name: value for name, value in row.items() if name != self.target.messages_column}

    def pieces(self, row: Row) -> Pieces:
        """The row's chat in text.

        Raises:
            UnusableRow: There is nothing to learn, or it cannot be told from what is asked.
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
                raise UnusableRow(REFUSED, reason)
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
            columns = named_columns(row, self.data)
            self._require_question(row, columns)
            return self._answered(prompt_chat(columns, self.prompt, self.data.question_column), columns)
        chat = read_chat(row, column)
        last = max((at for at, message in enumerate(chat.messages) if message["role"] == "assistant"), default=None)
        if last is None:
            raise UnusableRow(NO_CHAT, f"{column!r} has no assistant message")
        return chat.until(last + 1).starting_with(system)

    def _require_question(self, row: Row, columns: Row) -> None:
        """Raises UnusableRow where the template asks for the question and the row has none."""
        column = self.data.question_column
        if asked_columns(self.prompt.template) & {"question", column} and is_blank(columns.get("question")):
            raise UnusableRow(NO_QUESTION, f"{column!r} is empty or not there; the row has {', '.join(map(str, row))}")

    def _answered(self, chat: Chat, columns: Row) -> Chat:
        if not any(message["content"].strip() for message in chat.messages if message["role"] != "system"):
            raise UnusableRow(NO_QUESTION, "prompt.template: the message is empty")
        try:
            answer = fill(self.target.template, columns, "target.template")
        except UnusableRow as error:
            raise UnusableRow(NO_ANSWER, str(error)) from error
        if not answer.strip():
            raise UnusableRow(NO_ANSWER, "the answer is empty")
        return replace(chat, messages=[*chat.messages, {"role": "assistant", "content": answer}])


def _examples(
    config: SFTConfig, tokenizer: ExampleTokenizer, held_out: Set[str], left_out: _LeftOut
) -> Iterator[dict[str, Any]]:
    """Rows of the file, those that are too long cut or left out."""
    limit, groups = config.target.max_tokens, _Groups(config.target.share_column)
    for index, row in enumerate(iterate_rows(config.train_data, "train_data")):
        name = f"train_data-{index}"
        if isinstance(row, LeftOut):
            left_out.add(f"train_data: {row.reason}", name)
            continue
        try:
            found = tokenizer.pieces(row)
        except UnusableRow as error:
            left_out.bad.add(name, error)
            continue
        if found.texts[0][0] in held_out:
            left_out.add("train_data: held out too", name)
            continue
        left_out.ends_added += found.end_added
        encoded = [(tokenizer.encode(text), learned) for text, learned in found.texts]
        token_ids = [token for tokens, _ in encoded for token in tokens]
        mask = [learned for tokens, learned in encoded for _ in tokens]
        if len(token_ids) > limit:
            cut = config.target.too_long == "truncate" and any(mask[1:limit])
            left_out.add(f"train_data: {'cut at' if cut else 'longer than'} {limit} tokens", name)
            if not cut:
                continue
        yield {"id": name, "token_ids": token_ids[:limit], "loss_mask": mask[:limit], "group": groups.of(row, index)}


class _Groups:
    """Numbers of what rows share."""

    def __init__(self, column: str | None) -> None:
        self.column = column
        self.numbers: dict[str, int] = {}

    def of(self, row: Row, index: int) -> int:
        """The first index of a row with the same value; without a column the row's own."""
        if self.column is None:
            return index
        if self.column not in row:
            raise ConfigError(f"target.share_column: no column {self.column!r}; columns: {', '.join(row)}")
        return self.numbers.setdefault(str(row[self.column]), index)


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    held: list[dict[str, Any]] = []
    for row in rows:
        held.append(row)
        if len(held) == ROWS_PER_BATCH:
            yield pa.RecordBatch.from_pylist(held, schema=SCHEMA)
            held = []
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=SCHEMA)

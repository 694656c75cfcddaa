"""Rows -> supervised examples, tokenised once into a file that every rank maps: memory does not grow with their number.

A prompt is rendered and encoded exactly as for rollouts, so that SFT and GRPO see the same tokens.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rayrl.config import DatasetSettings, PromptSettings, SFTConfig, TargetSettings
from rayrl.data.prompts import Encode, Messages, fill, prompt_messages
from rayrl.data.row import LeftOut, Row
from rayrl.data.rows import iterate_rows
from rayrl.data.stream import Numbers
from rayrl.errors import ConfigError, DataError
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

RenderChat = Callable[[Messages, bool], str]
"""Messages -> the chat template's text; True: ready for the assistant's turn."""


class ExampleFile:
    """Examples of a run, on disk. Rows with one value of `target.share_column` have one group number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.left_out: dict[str, list[str]] = json.loads(self._table.schema.metadata[b"left_out"])

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
        eos: The token that ends an assistant message; what the template puts after the last one is not learned.
        held_out: Texts of prompts that must not be trained on.
        path: File to write.

    Raises:
        DataError: No rows, rows without an answer (unless `train_data.bad_golds` is skip), or none within the limit.
        ConfigError: A template names a column that rows lack.
    """
    limit, left_out = config.target.max_tokens, _LeftOut()
    tokenizer = ExampleTokenizer(config.train_data, config.prompt, config.target, render, encode, eos)
    # The metadata is known at the end only: a first file without it is copied, batch by batch.
    draft = path.with_suffix(".draft")
    try:
        with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            for batch in _batches(_examples(config, tokenizer, held_out, left_out)):
                writer.write_batch(batch)
        with pa.memory_map(str(draft)) as source:
            reader = pa.ipc.open_file(source)
            if left_out.bad and (config.train_data.bad_golds == "error" or not reader.num_record_batches):
                raise DataError(left_out.bad_rows_message(config))
            if not reader.num_record_batches:
                raise DataError(f"target.max_tokens: {limit} leaves none of the rows of train_data; raise it")
            schema = SCHEMA.with_metadata({"left_out": json.dumps(left_out.listed())})
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                for index in range(reader.num_record_batches):
                    writer.write_batch(reader.get_batch(index).replace_schema_metadata(schema.metadata))
    finally:
        draft.unlink()
    return ExampleFile(path)


class _LeftOut:
    """Ids of rows that are not trained on as they are, by reason."""

    def __init__(self) -> None:
        self.bad: dict[str, str] = {}
        self.reasons: dict[str, list[str]] = {}

    def add(self, reason: str, name: str) -> None:
        self.reasons.setdefault(reason, []).append(name)

    def listed(self) -> dict[str, list[str]]:
        return self.reasons | ({"train_data: no answer": list(self.bad)} if self.bad else {})

    def bad_rows_message(self, config: SFTConfig) -> str:
        listed = "\n".join(f"  {name}: {reason}" for name, reason in list(self.bad.items())[:10])
        common = Counter(self.bad.values()).most_common(1)[0][1]
        return (
            f"train_data: {len(self.bad)} rows have no answer to learn ({common} for the same reason):\n{listed}\n"
            "mend them, set target.template (or target.messages_column), or leave them out by "
            "train_data.bad_golds: skip"
        )


class ExampleTokenizer:
    """A row -> the tokens of its example."""

    def __init__(
        self,
        data: DatasetSettings,
        prompt: PromptSettings,
        target: TargetSettings,
        render: RenderChat,
        encode: Encode,
        eos: str,
    ) -> None:
        self.data, self.prompt, self.target = data, prompt, target
        self.render, self.encode, self.eos = render, encode, eos

    def selected(self, row: Row) -> Row | LeftOut:
        """The row without the chat that SFT learns, or why SFT leaves it out: GRPO then trains on the same problems."""
        pieces = self.pieces(row)
        if isinstance(pieces, str):
            return LeftOut("no answer that SFT could learn")
        limit = self.target.max_tokens
        if self.target.too_long == "drop" and sum(len(self.encode(text)) for text, _ in pieces) > limit:
            return LeftOut(f"example longer than {limit} tokens")
        return {name: value for name, value in row.items() if name != self.target.messages_column}

    def pieces(self, row: Row) -> list[tuple[str, bool]] | str:
        """Text in pieces, each learned or not; or why the row has nothing to learn."""
        messages = self._messages(row)
        if isinstance(messages, str):
            return messages
        pieces: list[tuple[str, bool]] = []
        done = ""
        for index, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before, after = self.render(messages[:index], True), self.render(messages[: index + 1], False)
            if not before.startswith(done) or not after.startswith(before):
                return "the chat template rewrites earlier messages, so what is learned cannot be told from the prompt"
            pieces += [(before[len(done) :], False), (after[len(before) :], True)]
            done = after
        last = pieces[-1][0]
        ended = last.rfind(self.eos)
        return [*pieces[:-1], (last[: ended + len(self.eos)] if ended >= 0 else last, True)]

    def _messages(self, row: Row) -> Messages | str:
        data, target = self.data, self.target
        if target.messages_column is None:
            columns = row | {"question": row.get(data.question_column), "answer": row.get(data.answer_column)}
            try:
                answer = fill(target.template, {k: v for k, v in columns.items() if v is not None}, "target.template")
            except ConfigError as error:
                return str(error)
            if not answer.strip():
                return "the answer is empty"
            return [*prompt_messages(columns, self.prompt), {"role": "assistant", "content": answer}]
        messages = row.get(target.messages_column)
        if not isinstance(messages, list) or not all(_is_message(message) for message in messages):
            return f"{target.messages_column!r} is no list of messages with role and content"
        if not any(message["role"] == "assistant" for message in messages):
            return f"{target.messages_column!r} has no assistant message"
        if self.prompt.system is not None and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": self.prompt.system}, *messages]
        last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
        return [{"role": m["role"], "content": m["content"]} for m in messages[: last + 1]]


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
        found = tokenizer.pieces(row)
        if isinstance(found, str):
            left_out.bad[name] = found
            continue
        if found[0][0] in held_out:
            left_out.add("train_data: held out too", name)
            continue
        encoded = [(tokenizer.encode(text), learned) for text, learned in found]
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


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    held: list[dict[str, Any]] = []
    for row in rows:
        held.append(row)
        if len(held) == ROWS_PER_BATCH:
            yield pa.RecordBatch.from_pylist(held, schema=SCHEMA)
            held = []
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=SCHEMA)

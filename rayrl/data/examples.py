"""Supervised examples, tokenized once into a file that every rank maps: memory does not grow with their number."""

import json
from collections.abc import Iterator, Set
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rayrl.config import SFTConfig
from rayrl.data.chat import Encode, Render
from rayrl.data.example_tokenizer import ExampleTokenizer
from rayrl.data.intake import Intake
from rayrl.data.order import Numbers
from rayrl.data.prompts import equal_prompts
from rayrl.data.question import template_fixes
from rayrl.data.row import NO_ANSWER, LeftOut, Row
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
HELD_OUT = "held out too"


class ExampleFile:
    """Examples of a run, on disk. Rows with one value of `target.share_column` have one group number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self._table = reader.read_all()
        _, about = reader.get_batch_with_custom_metadata(reader.num_record_batches - 1)
        self.left_out: dict[str, list[str]] = json.loads(about[b"left_out"])
        self.notes: list[str] = json.loads(about[b"notes"])
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
    config: SFTConfig, render: Render, encode: Encode, eos: str, held_out: Set[str], path: Path
) -> ExampleFile:
    """Tokenizes every row of `config.train_data`.

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
    examples = _Examples(config, render, encode, eos, held_out)
    try:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            for batch in _batches(examples.intake.read(examples.make)):
                writer.write_batch(batch)
            examples.require_any(bool(writer.stats.num_record_batches))
            # What is known at the end only goes with a last batch of no rows.
            about = {"left_out": examples.intake.left_out, "notes": examples.notes()}
            empty = pa.RecordBatch.from_pylist([], schema=SCHEMA)
            writer.write_batch(empty, {name: json.dumps(value) for name, value in about.items()})
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return ExampleFile(path)


class _Examples:
    """Rows of the file, those that are too long cut or left out."""

    def __init__(self, config: SFTConfig, render: Render, encode: Encode, eos: str, held_out: Set[str]) -> None:
        self.target, self.eos, self.held_out = config.target, eos, held_out
        fixes = {NO_ANSWER: "set target.template (or target.messages_column)"}
        self.intake = Intake(config.train_data, "train_data", fixes | template_fixes(config.prompt, "train_data"))
        self.tokenizer = ExampleTokenizer(config.train_data, config.prompt, config.target, render, encode, eos)
        self.groups: dict[str, int] = {}
        self.ends_added = 0
        """Examples at whose end the chat template writes no `eos`, and one was put there."""
        self.prompts = self.equal = 0
        """Rows with a prompt, and those of them whose prompt is that of the first."""
        self.first: list[tuple[str, bool]] = []
        """The pieces of the first example."""
        self.answers_differ = False

    def make(self, index: int, row: Row) -> dict[str, Any] | LeftOut:
        found = self.tokenizer.pieces(row)
        prompt = found.texts[0][0]
        self.first = self.first or found.texts
        self.prompts += 1
        self.equal += prompt == self.first[0][0]
        self.answers_differ |= found.texts[1:] != self.first[1:]
        if prompt in self.held_out:
            return LeftOut(HELD_OUT)
        self.ends_added += found.end_added
        encoded = [(self.tokenizer.encode(text), learned) for text, learned in found.texts]
        token_ids = [token for tokens, _ in encoded for token in tokens]
        mask = [learned for tokens, learned in encoded for _ in tokens]
        limit = self.target.max_tokens
        if len(token_ids) > limit:
            if self.target.too_long == "drop" or not any(mask[1:limit]):
                return LeftOut(f"longer than {limit} tokens")
            self.intake.note(f"cut at {limit} tokens", index)
        columns = {"token_ids": token_ids[:limit], "loss_mask": mask[:limit], "group": self._group(row, index)}
        return {"id": self.intake.name(index), **columns}

    def _group(self, row: Row, index: int) -> int:
        """The first index of a row with the same value of `share_column`; without one the row's own."""
        column = self.target.share_column
        if column is None:
            return index
        if column not in row:
            raise ConfigError(f"target.share_column: no column {column!r}; columns: {', '.join(row)}")
        return self.groups.setdefault(str(row[column]), index)

    def require_any(self, any_left: bool) -> None:
        """Raises DataError or ConfigError where rows are bad and not to be skipped, or none is left."""
        self.intake.require_good(any_left)
        if not any_left:
            reasons, limit = self.intake.reasons, self.target.max_tokens
            counts = ", ".join(f"{len(names)} of {reason}" for reason, names in reasons.items())
            notes = "".join(f"\n{note}" for note in equal_prompts("train_data", self.prompts, self._all_equal))
            if set(reasons) == {HELD_OUT}:
                raise DataError(f"train_data: no row is left ({counts}); give rows that are not evaluated too{notes}")
            raise DataError(
                f"target.max_tokens: {limit} leaves none of the rows of train_data ({counts}); raise it{notes}"
            )

    @property
    def _all_equal(self) -> bool:
        return self.equal == self.prompts and self.answers_differ

    def notes(self) -> list[str]:
        equal = equal_prompts("train_data", self.prompts, self._all_equal)
        if not self.ends_added:
            return equal
        return [
            *equal,
            f"model.chat_template: it writes no {self.eos} after an answer; one was put at the end of "
            f"{self.ends_added} examples and is learned, so that the model learns to stop",
        ]


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    while held := list(islice(rows, ROWS_PER_BATCH)):
        yield pa.RecordBatch.from_pylist(held, schema=SCHEMA)

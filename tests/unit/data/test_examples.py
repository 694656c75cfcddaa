"""Supervised examples: what is learned of a row, what is left out and said, what stays together, and flat memory."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rayrl.config import SFTConfig
from rayrl.data.examples import ExampleFile, write_examples
from rayrl.data.order import ExampleOrder
from rayrl.errors import ConfigError, DataError
from rayrl.train.sft import Examples
from tests.conftest import PATIENCE


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerFast:
    loaded: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(tiny_model)
    return loaded


def made(
    tokenizer: Any, rows: list[dict[str, Any]], folder: Path, held_out: frozenset[str] = frozenset(), **changes: Any
) -> ExampleFile:
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"source": str(source)} | changes.pop("train_data", {})
    config = SFTConfig.model_validate({"model": {"path": "m"}, "train_data": data, **changes})

    def render(messages: list[dict[str, str]], answer_next: bool) -> str:
        return str(tokenizer.apply_chat_template(messages, add_generation_prompt=answer_next, tokenize=False))

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    return write_examples(config, render, encode, "<end>", held_out, folder / "examples.arrow")


def learned(tokenizer: Any, file: ExampleFile, index: int) -> tuple[str, str]:
    """(all text, text that bears a loss)"""
    example = file[index]
    chosen = [token for token, mask in zip(example.token_ids, example.loss_mask, strict=True) if mask]
    return tokenizer.decode(example.token_ids).replace(" ", ""), tokenizer.decode(chosen).replace(" ", "")


def test_the_answer_is_learned_up_to_the_end_of_the_turn_and_the_prompt_is_not(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"question": "1+1", "answer": "2", "why": "one"}]
    assert learned(tokenizer, made(tokenizer, rows, tmp_path), 0) == ("<u>1+1<s>2<end>", "2<end>")
    file = made(tokenizer, rows, tmp_path, target={"template": "{why}:{answer}"}, prompt={"template": "q{question}"})
    assert learned(tokenizer, file, 0) == ("<u>q1+1<s>one:2<end>", "one:2<end>")


def test_a_column_that_is_not_the_one_configured_is_never_learned(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"question": "1+1", "answer": "2", "task": "3+3", "solution": "6"}]
    named = {"question_column": "task", "answer_column": "solution"}
    assert learned(tokenizer, made(tokenizer, rows, tmp_path, train_data=named), 0) == ("<u>3+3<s>6<end>", "6<end>")
    with pytest.raises(DataError, match="'tsk' is empty or not there"):
        made(tokenizer, rows, tmp_path, train_data=named | {"question_column": "tsk"})
    with pytest.raises(DataError, match=r"columns: task, solution, question;"):
        made(tokenizer, rows, tmp_path, train_data=named | {"answer_column": "solutoin"})


def test_examples_of_one_context_that_begin_differently_are_different_trees(tokenizer: Any, tmp_path: Path) -> None:
    bare = SimpleNamespace(
        apply_chat_template=lambda messages, **_: "".join(message["content"] for message in messages),
        encode=tokenizer.encode,
    )
    rows = [{"question": question, "answer": "2", "context": "c"} for question in ("1+1", "3-1", "1+1+0")]
    target = {"share_column": "context"}
    file = made(bare, rows, tmp_path, target=target)
    assert len({file[index].token_ids[0] for index in range(3)}) == 2
    settings = {"model": {"path": "m"}, "train_data": {"source": "s"}, "examples_per_step": 3, "target": target}
    work = Examples(SFTConfig.model_validate(settings), tmp_path / "examples.arrow").take(0)
    assert len(work.updates[0]) == 2


def test_every_assistant_message_of_a_chat_is_learned(tokenizer: Any, tmp_path: Path) -> None:
    chat = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e")]
    rows = [{"chat": [{"role": role, "content": content} for role, content in chat]}]
    file = made(tokenizer, rows, tmp_path, target={"messages_column": "chat"}, prompt={"system": "s"})
    assert learned(tokenizer, file, 0) == ("<u>s<s><u>a<s>b<end>\n<u>c<s>d<end>", "b<end>\nd<end>")


def test_rows_over_the_limit_are_left_out_or_cut_and_listed(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"question": "1", "answer": "2" * length} for length in (1, 9, 3)]
    dropped = made(tokenizer, rows, tmp_path, target={"max_tokens": 8})
    assert [dropped[index].id for index in range(len(dropped))] == ["train_data-0", "train_data-2"]
    assert dropped.left_out == {"train_data: longer than 8 tokens": ["train_data-1"]}
    cut = made(tokenizer, rows, tmp_path, target={"max_tokens": 8, "too_long": "truncate"})
    assert [len(cut[index].token_ids) for index in range(3)] == [5, 8, 7]
    assert cut.left_out == {"train_data: cut at 8 tokens": ["train_data-1"]}


def test_a_row_without_an_answer_is_an_error_by_row_or_left_out_and_counted(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"question": "1", "answer": "2"}, {"question": "2"}, {"question": "3", "answer": " "}]
    with pytest.raises(
        DataError, match=r"2 rows have no answer to learn[^$]*train_data-1: .*answer[^$]*bad_golds: skip"
    ):
        made(tokenizer, rows, tmp_path)
    file = made(tokenizer, rows, tmp_path, train_data={"bad_golds": "skip"})
    assert len(file) == 1
    assert file.left_out == {"train_data: no answer": ["train_data-1", "train_data-2"]}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"target": {"max_tokens": 3}}, DataError, "target.max_tokens: 3 leaves none"),
        ({"target": {"messages_column": "chat"}}, DataError, "'chat' is no list of messages"),
        ({"target": {"share_column": "context"}}, ConfigError, "target.share_column: no column 'context'"),
        ({"prompt": {"template": "{problem}"}}, ConfigError, "prompt.template: '{problem}' cannot be filled"),
    ],
)
def test_settings_that_fit_no_row_are_named(
    tokenizer: Any, tmp_path: Path, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        made(tokenizer, [{"question": "1", "answer": "2"}], tmp_path, **changes)


def test_what_is_held_out_is_not_learned(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"question": "1", "answer": "2"}, {"question": "2", "answer": "3"}]
    file = made(tokenizer, rows, tmp_path, frozenset({"<u>1<s>"}))
    assert file.left_out == {"train_data: held out too": ["train_data-0"]}


def test_examples_of_one_context_follow_each_other_and_every_epoch_has_all(tokenizer: Any, tmp_path: Path) -> None:
    rows = [{"question": str(n), "answer": "1", "context": f"c{n % 4}"} for n in range(12)]
    groups = made(tokenizer, rows, tmp_path, target={"share_column": "context"}).groups()
    assert list(groups) == [n % 4 for n in range(12)]
    order = ExampleOrder(groups, seed=3)
    epochs = [[order[at] for at in range(start, start + 12)] for start in (0, 12)]
    assert epochs[0] != epochs[1]
    for epoch in epochs:
        assert sorted(epoch) == list(range(12))
        runs = [groups[index] for index in epoch]
        assert sum(left != right for left, right in pairwise(runs)) == 3


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    """8 000 rows of 500 tokens against 500: 16 MB more in the file, under 5 MB more in memory."""
    peaks = [peak_mb(rows, tmp_path) for rows in (500, 8000)]
    assert peaks[1] - peaks[0] < 5


def peak_mb(rows: int, folder: Path) -> float:
    """Memory of the process's own (mapped files are the kernel's to drop) and the most that Arrow held at once."""
    script = (
        "import re, sys\n"
        "import pyarrow as pa\n"
        "from pathlib import Path\n"
        "from rayrl.config import SFTConfig\n"
        "from rayrl.data.examples import write_examples\n"
        "data = {'source': 'tests.fakes.rows:many', 'options': {'count': int(sys.argv[1])}}\n"
        "config = SFTConfig.model_validate({'model': {'path': 'm'}, 'train_data': data})\n"
        "render = lambda messages, answer_next: ''.join(m['content'] for m in messages)\n"
        "encode = lambda text: list(text.encode())\n"
        "file = write_examples(config, render, encode, '<end>', frozenset(), Path(sys.argv[2]))\n"
        "assert len(file) == int(sys.argv[1])\n"
        "assert len(file[len(file) - 1].token_ids) > 490\n"
        "own = int(re.search(r'RssAnon:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]) / 1024\n"
        "print(own + pa.default_memory_pool().max_memory() / 1e6)\n"
    )
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", script, str(rows), str(folder / "many.arrow")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)

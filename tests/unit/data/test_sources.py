"""Rows and prompts: every source, every refusal."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from rayrl.config import DatasetSettings, PromptSettings
from rayrl.data.order import PromptOrder
from rayrl.data.prompts import build_prompts
from rayrl.data.row import LeftOut
from rayrl.data.sources import iterate_rows
from rayrl.errors import ConfigError, DataError

ROWS = [{"question": f"{n} + 1 =", "answer": str(n + 1)} for n in range(5)]


def own_rows(count: int) -> list[dict[str, Any]]:
    return ROWS[:count]


def loaded(settings: DatasetSettings, field: str) -> list[dict[str, Any]]:
    return [row for row in iterate_rows(settings, field) if not isinstance(row, LeftOut)]


def test_the_same_rows_from_every_kind_of_file_a_pattern_and_a_function(tmp_path: Path) -> None:
    jsonl = tmp_path / "rows.jsonl"
    jsonl.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    parquet = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), parquet)
    assert loaded(DatasetSettings(source=str(jsonl)), "train_data") == ROWS
    assert loaded(DatasetSettings(source=str(parquet)), "train_data") == ROWS
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    assert loaded(DatasetSettings(source=str(tmp_path / "rows.json")), "train_data") == ROWS
    (tmp_path / "rows.csv").write_text("question,answer\n" + "".join(f"{r['question']},{r['answer']}\n" for r in ROWS))
    assert loaded(DatasetSettings(source=str(tmp_path / "rows.csv")), "train_data") == ROWS
    (tmp_path / "more.jsonl").write_text(json.dumps(ROWS[0]))
    assert loaded(DatasetSettings(source=str(tmp_path / "*.jsonl")), "train_data") == [ROWS[0], *ROWS]
    own = DatasetSettings(source="tests.unit.data.test_sources:own_rows", options={"count": 3})
    assert loaded(own, "train_data") == ROWS[:3]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.json", "10-K [2022].csv", "x[1].jsonl"])
def test_a_byte_order_mark_is_read_away_and_brackets_in_a_file_name_are_no_pattern(name: str, tmp_path: Path) -> None:
    text = {"csv": "question,answer\r\n0 + 1 =,1\r\n", "jsonl": json.dumps(ROWS[0]), "json": json.dumps(ROWS[:1])}
    (tmp_path / name).write_text(text[name.rpartition(".")[2]], encoding="utf-8-sig", newline="")
    assert loaded(DatasetSettings(source=str(tmp_path / name)), "train_data") == ROWS[:1]


def test_reasoning_gym_gives_the_same_rows_for_a_seed_and_others_for_another() -> None:
    def rows(seed: int) -> list[dict[str, Any]]:
        return loaded(DatasetSettings(source="reasoning_gym:chain_sum", size=20, seed=seed), "train_data")

    assert rows(1) == rows(1)
    assert len(rows(1)) == 20
    assert rows(1) != rows(2)
    worked = loaded(DatasetSettings(source="reasoning_gym:gsm_symbolic", size=2), "train_data")
    assert all(row["solution"] for row in worked)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.jsonl", "", "holds no rows"),
        ("rows.jsonl", '{"question": \n', "rows.jsonl:1 is not JSON"),
        ("rows.jsonl", "[1]\n", "holds list, not an object"),
        ("rows.json", '{"question": "1"}', "holds dict, not a list of objects"),
        ("rows.json", "[1", "is not JSON"),
        ("rows.parquet", "question", "is not Parquet"),
        ("rows.csv", "question,answer\n1\n", "rows.csv:2 has more or fewer cells than"),
        ("rows.csv", "question,answer\n1,2,3\n", "rows.csv:2 has more or fewer cells than"),
        ("rows.csv", "question,answer\n1,2\n\x80 5,2\n", "rows.csv:3 is not UTF-8; save the file as UTF-8"),
        (
            "rows.jsonl",
            '{"question": "1"}\n{"question": "\x80 5"}',
            "rows.jsonl:2 is not UTF-8; save the file",
        ),
        ("rows.json", '[{"question": "\x80 5"}]', "rows.json:1 is not UTF-8; save the file as UTF-8"),
        ("rows.csv", f"question,answer\n1,2\n{'9' * 140_000},2\n", "rows.csv:3 is not CSV that can be read"),
    ],
)
def test_a_broken_file_is_refused_by_row(name: str, content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match="train_data") as raised:
        loaded(DatasetSettings(source=str(path)), "train_data")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("no/such/file.jsonl", DataError, "does not exist"),
        ("no/such/*.jsonl", DataError, "no file matches"),
        ("gsm8k:no/such/file.jsonl", DataError, "does not exist"),
        ("gsm8k:folder", DataError, r"must be a file \(or pattern\) of .jsonl"),
        ("finqa", DataError, r"name a file of its authors' repository: finqa:dataset/train.json"),
        ("nothing", DataError, "hub name"),
        ("reasoning_gym:no_such_task", ConfigError, "no_such_task"),
        ("tests.unit.data.test_sources:absent", ConfigError, "has no 'absent'"),
        ("no_such_package.rows:load", ConfigError, "cannot import"),
    ],
)
def test_an_unknown_source_is_named(source: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        loaded(DatasetSettings(source=source), "eval_data")


def prompts(settings: PromptSettings, source: Path, **data: Any) -> Any:
    return build_prompts(
        DatasetSettings(source=str(source), **data),
        settings,
        lambda messages: "".join(f"<{m['role']}>{m['content']}" for m in messages),
        lambda text: list(text.encode()),
        "train_data",
    )


def test_prompts_are_rendered_and_too_long_ones_listed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    long = {"question": "9" * 100, "answer": "9"}
    path.write_text("\n".join(map(json.dumps, [*ROWS, long])))
    found = prompts(PromptSettings(system="Add.", template="Q: {question}", max_tokens=60), path)
    assert found.prompts[0].text == "<system>Add.<user>Q: 0 + 1 ="
    assert bytes(found.prompts[0].token_ids).decode() == found.prompts[0].text
    assert (len(found.prompts), found.left_out) == (5, {"train_data: longer than 60 tokens": ["train_data-5"]})
    with pytest.raises(
        DataError, match=r"no row is left \(6 of train_data: longer than 3 tokens\); raise prompt.max_tokens \(3\)"
    ):
        prompts(PromptSettings(max_tokens=3), path)
    with pytest.raises(ConfigError, match=r"'\{quest\}' cannot be filled"):
        prompts(PromptSettings(template="{quest}"), path)


@pytest.mark.parametrize("row", [{"question": "1"}, {"question": "1", "answer": " "}, {"answer": "2"}])
def test_rows_without_question_or_answer_are_an_error_by_row_or_left_out_and_listed(
    row: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, [ROWS[0], row])))
    says = r"train_data: 1 rows have no 'question' or no 'answer' \(train_data-1; .*bad_golds: skip"
    with pytest.raises(DataError, match=says):
        prompts(PromptSettings(), path)
    found = prompts(PromptSettings(), path, bad_golds="skip")
    assert len(found.prompts) == 1
    assert found.left_out == {"train_data: no question or no answer": ["train_data-1"]}
    path.write_text(json.dumps(row))
    with pytest.raises(DataError, match=says.replace("train_data-1", "train_data-0")):
        prompts(PromptSettings(), path, bad_golds="skip")


def test_the_order_visits_each_prompt_once_an_epoch_and_depends_on_nothing_but_the_seed() -> None:
    order = PromptOrder(7, seed=3)
    epochs = [[order[at] for at in range(start, start + 7)] for start in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert PromptOrder(7, seed=3)[9] == order[9]
    assert len({order.sampling_seed(at) for at in range(1000)}) == 1000


def test_a_misnamed_column_is_not_replaced_by_one_of_the_default_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    with pytest.raises(DataError, match=r"train_data: 5 rows have no 'question' or no 'gold' \(train_data-0, "):
        prompts(PromptSettings(), path, answer_column="gold")

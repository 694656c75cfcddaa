"""Rows and prompts: every source, every refusal."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from rayrl.config import DatasetSettings, PromptSettings
from rayrl.data.prompts import build_prompts
from rayrl.data.rows import load_rows
from rayrl.data.stream import PromptOrder
from rayrl.errors import ConfigError, DataError

ROWS = [{"question": f"{n} + 1 =", "answer": str(n + 1)} for n in range(5)]


def own_rows(count: int) -> list[dict[str, Any]]:
    return ROWS[:count]


def test_the_same_rows_from_jsonl_parquet_and_a_function(tmp_path: Path) -> None:
    jsonl = tmp_path / "rows.jsonl"
    jsonl.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    parquet = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), parquet)
    assert load_rows(DatasetSettings(source=str(jsonl)), "train_data") == ROWS
    assert load_rows(DatasetSettings(source=str(parquet)), "train_data") == ROWS
    own = DatasetSettings(source="tests.unit.test_data:own_rows", options={"count": 3})
    assert load_rows(own, "train_data") == ROWS[:3]


def test_reasoning_gym_gives_the_same_rows_for_a_seed_and_others_for_another() -> None:
    def rows(seed: int) -> list[dict[str, Any]]:
        return load_rows(DatasetSettings(source="reasoning_gym:chain_sum", size=20, seed=seed), "train_data")

    assert rows(1) == rows(1)
    assert len(rows(1)) == 20
    assert rows(1) != rows(2)
    worked = load_rows(DatasetSettings(source="reasoning_gym:gsm_symbolic", size=2), "train_data")
    assert all(row["solution"] for row in worked)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "holds no rows"),
        ('{"question": "1"}\n', "1 of 1 rows have no 'answer'"),
        ('{"question": "1", "answer": ""}\n', "no 'answer'"),
        ('{"question": \n', "rows.jsonl:1 is not JSON"),
        ("[1]\n", "holds list, not an object"),
    ],
)
def test_a_broken_file_is_refused_by_row(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match="train_data") as raised:
        load_rows(DatasetSettings(source=str(path)), "train_data")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("no/such/file.jsonl", DataError, "does not exist"),
        ("nothing", DataError, "hub name"),
        ("reasoning_gym:no_such_task", ConfigError, "no_such_task"),
        ("tests.unit.test_data:absent", ConfigError, "has no 'absent'"),
        ("no_such_package.rows:load", ConfigError, "cannot import"),
    ],
)
def test_an_unknown_source_is_named(source: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        load_rows(DatasetSettings(source=source), "eval_data")


def prompts(settings: PromptSettings, source: Path) -> Any:
    return build_prompts(
        DatasetSettings(source=str(source)),
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
    assert (len(found.prompts), found.too_long) == (5, ["train_data-5"])
    with pytest.raises(DataError, match="leaves none of the 6 rows"):
        prompts(PromptSettings(max_tokens=3), path)
    with pytest.raises(ConfigError, match=r"'\{quest\}' cannot be filled"):
        prompts(PromptSettings(template="{quest}"), path)


def test_the_order_visits_each_prompt_once_an_epoch_and_depends_on_nothing_but_the_seed() -> None:
    order = PromptOrder(7, seed=3)
    epochs = [[order[at] for at in range(start, start + 7)] for start in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert PromptOrder(7, seed=3)[9] == order[9]
    assert len({order.sampling_seed(at) for at in range(1000)}) == 1000

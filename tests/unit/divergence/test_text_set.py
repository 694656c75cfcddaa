"""Texts of a divergence: every row that cannot be used is listed, or left out and counted."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from rayrl.config import PromptSettings, TextSettings
from rayrl.divergence.text_set import TextSet, build_texts
from rayrl.errors import DataError

GOOD = {"question": "1+1", "answer": "2"}


def texts(model: Path, folder: Path, rows: list[dict[str, Any]], **changes: Any) -> TextSet:
    source = folder / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"source": str(source)} | changes.pop("data", {})
    settings = TextSettings.model_validate({"data": data, **changes})
    return build_texts(settings, PromptSettings(), AutoTokenizer.from_pretrained(model), "divergence.some")


def test_rows_without_question_or_answer_are_an_error_by_row_or_left_out_and_counted(
    tiny_model: Path, tmp_path: Path
) -> None:
    rows = [{"question": "1", "answer": ""}, GOOD, {"answer": "3"}]
    says = r"divergence.some.data: 2 rows have no 'question' or no 'answer' \(divergence.some.data-0, .*-2; .*: skip"
    with pytest.raises(DataError, match=says):
        texts(tiny_model, tmp_path, rows)
    found = texts(tiny_model, tmp_path, rows, data={"bad_golds": "skip"})
    assert [text.id for text in found.texts] == ["divergence.some-1"]
    names = ["divergence.some.data-0", "divergence.some.data-2"]
    assert found.left_out == {"no question or no answer": names}


def test_all_rows_that_cannot_be_written_are_listed_or_left_out_and_counted(tiny_model: Path, tmp_path: Path) -> None:
    rows = [GOOD | {"note": None}, GOOD | {"note": "7"}, GOOD | {"note": {"a": 1}}]
    template = {"template": "{answer} {note}"}
    with pytest.raises(DataError, match=r"2 rows cannot be used:\n.*data-0: .*is null.*\n.*data-2: .*is a mapping"):
        texts(tiny_model, tmp_path, rows, **template)
    found = texts(tiny_model, tmp_path, rows, data={"bad_golds": "skip"}, **template)
    assert len(found.texts) == 1
    names = ["divergence.some.data-0", "divergence.some.data-2"]
    assert found.left_out == {"a column of a template holds no text": names}

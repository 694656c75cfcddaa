from pathlib import Path

import pytest

from rayrl.files import draft_of, write_whole
from rayrl.jsonl import read_jsonl, write_jsonl


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with draft_of(path) as draft:
        draft.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    write_whole(path, "é\ud800")
    assert path.read_text(encoding="utf-8") == "é\\ud800"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_file_as_it_was_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [{"a": 1}])

    def rows():
        yield {"a": 2}
        raise KeyError("a")

    with pytest.raises(KeyError):
        write_jsonl(path, rows())
    assert list(read_jsonl(path)) == [{"a": 1}]
    assert list(tmp_path.iterdir()) == [path]


def test_what_json_has_no_form_for_is_still_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [{"path": Path("b"), "figures": [float("nan"), 1.5], 3: {"deep": (float("inf"), "x")}}])
    assert list(read_jsonl(path)) == [{"path": "b", "figures": [None, 1.5], "3": {"deep": [None, "x"]}}]

import json

import pytest

from rayrl.errors import DataError
from rayrl.types import Verdict
from rayrl.verify import files
from rayrl.verify.files import VerdictFile, check_rows, fingerprint, read_rows

GOOD = {"gold": "7", "response": "7"}


def write(path, *lines):
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return path


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"{", "not JSON"),
        (b'{"gold": "\xff"}', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON"),
        ([1], "a JSON object must stand there, not [1]"),
        ({"gold": "7"}, "no field 'response', only 'gold'"),
        ({}, "no field 'gold', only an empty object"),
        (GOOD | {"response": None}, "response is null; give str"),
        (GOOD | {"gold": {"a": 1}}, 'gold is {"a": 1}; give str or int'),
        (GOOD | {"scale": 1000}, "scale is 1000; give str or null"),
        (GOOD | {"tolerance": True}, "tolerance is true; give int or float"),
        (GOOD | {"tolerance": 5}, "tolerance is 5; give a number from 0 to below 1"),
        (b'{"gold": "7", "response": "7", "tolerance": NaN}', "tolerance is nan"),
    ],
)
def test_a_bad_row_is_named_by_line_field_and_fix(tmp_path, bad, message):
    with pytest.raises(DataError) as caught:
        check_rows(write(tmp_path / "rows.jsonl", GOOD, b"", bad))
    assert "1 of 2 rows" in str(caught.value)
    assert f"line 3: {message}" in str(caught.value)


def test_ten_bad_rows_are_shown_and_the_rest_counted(tmp_path):
    with pytest.raises(DataError, match="and 5 more") as caught:
        check_rows(write(tmp_path / "rows.jsonl", *[{}] * 15))
    assert str(caught.value).count("line ") == 10


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_no_rows(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match="--input"):
        check_rows(path)


def test_rows_keep_their_line_numbers_and_what_they_name(tmp_path):
    path = write(tmp_path / "rows.jsonl", b"", GOOD | {"id": "a", "other": 1}, GOOD | {"scale": "million"})
    check_rows(path)
    rows = list(read_rows(path))
    assert [(row.line, row.id) for row in rows] == [(2, "a"), (3, None)]
    assert [row.columns for row in rows] == [GOOD, GOOD | {"scale": "million"}]


def test_a_fingerprint_is_of_the_format_and_of_all_that_verdicts_depend_on(monkeypatch):
    whole = ["finance", {"judge": {"rubric": "r.md"}}, "Judge.", "digest"]
    found = {fingerprint(*whole), fingerprint(*whole[:2], "Judge mildly.", "digest")}
    monkeypatch.setattr(files, "FORMAT", files.FORMAT + 1)
    assert len(found | {fingerprint(*whole)}) == 3


def test_an_interrupted_file_goes_on_and_a_torn_line_is_written_again(tmp_path):
    rows = list(read_rows(write(tmp_path / "rows.jsonl", *[GOOD] * 3)))
    verdict = Verdict(1.0, "correct", "boxed", "7\ud800")
    output = tmp_path / "out.jsonl"
    first = VerdictFile(output, "f" * 64)
    first.append(rows[0], verdict)
    first.append(rows[1], verdict)
    first.close()
    assert not output.exists()
    (partial,) = tmp_path.glob(".out.jsonl.*")
    partial.write_bytes(partial.read_bytes()[:-10])
    other = VerdictFile(output, "0" * 64)
    other.close()
    assert other.done == 0
    second = VerdictFile(output, "f" * 64)
    assert second.done == 1
    for row in rows[1:]:
        second.append(row, verdict)
    second.finish()
    written = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["line"] for row in written] == [1, 2, 3]
    assert written[0] == {
        "line": 1,
        "score": 1.0,
        "status": "correct",
        "extracted": "7\ud800",
        "reason": "boxed",
        "decided_by": "rules",
    }
    assert not partial.exists()

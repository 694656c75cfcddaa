"""`rayrl verify`, up to where it starts Ray: what is wrong is said before."""

import json

import pytest

from rayrl.cli import main

GOOD = {"gold": "7", "response": "The answer is 7."}


@pytest.fixture
def rows(tmp_path):
    def write(*lines):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return ["--input", str(path), "--output", str(tmp_path / "out.jsonl")]

    return write


def refused(capsys, *arguments):
    code = main(["verify", *arguments])
    return code, capsys.readouterr().err


def test_an_output_is_not_overwritten(rows, tmp_path, capsys):
    (tmp_path / "out.jsonl").write_text("mine")
    code, message = refused(capsys, "maths", *rows(GOOD))
    assert (code, (tmp_path / "out.jsonl").read_text()) == (2, "mine")
    assert "add --overwrite" in message


def test_golds_that_cannot_be_read_are_listed_by_line(rows, tmp_path, capsys):
    code, message = refused(capsys, "finance", *rows(GOOD, GOOD | {"gold": ""}, GOOD | {"scale": "dozen"}))
    assert code == 3
    assert "2 of 3 golds cannot be read" in message
    assert "line 2: gold answer '' is empty" in message
    assert "line 3: scale 'dozen' is unknown" in message
    assert "--bad-golds skip" in message
    assert list(tmp_path.iterdir()) == [tmp_path / "rows.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["finance", "--tolerance", "3"], "--tolerance 3: give a share"),
        (["finance", "--strict"], "'strict'"),
        (["maths", "--tolerance", "0.1"], "'tolerance'"),
        (["maths", "--processes", "0"], "processes_per_actor"),
        (["maths", "--speed", "9"], "no option '--speed'"),
    ],
)
def test_options_that_make_no_sense(rows, capsys, arguments, message):
    code, shown = refused(capsys, *arguments, *rows(GOOD))
    assert code == 2
    assert message in shown


def test_a_folder_that_is_not_there(rows, tmp_path, capsys):
    code, message = refused(capsys, "maths", *rows(GOOD)[:2], "--output", str(tmp_path / "no" / "out.jsonl"))
    assert code == 2
    assert "make it first" in message

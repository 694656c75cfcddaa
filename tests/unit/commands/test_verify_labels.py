"""`rayrl verify --label-column`: agreement with people's labels, with what the judge decided apart."""

import io
import json

import pytest
from rich.console import Console

from rayrl.cli import main
from rayrl.commands.agreement import agreement_table
from rayrl.errors import DataError
from rayrl.verify.files import check_rows, read_rows

RIGHT, WRONG = ("correct", 1.0, "rules"), ("incorrect", 0.0, "rules")
JUDGED_RIGHT, JUDGED_WRONG = ("correct", 1.0, "judge"), ("incorrect", 0.0, "judge")
FAILED, JUDGE_FAILED = ("error", None, "rules"), ("error", None, "judge")
GOOD = {"gold": "7", "response": "The answer is 7."}


def shown(verdicts, labels) -> list[list[str]]:
    table, unlabeled = agreement_table(verdicts, labels)
    text = io.StringIO()
    Console(file=text, width=120).print(table)
    lines = [line.strip("│").split("│") for line in text.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line] for line in lines] + [[str(unlabeled)]]


def test_agreement_and_both_kinds_of_difference_by_who_decided():
    verdicts = [RIGHT, RIGHT, WRONG, WRONG, FAILED, JUDGED_RIGHT, JUDGED_WRONG, JUDGE_FAILED, RIGHT]
    labels = [True, False, True, False, True, False, False, True, None]
    assert shown(verdicts, labels) == [
        ["rules", "5", "2 = 40.0%", "1 = 20.0%", "1 = 20.0%", "1 = 20.0%"],
        ["judge", "3", "1 = 33.3%", "1 = 33.3%", "0 = 0.0%", "1 = 33.3%"],
        ["1"],
    ]


def test_who_decided_nothing_has_no_row():
    assert shown([RIGHT, ("refusal", 0.0, "rules")], [True, True]) == [
        ["rules", "2", "1 = 50.0%", "0 = 0.0%", "1 = 50.0%", "0 = 0.0%"],
        ["0"],
    ]


@pytest.fixture
def file(tmp_path):
    def write(*labels):
        path = tmp_path / "rows.jsonl"
        rows = (GOOD if label is ... else GOOD | {"right": label} for label in labels)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def test_labels_are_true_false_1_0_or_not_there(file):
    path = file(True, False, 1, 0, None, ...)
    check_rows(path, "right")
    assert [row.label for row in read_rows(path, "right")] == [True, False, True, False, None, None]
    assert {row.label for row in read_rows(path)} == {None}


@pytest.mark.parametrize("label", ["true", 2, 0.5, [], "1"])
def test_other_labels_are_named_by_line_with_what_to_give(file, label):
    with pytest.raises(DataError, match=r"line 2: right is .*; give true, false, 1, 0"):
        check_rows(file(True, label), "right")


def test_a_column_that_no_row_has(file, tmp_path, capsys):
    arguments = ["verify", "maths", "--input", str(file(..., None)), "--output", str(tmp_path / "out.jsonl")]
    assert main([*arguments, "--label-column", "right"]) == 3
    assert "--label-column: no row of" in capsys.readouterr().err

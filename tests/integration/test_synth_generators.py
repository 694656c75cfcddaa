"""`rayrl synth` with generators of its own, through real Ray: one dies, and nothing is lost."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, Command

pytestmark = pytest.mark.integration


def test_generators_write_questions_and_one_that_dies_is_asked_again(
    tiny_model: Path, tmp_path: Path, rayrl: Callable[..., Command]
) -> None:
    folder = tmp_path / "filings"
    folder.mkdir()
    for number in range(3):
        lines = "\n".join(f"Measure {number}{line} is {1000 * number + line + 4000}." for line in range(4))
        (folder / f"d{number}.txt").write_text(f"Acme {number}\n{lines}")
    config = {
        "run": {"name": "own", "dir": str(tmp_path / "runs"), "deadline_s": 60 * PATIENCE},
        "documents": {"paths": [str(folder)]},
        "questions": {"writer": "generators"},
        "model": {"path": str(tiny_model)},
        "generator": {"engine": "tests.fakes.questions:Questioner", "options": {"died": str(tmp_path / "died")}},
        "prompt_tokens": 8000,
        "split": {"test_fraction": 0.3},
    }
    command = rayrl("synth", config)
    assert command.wait(120) == 0, command.stderr
    assert (tmp_path / "died").exists()
    written = [json.loads(line) for line in (command.run_dir / "triplets.jsonl").read_text().splitlines()]
    assert [record["failures"] for record in written] == [[]] * 3
    made = [
        json.loads(line)
        for name in ("train", "test")
        for line in (command.run_dir / f"{name}.jsonl").read_text().splitlines()
    ]
    assert len(made) == 3
    assert all(re.fullmatch(r"\d00\d", row["answer"]) and row["answer"] in row["context"] for row in made)
    assert not command.left_running()

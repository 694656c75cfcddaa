"""`rayrl synth` as a process: from files to rows; killed half-way and resumed; bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.commands.synth import run_synth
from rayrl.config import validated
from rayrl.synth.chunks import characters
from rayrl.synth.documents.files import Document
from rayrl.synth.pipeline import Synthesis
from rayrl.synth.settings import SynthConfig
from tests.conftest import PATIENCE
from tests.unit.synth.documents.pdf_files import STATEMENT, write_pdf
from tests.unit.synth.writers.service import completion, questions, serve

ROOT = Path(__file__).resolve().parent.parent.parent.parent
OUTPUTS = ("chunks.jsonl", "train.jsonl", "test.jsonl", "removed.jsonl")


def start(config: dict[str, Any], path: Path) -> subprocess.Popen[str]:
    path.write_text(yaml.safe_dump(config))
    return subprocess.Popen(
        [sys.executable, "-m", "rayrl.cli", "synth", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"},
    )


def run(config: dict[str, Any], path: Path) -> tuple[int, str, str]:
    process = start(config, path)
    out, err = process.communicate(timeout=60 * PATIENCE)
    return process.returncode, out, err


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def filings(folder: Path, documents: int = 8, sections: int = 6) -> Path:
    """Text documents whose lines are all different, one chunk for each section."""
    folder.mkdir()
    for number in range(documents):
        parts = (
            "\n".join(
                f"Line {number}-{part}-{line} is {1000 * number + 100 * part + line + 10_000}." for line in range(5)
            )
            for part in range(sections)
        )
        (folder / f"d{number}.txt").write_text("\f".join(parts))
    return folder


def endpoint_config(folder: Path, documents: Path, url: str, name: str) -> dict[str, Any]:
    return {
        "run": {"name": name, "dir": str(folder / "runs")},
        "documents": {"paths": [str(documents)]},
        "chunks": {"size": 120, "overlap": 0},
        "questions": {"writer": "endpoint", "concurrency": 4},
        "endpoint": {"url": url, "model": "scripted"},
        "split": {"test_fraction": 0.25},
    }


def test_a_killed_run_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    documents = filings(tmp_path / "documents")

    def answer(number: int, body: dict[str, Any]) -> Any:
        return completion(questions(body["messages"][-1]["content"]))

    with serve(answer, pause_s=0.05) as service:
        whole = endpoint_config(tmp_path, documents, service.url, "whole")
        assert run(whole, tmp_path / "whole.yaml")[0] == 0
        chunks = rows(tmp_path / "runs/whole/chunks.jsonl")
        assert len(service.requests) == len(chunks) == 48
        config = endpoint_config(tmp_path, documents, service.url, "killed")
        journal = tmp_path / "runs/killed/triplets.jsonl"
        kills = 0
        for written in (6, 20):
            process = start(config, tmp_path / "killed.yaml")
            end = time.monotonic() + 30 * PATIENCE
            while not journal.exists() or journal.read_bytes().count(b"\n") < written:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kept = {row["chunk"] for row in rows_so_far(journal)}
            asked_before = len(service.requests)
            kills += 1
        with journal.open("ab") as file:  # what a kill within a write leaves
            file.write(b'{"key": "d0.txt#0')
        code, out, err = run(config, tmp_path / "killed.yaml")
        assert code == 0, err
        asked_after = service.prompts()[asked_before:]
    assert kills == 2
    assert len(asked_after) == len(chunks) - len(kept)
    again = {chunk["id"] for chunk in chunks if any(chunk["text"] in prompt for prompt in asked_after)}
    assert not again & kept
    assert f"{len(kept)} of them done before" in out
    for name in OUTPUTS:
        assert (tmp_path / "runs/whole" / name).read_bytes() == (tmp_path / "runs/killed" / name).read_bytes(), name


def rows_so_far(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]


def test_rows_carry_provenance_and_nothing_leaks_from_test_to_train(tmp_path: Path) -> None:
    documents = filings(tmp_path / "documents")
    (documents / "copy.txt").write_bytes((documents / "d3.txt").read_bytes())
    with serve(lambda number, body: completion(questions(body["messages"][-1]["content"]))) as service:
        config = endpoint_config(tmp_path, documents, service.url, "run")
        code, out, err = run(config, tmp_path / "c.yaml")
        assert code == 0, err
    folder = tmp_path / "runs/run"
    train, test = rows(folder / "train.jsonl"), rows(folder / "test.jsonl")
    assert not {row["context"] for row in train} & {row["context"] for row in test}
    names = [{row["provenance"]["document"] for row in part} for part in (train, test)]
    assert (len(names[0]), len(names[1])) == (6, 2)
    assert not names[0] & names[1]
    report = json.loads((folder / "synth_report.json").read_text())
    assert report["chunks"] == {"cut": 54, "near_duplicates": 6, "asked": 48}
    assert len(service.requests) == 48
    assert report["filters"]["extraction"] == {
        **dict.fromkeys(report["filters"]["extraction"], 0),
        "written": 96,
        "question leans on the passage": 48,
        "kept": 48,
    }
    assert {row["removed"] for row in rows(folder / "removed.jsonl")} == {"question leans on the passage"}
    assert len(train) + len(test) + 48 == 144
    chunks = {chunk["id"]: chunk for chunk in rows(folder / "chunks.jsonl")}
    for row in train + test:
        chunk = chunks[row["provenance"]["chunk"]]
        assert row["context"] == chunk["text"]
        assert row["answerable"] == (row["class"] != "unanswerable") == bool(row["evidence"])
        text = (documents / chunk["document"]).read_text().split("\f")
        assert chunk["text"] in "\n\n".join(text[chunk["page_start"] - 1 : chunk["page_end"]])
    assert re.search(r"extraction .*96.*48.*48", out)


@pytest.mark.parametrize("seed", range(8))
def test_an_amended_document_stays_with_the_first_though_no_chunk_of_theirs_is_the_same(
    seed: int, tmp_path: Path
) -> None:
    texts = {path.name: path.read_text().replace("\f", "\n") for path in filings(tmp_path / "documents").iterdir()}
    texts["amended.txt"] = f"Amendment No. 1 to the annual report, filed to correct one page.\n{texts['d3.txt']}"
    values = {"documents": {"written": 2}, "chunks": {"size": 300, "overlap": 0}, "split": {"test_fraction": 0.4}}
    synthesis = Synthesis(validated(SynthConfig, "", {"run": {"seed": seed}} | values), tmp_path)
    documents = [Document.of(name, [text]) for name, text in texts.items()]
    synthesis.cut(documents, characters)
    test = synthesis._held_out(set(texts))
    assert synthesis.report.duplicate_chunks == 0
    assert 0 < len(test) < len(texts)
    assert ("amended.txt" in test) == ("d3.txt" in test)


def test_rules_make_a_set_without_any_model_and_a_second_start_writes_nothing(tmp_path: Path) -> None:
    config = {
        "run": {"name": "rules", "dir": str(tmp_path), "seed": 5},
        "documents": {"written": 12, "paths": []},
        "chunks": {"size": 1000, "overlap": 0},
        "filters": {"languages": ["en"]},
    }
    code, _, err = run(config, tmp_path / "c.yaml")
    assert code == 0, err
    folder = tmp_path / "rules"
    report = json.loads((folder / "synth_report.json").read_text())
    written = sum(counts["written"] for counts in report["filters"].values())
    kept = sum(counts["kept"] for counts in report["filters"].values())
    assert kept > 0.98 * written > 200
    before = {name: (folder / name).read_bytes() for name in (*OUTPUTS, "triplets.jsonl")}
    assert run(config, tmp_path / "c.yaml")[0] == 0
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_overwrite_removes_a_run_of_synth_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    run = {"name": "rules", "dir": tmp_path, "overwrite": True}
    settings = {"run": run, "documents": {"written": 1}, "split": {"test_fraction": 0}}
    folder.mkdir()
    (folder / "thesis.txt").write_text("of years")
    run_synth(validated(SynthConfig, "synth", settings))
    assert (folder / "thesis.txt").exists()
    run_synth(validated(SynthConfig, "synth", settings))
    assert not (folder / "thesis.txt").exists()
    assert (folder / "synth_report.json").exists()


def test_documents_that_cannot_be_read_end_the_run_or_are_listed(tmp_path: Path) -> None:
    documents = filings(tmp_path / "documents", 3)
    write_pdf(documents / "locked.pdf", STATEMENT, encrypted=True)
    write_pdf(documents / "scan.pdf", [[]])
    with serve(lambda number, body: completion(questions(body["messages"][-1]["content"]))) as service:
        config = endpoint_config(tmp_path, documents, service.url, "bad")
        code, _, err = run(config, tmp_path / "c.yaml")
        assert code == 3
        assert "2 of 5 files cannot be read" in err
        assert "locked.pdf: encrypted" in err
        assert "documents.bad: skip" in err
        assert not service.requests
        config["documents"]["bad"] = "skip"
        code, out, err = run(config, tmp_path / "c.yaml")
    assert code == 0, err
    assert "3 read (18 pages, 0 without text), 2 not read" in out
    report = json.loads((tmp_path / "runs/bad/synth_report.json").read_text())
    assert set(report["documents"]["not_read"]) == {"locked.pdf", "scan.pdf"}


def test_a_service_that_goes_away_ends_the_run_with_what_was_written_kept(tmp_path: Path) -> None:
    documents = filings(tmp_path / "documents", 2)

    def answer(number: int, body: dict[str, Any]) -> Any:
        return completion(questions(body["messages"][-1]["content"])) if number <= 5 else (500, "gone")

    with serve(answer) as service:
        config = endpoint_config(tmp_path, documents, service.url, "gone")
        config["endpoint"]["tries"] = 1
        config["questions"]["concurrency"] = 1
        code, _, err = run(config, tmp_path / "c.yaml")
    assert code == 5
    assert "HTTP 500: gone" in err
    assert "Traceback" not in err
    assert len(rows_so_far(tmp_path / "runs/gone/triplets.jsonl")) == 5


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"documents": {}}, "documents: give paths"),
        ({"documents": {"paths": ["nowhere"]}}, "questions.writer: rules know only the filings that they wrote"),
        ({"documents": {"written": 3}, "questions": {"writer": "endpoint"}}, "needs the section endpoint"),
        ({"documents": {"written": 3}, "chunks": {"size": 100, "overlap": 60}}, "overlap (60) must be at most half"),
        ({"documents": {"written": 3}, "split": {"group": "("}}, "is no regular expression"),
        ({"documents": {"written": 3}, "questions": {"classes": {"riddle": 1}}}, "questions.classes.riddle"),
        ({"documents": {"written": 1}}, "can be held out"),
        ({"documents": {"written": 2, "paths": ["/nowhere"]}}, "'/nowhere' is no file or folder"),
    ],
)
def test_bad_settings_are_named_with_the_fix(config: dict[str, Any], says: str, tmp_path: Path) -> None:
    from rayrl.cli import main

    config = {"run": {"dir": str(tmp_path)}} | config
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    import contextlib
    import io

    with contextlib.redirect_stderr(io.StringIO()) as err:
        assert main(["synth", str(tmp_path / "c.yaml")]) in (2, 3)
    assert says in err.getvalue()

"""Retrieved contexts: what stands in them, what must not, and that they are seeded."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.cli import main
from rayrl.config import DatasetSettings
from rayrl.data.rag import rows
from rayrl.data.sources import iterate_rows
from rayrl.errors import ConfigError, DataError
from rayrl.synth.triplets import REFUSAL
from rayrl.verify.finance.gold import read_gold
from rayrl.verify.finance.verdict import verify


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synth")
    config = {
        "run": {"dir": str(folder), "name": "data"},
        "documents": {"written": 16},
        "chunks": {"size": 1000, "overlap": 100},
        "split": {"test_fraction": 0.25},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    assert main(["synth", str(folder / "c.yaml")]) == 0
    return folder / "data"


def made(run: Path, **options: Any) -> list[dict[str, Any]]:
    return list(rows(file=str(run / "train.jsonl"), **options))


def chunks(run: Path) -> dict[str, dict[str, Any]]:
    records = map(json.loads, (run / "chunks.jsonl").read_text().splitlines())
    return {record["id"]: record for record in records}


def test_gold_stands_among_distractors_under_the_label_that_is_cited(run: Path) -> None:
    known, source = chunks(run), len((run / "train.jsonl").read_text().splitlines())
    for row in (found := made(run, distractors=3, gold_missing=0.0, same_document=1)):
        gold = row["provenance"]["chunk"]
        assert len(row["retrieved"]) == len(set(row["retrieved"])) == 4
        assert gold in row["retrieved"]
        blocks = re.split(r"(?:\A|\n\n)\[([A-D])\] ", row["context"])[1:]
        assert blocks[::2] == ["A", "B", "C", "D"]
        for name, block in zip(row["retrieved"], blocks[1::2], strict=True):
            assert block.startswith(known[name]["document"] + ", page")
            assert block.endswith(known[name]["text"])
        own = [name for name in row["retrieved"] if known[name]["document"] == row["provenance"]["document"]]
        assert len(own) == 2
        other = known[next(name for name in [*own, gold] if name != gold)]
        assert other["end"] <= known[gold]["start"] or other["start"] >= known[gold]["end"]
        label = "ABCD"[row["retrieved"].index(gold)]
        cited = f"{row['answer']} (source: {label})" if row["answerable"] else REFUSAL
        assert row["cited_answer"] == cited
        assert verify(row["cited_answer"], row["answer"], question=row["question"]).status == "correct", row
    assert len(found) == source


def test_questions_of_a_chunk_share_a_context_and_follow_each_other(run: Path) -> None:
    found = made(run, gold_missing=0.3)
    order = [row["context"] for row in found]
    assert len(set(order)) == sum(1 for at, context in enumerate(order) if not at or order[at - 1] != context)
    assert len(set(order)) < 0.5 * len(found)


def test_where_gold_is_missing_nothing_tells_the_answer(run: Path) -> None:
    source = {
        (row["provenance"]["chunk"], row["question"]): row
        for row in map(json.loads, (run / "train.jsonl").read_text().splitlines())
    }
    found = made(run, gold_missing=0.4, distractors=4)
    missing = [row for row in found if row["gold_missing"]]
    answerable = sum(row["answerable"] for row in source.values())
    assert 0.3 < len(missing) / answerable < 0.5
    for row in missing:
        before = source[row["provenance"]["chunk"], row["question"]]
        assert row["provenance"]["chunk"] not in row["retrieved"]
        assert (row["answer"], row["answerable"], row["cited_answer"]) == (REFUSAL, False, REFUSAL)
        assert read_gold(row["answer"]).kind == "refusal"
        assert len(row["retrieved"]) == 5
        assert not any(passage in row["context"] for passage in before["evidence"])
    for row in found:
        if not row["gold_missing"]:
            before = source[row["provenance"]["chunk"], row["question"]]
            assert row["answer"] == before["answer"]
            assert all(passage in row["context"] for passage in before["evidence"])


@pytest.mark.parametrize(("order", "place"), [("gold_first", 0), ("gold_last", 2)])
def test_order(order: str, place: int, run: Path) -> None:
    found = made(run, distractors=2, order=order, gold_missing=0.0)
    assert {row["retrieved"].index(row["provenance"]["chunk"]) for row in found} == {place}


def test_shuffled_places_are_even_and_everything_is_seeded(run: Path) -> None:
    found = made(run, distractors=3, seed=1)
    assert found == made(run, distractors=3, seed=1)
    assert found != made(run, distractors=3, seed=2)
    contexts = {
        row["context"]: row["retrieved"].index(row["provenance"]["chunk"]) for row in found if row["answerable"]
    }
    places = list(contexts.values())
    assert all(places.count(place) > 0.1 * len(places) for place in range(4))


def test_contexts_keep_to_their_length_and_test_and_train_share_no_document(run: Path) -> None:
    found = made(run, max_characters=1800, distractors=5)
    assert max(len(row["context"]) for row in found) < 2100
    test = list(rows(file=run / "test.jsonl"))
    sides = [{name.partition("#")[0] for row in part for name in row["retrieved"]} for part in (found, test)]
    assert not sides[0] & sides[1]


def test_it_is_a_dataset_source(run: Path) -> None:
    settings = DatasetSettings(source="rayrl.data.rag:rows", options={"file": str(run / "test.jsonl")}, size=5)
    assert len(list(iterate_rows(settings, "train_data"))) == 5


def test_wrong_options_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"distractor: unknown setting.*did you mean 'distractors'"):
        made(run, distractor=3)
    with pytest.raises(ConfigError, match=r"gold_missing.*less than or equal to 1"):
        made(run, gold_missing=2)
    with pytest.raises(DataError, match=r"options.file.*does not exist; `rayrl synth` writes it"):
        list(rows(file=tmp_path / "no.jsonl"))
    (tmp_path / "chunks.jsonl").write_text("")
    with pytest.raises(DataError, match="lacks"):
        made(run, chunks=tmp_path / "chunks.jsonl")

"""Datasets that have a name: the published copies in ../shared/data where they are, and rows of the published forms."""

import json
from pathlib import Path
from typing import Any

import pytest

from rayrl.config import DatasetSettings, PromptSettings, RewardSettings
from rayrl.data import registry
from rayrl.data.prompts import build_prompts
from rayrl.data.row import LeftOut, Row
from rayrl.data.sources import iterate_rows
from rayrl.errors import ConfigError, DataError
from rayrl.verify.golds import check_golds

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def rows(source: str, **options: Any) -> list[Row | LeftOut]:
    return list(iterate_rows(DatasetSettings(source=source, options=options), "train_data"))


def kept(source: str, **options: Any) -> list[Row]:
    return [row for row in rows(source, **options) if not isinstance(row, LeftOut)]


def published(name: str) -> str:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return str(path)


def written(folder: Path, name: str, *content: Any) -> str:
    path = folder / name
    lines = json.dumps(list(content)) if path.suffix == ".json" else "\n".join(map(json.dumps, content))
    path.write_text(lines)
    return str(path)


def test_gsm8k_as_published() -> None:
    found = kept(f"gsm8k:{published('gsm8k/train.jsonl')}")
    assert len(found) == 7473
    assert found[0]["answer"] == "72"
    assert found[0]["solution"].startswith("Natalia sold 48/2 = 24 clips in May.\n")
    assert not any("<<" in row["solution"] or "####" in row["solution"] for row in found)
    assert not check_golds(found[:200], [RewardSettings(function="maths")], "answer")
    with_calculator = kept(f"gsm8k:{published('gsm8k/train.jsonl')}", calculator=True)
    assert "48/2 = <<48/2=24>>24" in with_calculator[0]["solution"]


def test_tatqa_as_published() -> None:
    found = kept(f"tatqa:{published('tatqa/dev.json')}")
    assert len(found) == 1668
    assert "Fixed Price | $ 1,452.4 | $ 1,146.2 | $ 1,036.9" in found[0]["context"]
    assert found[0]["context"] == found[1]["context"]
    asked = next(row for row in found if row["question"] == "What is the amount of total sales in 2019?")
    assert (asked["answer"], asked["scale"], asked["full_answer"]) == ("$1,496.5", "million", "$1,496.5 million")
    assert any(row["full_answer"].endswith("%") for row in found)
    assert not check_golds(found[:200], [RewardSettings(function="finance")], "answer")


def test_financebench_as_published() -> None:
    source = f"financebench:{published('financebench/questions.jsonl')}"
    found = kept(source)
    assert len(found) == 74
    assert (found[0]["answer"], found[0]["pages"], found[0]["document"]) == ("$1577.00", [59], "3M_2018_10K")
    assert "Purchases of property, plant and equipment" in found[0]["prompt_text"]
    passages = kept(source, context="evidence")
    assert sum(len(row["context"]) for row in passages) < sum(len(row["prompt_text"]) for row in found)
    assert all(row["prompt_text"] == f"Question: {row['question']}" for row in kept(source, context="closed_book"))


def test_mmlu_stem_as_published() -> None:
    found = kept(f"mmlu_stem:{published('mmlu_stem/test.jsonl')}")
    assert len(found) == 3018
    assert found[2]["answer"] == "A"
    assert found[2]["question"].endswith("\nA. amnion\nB. chorion\nC. allantois\nD. yolk sac")
    assert not check_golds(found[:200], [RewardSettings(function="maths")], "answer")


def openr1(source: str, **columns: Any) -> Row:
    trace = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "<think>\n2\n</think>\n\\boxed{2}"}]
    row = {"problem": "1+1?", "solution": "One and one: $\\boxed{2}$.", "answer": "2", "problem_type": "Algebra"}
    return {**row, "source": source, "uuid": source, "generations": ["2"], "messages": trace, **columns}


def test_openr1_keeps_the_wanted_sources_and_counts_the_others(tmp_path: Path) -> None:
    file = f"openr1_math:{written(tmp_path, 'train.jsonl', openr1('olympiads'), openr1('cn_k12'), openr1('amc_aime'))}"
    found = rows(file, sources=["cn_k12"])
    assert found[::2] == [LeftOut("source is not cn_k12")] * 2
    assert isinstance(found[1], dict)
    assert found[1]["answer"] == "One and one: $\\boxed{2}$."
    assert found[1]["messages"] == openr1("cn_k12")["messages"]
    assert not check_golds([found[1]], [RewardSettings(function="maths")], "answer")
    assert [row["answer"] for row in kept(file, gold="answer")] == ["2", "2", "2"]
    data = DatasetSettings(source=file, options={"sources": ["cn_k12"]}, size=1)
    made = build_prompts(data, PromptSettings(), lambda messages: messages[-1]["content"], lambda _: [0], "train_data")
    assert [(prompt.id, prompt.text) for prompt in made.prompts] == [("train_data-1", "1+1?")]
    assert made.left_out == {"train_data: source is not cn_k12": ["train_data-0"]}
    with pytest.raises(DataError, match=r"holds no rows that train_data.options keep \(3 removed\)"):
        rows(file, sources=["cn_k13"])


def finqa(**answers: Any) -> Row:
    asked = {"question": "what is the change?", "program": "subtract(6, 4)", "program_re": "subtract(6, 4)", **answers}
    table = [["", "2009", "2008"], ["revenue", "6", "4"]]
    return {
        "pre_text": ["before .", "more ."],
        "post_text": ["after ."],
        "table": table,
        "id": "A/1.pdf-1",
        "qa": asked,
    }


def test_finqa_of_the_published_form(tmp_path: Path) -> None:
    content = [finqa(answer="2%", exe_ans=0.02), finqa(answer="", exe_ans=0.02), finqa(answer="yes", exe_ans="yes")]
    file = f"finqa:{written(tmp_path, 'train.json', *content)}"
    assert [row["answer"] for row in kept(file)] == ["2%", "0.02", "yes"]
    assert [row["answer"] for row in kept(file, gold="executed")] == ["0.02", "0.02", "yes"]
    assert kept(file)[0]["context"] == "before .\nmore .\n\n | 2009 | 2008\nrevenue | 6 | 4\n\nafter ."
    asked = content[0].pop("qa")
    flat = {**content[0], **asked, "final_result": "0.02"}
    del flat["exe_ans"]
    assert kept(f"finqa:{written(tmp_path, 'flat.jsonl', flat)}") == kept(file)[:1]


def test_finqabench_of_the_published_forms(tmp_path: Path) -> None:
    rows_of = {"query": "Who audits?", "expected_response": "E&Y.", "context": "Audited by E&Y."}
    wanted = [{"context": "Audited by E&Y.", "question": "Who audits?", "answer": "E&Y."}]
    assert kept(f"finqabench:{written(tmp_path, 'a.jsonl', rows_of)}") == wanted
    (tmp_path / "b.csv").write_text("Query,Response,Context\nWho audits?,E&Y.,Audited by E&Y.\n")
    assert kept(f"finqabench:{tmp_path / 'b.csv'}") == wanted


def test_mmlu_from_the_hubs_rows_and_from_the_authors_files(tmp_path: Path) -> None:
    hub = {"question": "H2O?", "subject": "astronomy", "choices": ["ice", "air", "gas", "sun"], "answer": 0}
    law = {**hub, "subject": "international_law", "answer": 3}
    (tmp_path / "astronomy_test.csv").write_text("H2O?,ice,air,gas,sun,A\n")
    (tmp_path / "international_law_test.csv").write_text("H2O?,ice,air,gas,sun,D\n")
    for file in (written(tmp_path, "test.jsonl", hub, law), str(tmp_path / "*_test.csv")):
        found = kept(f"mmlu:{file}")
        assert [(row["subject"], row["answer"]) for row in found] == [("astronomy", "A"), ("international_law", "D")]
        assert found[0]["question"] == "H2O?\nA. ice\nB. air\nC. gas\nD. sun"
        assert kept(f"mmlu:{file}", subjects=["international_law"]) == found[1:]
        assert rows(f"mmlu_stem:{file}") == [found[0], LeftOut("subject is not of STEM")]


def test_a_row_of_another_form_is_named_with_what_it_has(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", {"problem": "1", "gold": 2})
    for name in registry.SETS:
        with pytest.raises(DataError, match=rf"row 0 is none of {name} as published \(.*it has problem, gold"):
            rows(f"{name}:{file}")


def test_wrong_options_are_named(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", {"question": "1", "answer": "#### 1"})
    with pytest.raises(ConfigError, match=r"train_data.options of gsm8k:\n  calculater: .*did you mean 'calculator'"):
        rows(f"gsm8k:{file}", calculater=True)
    with pytest.raises(ConfigError, match="split: 'test' goes with the hub"):
        rows(f"gsm8k:{file}", split="test")
    with pytest.raises(ConfigError, match="split: 'dev' is none of train, validation, test"):
        rows("tatqa", split="dev")


def test_a_name_alone_asks_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what is asked for: nothing here reaches the hub."""
    import datasets
    import huggingface_hub

    asked: list[tuple[Any, ...]] = []

    def load(path: str, name: str | None = None, split: str | None = None) -> list[Row]:
        asked.append((path, name, split))
        if name is None:
            raise ConnectionError("no network")
        return [openr1("cn_k12")] if "OpenR1" in path else [{"question": "1", "answer": "#### 1"}]

    def download(repository: str, file: str, repo_type: str) -> str:
        asked.append((repository, file, repo_type))
        table = {"uid": "t", "table": [["", "2019"]]}
        return written(tmp_path, file, {"table": table, "paragraphs": [], "questions": [{"uid": "q", "question": "?"}]})

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert kept("gsm8k", split="test") == [{"question": "1", "answer": "1", "solution": ""}]
    assert len(kept("openr1_math", sources=["cn_k12"])) == 1
    assert kept("tatqa")[0]["answer"] == ""
    with pytest.raises(DataError, match="cannot load 'PatronusAI/financebench' from the hub: no network"):
        rows("financebench")
    assert asked == [
        ("openai/gsm8k", "main", "test"),
        ("open-r1/OpenR1-Math-220k", "extended", "train"),
        ("next-tat/TAT-QA", "tatqa_dataset_train.json", "dataset"),
        ("PatronusAI/financebench", None, "train"),
    ]

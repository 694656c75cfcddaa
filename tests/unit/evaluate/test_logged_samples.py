"""Files that lm-evaluation-harness leaves with `--log_samples`, in the form of its 0.4.13 and of older versions."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rayrl.config import EvalConfig, validated
from rayrl.errors import ConfigError, DataError
from rayrl.evaluate.harness_rows import harness_rows
from rayrl.evaluate.imported import plan_import
from rayrl.evaluate.likeness import differences
from rayrl.evaluate.logged_samples import LoggedModel, find_logged, logged_rows
from rayrl.evaluate.results import compare, model_results
from rayrl.evaluate.tables import results_table
from rayrl.rollout_row import identity
from rayrl.types import Rollout
from tests.unit.evaluate.test_results import printed

DATE, LATER = "2026-11-26T10-59-49.145164", "2026-11-27T08-00-00.000001"
RESULTS = {"versions": {"arc": 1.0, "gsm8k": 3.0}, "n-shot": {"arc": 0, "gsm8k": 5}}
KWARGS = {"until": ["Question:"], "do_sample": False, "max_gen_toks": 256}


def choice(number: int, best: int, **other: Any) -> dict[str, Any]:
    replies = [["-1.5", "True"] if at == best else ["-2.25", "False"] for at in range(2)]
    return {
        "doc_id": number,
        "doc": {"question": f"q{number}"},
        "target": "0",
        "arguments": {
            f"gen_args_{at}": {"arg_0": f"q{number}", "arg_1": f" {letter}"} for at, letter in enumerate("AB")
        },
        "resps": [[one] for one in replies],
        "filtered_resps": replies,
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": "0" * 64,
        "acc": float(best == 0),
    } | other


def written(number: int, how: str, read: str, right: float, **other: Any) -> dict[str, Any]:
    return {
        "doc_id": number,
        "doc": {"question": f"q{number}"},
        "target": "#### 7",
        "arguments": {"gen_args_0": {"arg_0": f"Question: q{number}\nAnswer:", "arg_1": KWARGS}},
        "resps": [["it is 7."]],
        "filtered_resps": [read],
        "filter": how,
        "metrics": ["exact_match"],
        "exact_match": right,
    } | other


def logged(folder: Path, task: str, samples: list[dict[str, Any]], date: str = DATE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"results_{date}.json").write_text(json.dumps(RESULTS))
    path = folder / f"samples_{task}_{date}.jsonl"
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    return path


def ours(task: str, samples: list[dict[str, Any]], results: Any = RESULTS) -> list[dict[str, Any]]:
    """Rows as an evaluation of our own makes them: arguments and replies are not text yet, completions are known."""
    own, rollouts = [], {}
    for sample in samples:
        arguments = [tuple(one.values()) for one in sample["arguments"].values()]
        own.append({**sample, "arguments": arguments})
        rollouts[task, sample["doc_id"]] = [Rollout("it is 7.", [1, 2], [0.0] * 2, [0] * 2, "stop")]
    return [dict(row) for row in harness_rows(task, own, rollouts if task == "gsm8k" else {}, None, results)]


def test_a_choice_is_the_row_that_it_would_be_here(tmp_path: Path) -> None:
    samples = [choice(0, 0), choice(1, 1)]
    rows = logged_rows(logged(tmp_path, "arc", samples), "arc", None)
    assert rows == ours("arc", samples)
    assert [row["score"] for row in rows] == [1.0, 0.0]
    assert rows[1]["extracted"] == "log-likelihoods: 'A' -2.250 'B' -1.500"
    assert rows[0]["asked"] == {
        "version": 1.0,
        "num_fewshot": 0,
        "prompt_hash": hashlib.sha256(b"q0").hexdigest(),
        "generation_kwargs": None,
        "metric": "acc,none",
    }


def test_how_a_completion_ended_is_not_known_and_counts_as_neither(tmp_path: Path) -> None:
    samples = [written(n, how, "7", float(how != "strict")) for n in range(3) for how in ("strict", "flexible")]
    rows = logged_rows(logged(tmp_path, "gsm8k", samples), "gsm8k", "exact_match,flexible")
    assert [(row["score"], row["completion"], row["extracted"]) for row in rows] == [(1.0, "it is 7.", "7")] * 3
    assert rows[0]["metrics"] == {"exact_match,strict": 0.0, "exact_match,flexible": 1.0}
    assert {(row["tokens"], row["finish_reason"]) for row in rows} == {(None, None)}
    assert [identity(row) for row in rows] == [identity(row) for row in ours("gsm8k", samples)]
    results = model_results("other", {"gsm8k": rows}, {"gsm8k": (1,)})
    figures = results.figures["gsm8k"]
    assert (figures["accuracy"].value, figures["accuracy"].n) == (1.0, 3)
    assert [figures[name].value for name in ("truncated_frac", "accuracy_finished", "mean_tokens")] == [None] * 3
    assert results.warnings == {}
    assert "0.0 %" not in printed(results_table([results]))


def test_files_of_older_versions_name_neither_filter_nor_metrics(tmp_path: Path) -> None:
    new = choice(0, 0)
    old = {name: value for name, value in new.items() if name not in ("filter", "metrics")}
    old["arguments"] = [list(one.values()) for one in new["arguments"].values()]
    rows = logged_rows(logged(tmp_path, "arc", [old | {"prompt_hash": "1", "target_hash": "2"}]), "arc", None)
    assert rows == ours("arc", [new])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([{"doc_id": 0, "doc": {}}], "jsonl:1: no arguments, filtered_resps, resps, target; is this a file of lm-eval"),
        ([choice(0, 0), choice(0, 1)], "jsonl:2: document 0 is there twice with filter 'none'"),
        ([choice(0, 0) | {"arguments": 3}], "jsonl:1: not as lm-eval logs a sample"),
        ([choice(0, 0) | {"doc_id": "first"}], "jsonl:1: not as lm-eval logs a sample"),
        ([choice(0, 0) | {"arguments": {}}], "its arguments and replies are not as lm-eval logs them"),
        ([choice(0, 0) | {"resps": [[["x", "True"]]]}], "its arguments and replies are not as lm-eval logs them"),
        ([choice(0, 0) | {"metrics": ["lost"]}], "its arguments and replies are not as lm-eval logs them"),
    ],
)
def test_what_is_no_file_of_samples_is_refused_by_file_and_line(
    tmp_path: Path, samples: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(DataError) as raised:
        logged_rows(logged(tmp_path, "arc", samples), "arc", None)
    assert message in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_results_that_are_not_json_are_refused_and_none_are_not_needed(tmp_path: Path) -> None:
    file = logged(tmp_path, "arc", [choice(0, 0)])
    beside = tmp_path / f"results_{DATE}.json"
    beside.write_text("{")
    with pytest.raises(DataError, match=rf"results_{DATE}.json: not JSON"):
        logged_rows(file, "arc", None)
    beside.unlink()
    (row,) = logged_rows(file, "arc", None)
    assert (row["asked"]["version"], row["score"]) == (None, 1.0)


def test_a_folder_a_folder_in_it_or_a_file_stands_for_the_newest_of_each_task(tmp_path: Path) -> None:
    inner = tmp_path / "out/org__model"
    old, gsm8k = logged(inner, "mmlu_college_physics", [choice(0, 0)]), logged(inner, "gsm8k", [])
    new = logged(inner, "mmlu_college_physics", [choice(0, 0)], LATER)
    for path in (tmp_path / "out", inner):
        found = find_logged(str(path), "them")
        assert found == LoggedModel("them", {"mmlu_college_physics": new, "gsm8k": gsm8k}, found.notes if found else ())
        assert found.notes == ("1 older files of samples are not read; name a file to read it",)
    assert find_logged(str(old), "them") == LoggedModel("them", {"mmlu_college_physics": old}, ())
    assert find_logged(str(tmp_path / "nowhere"), "x") is None
    assert find_logged("org/model", "x") is None
    logged(tmp_path / "out/other", "gsm8k", [])
    with pytest.raises(DataError, match=r"has samples of several models \(org__model, other\); name one of these"):
        find_logged(str(tmp_path / "out"), "them")


def test_a_model_folder_is_no_folder_of_samples(tiny_model: Path) -> None:
    assert find_logged(str(tiny_model), "tiny") is None


def config(**tasks: Any) -> EvalConfig:
    benchmarks = {name: {"lm_eval": task} for name, task in tasks.items()}
    return validated(EvalConfig, "c", {"model": {"path": "m"}, "benchmarks": benchmarks})


def found_tasks(**names: list[str]) -> Any:
    return {name: SimpleNamespace(tasks=dict.fromkeys(own)) for name, own in names.items()}


def test_an_imported_model_has_the_benchmarks_that_it_has_samples_of(tmp_path: Path) -> None:
    files = {"arc": logged(tmp_path, "arc", [choice(0, 0), choice(1, 1)]), "piqa": logged(tmp_path, "piqa", [])}
    model = LoggedModel("them", files, ("a note",))
    asked = config(both="science", maths="gsm8k")
    plan = plan_import(asked, model, found_tasks(both=["arc", "sciq"], maths=["gsm8k"]))
    assert [(draw.benchmark, draw.index) for draw in plan.draws] == [("both", 0), ("both", 1)]
    assert [record["key"] for record in plan.records] == [draw.key for draw in plan.draws]
    assert {record["model"] for record in plan.records} == {"them"}
    assert [record["item"] for record in plan.records] == [
        identity(row) for row in ours("arc", [choice(0, 0), choice(1, 1)])
    ]
    assert plan.notes == [
        "a note",
        "has no samples of 1 of 2 tasks of both (sciq, …)",
        "has no samples of maths",
        "samples of piqa are of no benchmark here, and not read",
    ]
    again = plan_import(asked, model, found_tasks(both=["arc", "sciq"], maths=["gsm8k"]))
    assert [draw.key for draw in again.draws] == [draw.key for draw in plan.draws], "nothing is imported twice"
    with pytest.raises(ConfigError, match=r"them: its samples are of arc, piqa, and no benchmark is one of these"):
        plan_import(config(maths="gsm8k"), model, found_tasks(maths=["gsm8k"]))


def test_what_is_asked_alike_has_no_difference_and_is_paired(tmp_path: Path) -> None:
    samples = [choice(number, number % 2) for number in range(6)]
    theirs = logged_rows(logged(tmp_path, "arc", [choice(number, 0) for number in range(6)]), "arc", None)
    here = ours("arc", samples)
    assert differences(theirs, here, "ours") == []
    (pair,) = compare({"ours": {"arc": here, "own": here}, "them": {"arc": theirs, "alone": theirs}})
    assert (pair.benchmark, pair.change.gained, pair.change.lost, pair.change.unscored) == ("arc", 3, 0, 0)


def test_documents_without_a_partner_are_counted_and_what_was_asked_otherwise_is_said(tmp_path: Path) -> None:
    here = ours("gsm8k", [written(n, "none", "7", 1.0) for n in range(5)], RESULTS | {"n-shot": {"gsm8k": 8}})
    asked = {"gen_args_0": {"arg_0": "Q: q1\nA:", "arg_1": KWARGS | {"temperature": 0.6}}}
    samples = [
        written(1, "none", "7", 0.0),
        written(2, "none", "7", 0.0, arguments=asked),
        written(3, "none", "7", 0.0, doc={"question": "q3?"}),
        *(written(number, "none", "7", 1.0) for number in (7, 8)),
    ]
    theirs = logged_rows(logged(tmp_path, "gsm8k", samples), "gsm8k", None)
    kwargs = json.dumps(KWARGS)
    assert differences(theirs, here, "ours") == [
        "documents that ours did not answer, so not compared: 2",
        "documents that ours alone answered, so not compared: 2",
        "documents whose contents under the same number are others in ours, so not compared: 1",
        "num_fewshot 5 against 8, in 2 of 2 documents",
        f'generation_kwargs {kwargs[:-1]}, "temperature": 0.6}} against {kwargs}, in 1 of 2 documents',
        "the prompt is another text, in 1 of 2 documents",
    ]
    (pair,) = compare({"ours": {"gsm8k": here}, "them": {"gsm8k": theirs}})
    assert (pair.change.difference.items, pair.change.lost, pair.change.unscored) == (2, 2, 6)


def test_rows_of_ones_own_sets_have_no_differences_to_tell() -> None:
    assert differences([{"prompt_id": "x-1"}], [{"prompt_id": "x-2"}], "base") == []

"""Tasks of lm-evaluation-harness and choices by likelihood: what is found wrong before anything starts, and a run."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.cli import main
from rayrl.config import GRPOConfig, HarnessSettings
from rayrl.errors import ConfigError, DataError, RayrlError
from rayrl.evaluate.draws import Draw
from rayrl.evaluate.harness_tasks import HarnessTask
from rayrl.evaluate.plan import EvalPlan
from rayrl.evaluate.sampler import TakeEvent, TakeRow
from rayrl.generate.engine import EngineSettings
from rayrl.study.arm_estimate import estimate_arms
from rayrl.study.settings import StudyConfig
from rayrl.train.preflight import check_run
from tests.conftest import ROOT, Command
from tests.fakes.engine import TransformersEngine
from tests.fakes.generators import OneEngine

harness = pytest.importorskip("lm_eval")
pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore::Warning")]  # of lm-eval's dependencies
Start = Callable[..., Command]
PATHS = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(harness.__file__).parents[1])])}
"""For a command, wherever lm-eval was installed."""
SHORT: dict[str, Any] = {"prompt": {"max_tokens": 100}, "max_tokens": 8}
"""For a model of 256 positions."""


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is enough, whatever else the machine runs."""
    monkeypatch.setattr("rayrl.train.memory.memory_available", lambda: 10**12)


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def choices(tmp_path: Path) -> str:
    """Rows as MMLU publishes them."""
    rows = [
        {"question": f"{n} + 1?", "subject": "astronomy", "choices": ["a", str(n + 1), "cc", "d"], "answer": n % 4}
        for n in range(6)
    ]
    return write(tmp_path / "choices.jsonl", rows)


@pytest.fixture
def tasks(tmp_path: Path, choices: str) -> dict[str, str]:
    """One of each kind, in files."""
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": choices}}, "test_split": "test"}
    own = {
        "letters": {
            **data,
            "output_type": "multiple_choice",
            "doc_to_text": "{{question}}\nAnswer:",
            "doc_to_choice": ["A", "B", "C", "D"],
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
            "fewshot_split": "test",
        },
        "sums": {
            **data,
            "output_type": "generate_until",
            "doc_to_text": "{{question}}",
            "doc_to_target": "{{choices[1]}}",
            "generation_kwargs": {"until": ["\n"], "max_gen_toks": 6},
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        },
        "text": {
            **data,
            "output_type": "loglikelihood_rolling",
            "doc_to_text": "",
            "doc_to_target": "{{question}}",
            "metric_list": [{"metric": "word_perplexity"}],
        },
    }
    for name, task in own.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **task}))
    return {name: str(tmp_path / f"{name}.yaml") for name in own}


def problem(config: dict[str, Any], **benchmark: Any) -> RayrlError:
    """What is said of a run with that benchmark, before it starts."""
    given = GRPOConfig.model_validate(config | {"benchmarks": {"own": benchmark}})
    with pytest.raises(RayrlError) as raised, check_run(given):
        pass
    return raised.value


def test_a_plan_counts_the_documents_of_a_task(tiny_config: dict[str, Any], tasks: dict[str, str]) -> None:
    benchmarks = {
        "all": {"lm_eval": {"task": tasks["letters"], "max_length": 100}},
        "four": {"lm_eval": {"task": tasks["sums"], "limit": 4, "max_length": 100}},
        "half": {"lm_eval": {"task": tasks["letters"], "limit": 0.5, "max_length": 100}},
    }
    with check_run(GRPOConfig.model_validate(tiny_config | {"benchmarks": benchmarks})) as plan:
        assert plan.harness_sizes == {"all": 6, "four": 4, "half": 3}


def test_a_task_that_is_not_there_is_named_with_what_comes_near(tiny_config: dict[str, Any], tmp_path: Path) -> None:
    lost = problem(tiny_config, lm_eval={"task": str(tmp_path / "lost.yaml"), "max_length": 100})
    assert isinstance(lost, ConfigError)
    assert str(lost) == f"benchmarks.own.lm_eval.task: file {str(tmp_path / 'lost.yaml')!r} does not exist"
    unknown = problem(tiny_config, lm_eval={"task": "gsm8kk", "max_length": 100})
    assert isinstance(unknown, ConfigError)
    assert "benchmarks.own.lm_eval.task: lm-eval has no task, group or tag 'gsm8kk'; did you mean" in str(unknown)
    assert "'gsm8k'" in str(unknown)


def test_data_that_cannot_be_had_are_named(
    tiny_config: dict[str, Any], tasks: dict[str, str], choices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(choices).unlink()
    error = problem(tiny_config, lm_eval={"task": tasks["letters"], "max_length": 100})
    assert isinstance(error, DataError)
    assert choices in str(error)
    assert "dataset_kwargs: {data_files: {test: /absolute/path/test.jsonl}}" in str(error)


def test_files_of_a_task_must_be_named_from_the_root(
    tiny_config: dict[str, Any], tasks: dict[str, str], choices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(choices).parent)
    path = Path(tasks["letters"])
    path.write_text(path.read_text().replace(choices, Path(choices).name))
    error = problem(tiny_config, lm_eval={"task": str(path), "max_length": 100})
    assert "data_files of letters ('choices.jsonl') must be an absolute path" in str(error)


def test_a_metric_that_a_task_lacks_is_refused_with_those_it_has(
    tiny_config: dict[str, Any], tasks: dict[str, str]
) -> None:
    error = problem(tiny_config, lm_eval={"task": tasks["letters"], "metric": "f1", "max_length": 100})
    assert str(error) == "benchmarks.own.lm_eval.metric: 'f1' is none of letters's (acc)"


def test_a_task_longer_than_the_model_reads_is_refused(tiny_config: dict[str, Any], tasks: dict[str, str]) -> None:
    error = problem(tiny_config, lm_eval={"task": tasks["letters"], "max_length": 256})
    assert "lm_eval.max_length and one token more: 257 tokens are more than the 256 positions" in str(error)


def test_generation_kwargs_are_checked_before_anything_starts_and_say_what_is_sampled(tasks: dict[str, str]) -> None:
    def task(name: str, **settings: Any) -> HarnessTask:
        return HarnessTask(HarnessSettings(task=tasks[name], **settings), "benchmarks.own.lm_eval")

    with pytest.raises(ConfigError, match=r"task sums has generation_kwargs that are not known here ..'num_beams': 4"):
        task("sums", gen_kwargs={"num_beams": 4})
    drawn = {"do_sample": True, "temperature": 0.6}
    assert not task("sums").sampled
    assert task("sums", gen_kwargs=drawn).sampled
    assert not task("letters", gen_kwargs=drawn).sampled, "likelihoods decide"
    path = Path(tasks["sums"])
    path.write_text(path.read_text().replace("max_gen_toks: 6", "max_gen_toks: 6\n  do_sample: true"))
    assert task("sums").sampled, "the task's own"
    path.write_text(path.read_text().replace("do_sample: true", "do_sample: false"))
    assert not task("sums", gen_kwargs={"temperature": 0.6}).sampled, "as lm-eval reads it"


def test_a_studys_base_whose_tasks_sample_is_evaluated_with_every_seed(
    tiny_config: dict[str, Any], tasks: dict[str, str], tmp_path: Path
) -> None:
    def seeds(**gen_kwargs: Any) -> list[int]:
        lm_eval = {"task": tasks["sums"], "max_length": 100, "gen_kwargs": gen_kwargs}
        base = tiny_config | {"benchmarks": {"sums": {"lm_eval": lm_eval}}}
        settings = {"study": {"name": "s", "dir": tmp_path, "seeds": [1, 2]}, "base": base}
        (found,) = estimate_arms(StudyConfig.model_validate(settings | {"arms": {"base": {"method": "base"}}}))
        return found.seeds

    assert seeds() == [1]
    assert seeds(do_sample=True, temperature=0.6) == [1, 2]


def test_what_a_task_needs_beside_lm_eval_is_named(
    tiny_config: dict[str, Any], tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(tasks["sums"])
    whole = path.read_text()
    path.with_name("reader.py").write_text("import no_such_package\n\n\ndef read(rows): return rows\n")
    path.write_text(whole + "process_docs: !function reader.read\n")
    error = problem(tiny_config, lm_eval={"task": str(path), "max_length": 100})
    assert isinstance(error, ConfigError)
    assert "needs a package that is not here (No module named 'no_such_package'); `make lm_eval`" in str(error)

    def lost(name: str) -> None:
        raise LookupError(name)

    monkeypatch.setattr("nltk.data.find", lost)
    path.write_text(whole.replace("task: sums", "task: ifeval_own"))
    error = problem(tiny_config, lm_eval={"task": str(path), "max_length": 100})
    assert isinstance(error, DataError)
    assert "ifeval_own splits sentences by nltk's punkt_tab, which is not here" in str(error)
    assert "set NLTK_DATA to it" in str(error)


def test_an_engine_without_likelihoods_is_refused(tiny_config: dict[str, Any], choices: str) -> None:
    tiny_config["generator"]["engine"] = "tests.fakes.questions:Questioner"
    error = problem(tiny_config, data={"source": f"mmlu:{choices}"}, method="likelihood_letter", **SHORT)
    assert "generator.engine: 'tests.fakes.questions:Questioner' has no method score" in str(error)


def test_rows_without_choices_are_named_or_left_out(tiny_config: dict[str, Any], tmp_path: Path) -> None:
    good = {"question": "1?", "choices": ["x", "y"], "answer": "B"}
    rows = [good, {**good, "question": "2?", "answer": "C"}, {**good, "question": "3?", "choices": "x"}]
    data = {"source": write(tmp_path / "rows.jsonl", rows)}
    error = problem(tiny_config, data=data, method="likelihood_option", **SHORT)
    assert isinstance(error, DataError)
    assert "benchmarks.own.data: 2 of 3 rows cannot be answered by likelihood_option" in str(error)
    assert "benchmarks.own.data-1: its answer 'C' is not the letter of one of 2 choices" in str(error)
    skipped = {"own": {"data": data | {"bad_golds": "skip"}, "method": "likelihood_option", **SHORT}}
    with check_run(GRPOConfig.model_validate(tiny_config | {"benchmarks": skipped})) as plan:
        (prompt,) = plan.data.evaluated["own"]
        assert [len(one) for one in prompt.continuations] == [1, 1]
        ids = plan.data.left_out["benchmarks.own.data: no choices for likelihood_option"]
        assert ids == ["benchmarks.own.data-1", "benchmarks.own.data-2"]


def test_a_run_evaluates_tasks_and_choices_beside_its_own_sets(
    rayrl: Start, tiny_config: dict[str, Any], tasks: dict[str, str], choices: str
) -> None:
    """Twice, before and after training, on the same documents, with the rows and figures that reports read."""
    tiny_config["benchmarks"] = {
        "letters": {"lm_eval": {"task": tasks["letters"], "num_fewshot": 2, "max_length": 100}},
        "sums": {"lm_eval": {"task": tasks["sums"], "limit": 4, "max_length": 100, "apply_chat_template": True}},
        "text": {"lm_eval": {"task": tasks["text"], "max_length": 100}},
        "own": {"data": {"source": f"mmlu:{choices}"}, "method": "likelihood_option", **SHORT},
    }
    run = rayrl("grpo", tiny_config, "--steps", 2, env=PATHS)
    assert run.wait(300) == 0, run.stderr
    assert run.left_running() == []
    first, last = run.records("eval")
    assert (first["step"], last["step"]) == (0, 2)
    totals = {name: first[f"benchmark/{name}/total"] for name in (*tiny_config["benchmarks"], "held_out")}
    assert totals == {"letters": 6, "sums": 4, "text": 0, "own": 6, "held_out": 8}
    for record in (first, last):
        assert record["benchmark/letters/accuracy"] == record["benchmark/letters/lm_eval/acc,none"]
        assert record["benchmark/sums/accuracy"] == record["benchmark/sums/lm_eval/exact_match,none"]
        assert record["benchmark/text/lm_eval/word_perplexity,none"] > 1
        assert record["benchmark/letters/truncated"] == 0
    assert "letters after step 2" in run.stdout
    items = [json.loads(line) for line in (run.run_dir / "benchmarks.jsonl").read_text().splitlines()]
    named: dict[tuple[str, int], list[str]] = {}
    for item in items:
        named.setdefault((item["benchmark"], item["step"]), []).append(item["item"])
    assert named["letters", 0] == named["letters", 2]
    assert len(set(named["letters", 0])) == 6
    lines = (run.run_dir / "rollouts/benchmark_letters_000002.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    assert (row["prompt"]["question"], row["gold"], row["task"]) == ("0 + 1?", "0", "letters")
    assert row["score"] == row["metrics"]["acc,none"]
    assert "own" in (run.run_dir / "report.html").read_text()


def test_rayrl_eval_evaluates_tasks_and_choices_and_nothing_twice(
    rayrl: Start, tiny_config: dict[str, Any], tasks: dict[str, str], choices: str
) -> None:
    config = {name: tiny_config[name] for name in ("run", "model", "prompt", "generator")}
    config["benchmarks"] = {
        "letters": {"lm_eval": {"task": tasks["letters"], "max_length": 100}},
        "own": {"data": {"source": f"mmlu:{choices}"}, "method": "likelihood_letter", **SHORT},
    }
    first = rayrl("eval", config, env=PATHS)
    assert first.wait(300) == 0, first.stderr
    assert first.left_running() == []
    folder = first.run_dir
    results = json.loads((folder / "results.json").read_text())
    assert results["letters"]["accuracy"]["n"] == results["own"]["accuracy"]["n"] == 6
    assert results["letters"]["acc,none"]["value"] == pytest.approx(results["letters"]["accuracy"]["value"])
    again = rayrl("eval", config, env=PATHS)
    assert again.wait(300) == 0, again.stderr
    assert "12 of 12 samples are there; 0 to go" in again.stderr
    assert json.loads((folder / "results.json").read_text()) == results


def test_a_task_that_is_killed_asks_only_what_is_missing_and_ends_with_the_same_result(
    rayrl: Start, tiny_config: dict[str, Any], tasks: dict[str, str], choices: str, tmp_path: Path
) -> None:
    """No document is whole before all of its task are."""
    rows = [json.loads(Path(choices).read_text().splitlines()[0]) | {"question": f"{n} + 1?"} for n in range(20)]
    write(Path(choices), rows)
    asked = tmp_path / "asked"
    config = {name: tiny_config[name] for name in ("run", "model", "prompt")}
    options = {"seconds": 0.3, "asked": str(asked)}
    config["generator"] = {"engine": "tests.fakes.engine:CountedEngine", "options": options}
    drawn = {"do_sample": True, "temperature": 1.0}
    config["benchmarks"] = {
        "sums": {"lm_eval": {"task": tasks["sums"], "max_length": 100, "gen_kwargs": drawn}},
        "letters": {"lm_eval": {"task": tasks["letters"], "max_length": 100}},
    }
    run = rayrl("eval", config, env=PATHS)
    file = run.run_dir / "answers.jsonl"

    def kept() -> int:
        return file.read_bytes().count(b"\n") if file.exists() else 0

    run.wait_for(lambda: kept() >= 5, 300, "five answers")
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait(60)
    there = kept()
    assert 5 <= there < 20
    assert (run.run_dir / "items.jsonl").read_text() == ""
    again = rayrl("eval", config, env=PATHS)
    assert again.wait(300) == 0, again.stderr
    assert list(Counter(asked.read_text().split()).values())[1:] == [40 - there]
    keys = [json.loads(line)["key"] for line in (again.run_dir / "answers.jsonl").read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 40
    whole = rayrl("eval", config | {"run": config["run"] | {"name": "whole"}}, env=PATHS)
    assert whole.wait(300) == 0, whole.stderr
    for name in ("results.json", "items.jsonl"):
        assert (whole.run_dir / name).read_text() == (again.run_dir / name).read_text(), name


def logged_by_lm_eval(model: Path, tasks: dict[str, str], folder: Path) -> Path:
    """As `lm_eval --model hf --tasks letters,sums --log_samples --output_path` leaves it, by lm-eval's own code."""
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    tracker = EvaluationTracker(output_path=str(folder))
    results = simple_evaluate(
        model="hf",
        model_args={"pretrained": str(model), "dtype": "float32", "max_length": 100},
        tasks=["letters", "sums"],
        task_manager=TaskManager(include_path=str(Path(tasks["sums"]).parent), include_defaults=False),
        device="cpu",
        bootstrap_iters=0,
        evaluation_tracker=tracker,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, own in samples.items():
        tracker.save_results_samples(name, own)
    return folder


def sample_here(plan: EvalPlan, draws: Sequence[Draw], take: TakeRow, tell: TakeEvent, *_: Any) -> None:
    """In the place of generators on Ray: the same engine in this process."""
    from rayrl.evaluate.harness_model import GeneratorLM

    engine = TransformersEngine(EngineSettings(plan.model, 101, 0, 1, 1, 1, 1, 0.5, {}))
    asyncio.run(engine.start())
    for name, task in plan.harness_tasks.items():
        rows, _ = task.evaluate(GeneratorLM(OneEngine(engine), engine.tokenizer, 100, seed=0))
        for draw in draws:
            if draw.benchmark == name:
                take(draw, rows[draw.index])


def test_instructions_of_a_document_stand_in_the_results_with_their_number(
    tiny_config: dict[str, Any], tasks: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that says of each instruction whether it was followed, as IFEval does, aggregated by lm-eval."""
    monkeypatch.setattr("rayrl.evaluate.sampler.sample", sample_here)
    monkeypatch.setattr("rayrl.train.cluster.connect", nullcontext)
    monkeypatch.setattr("rayrl.train.cluster.require_resources", lambda *_: None)
    (tmp_path / "checker.py").write_text(
        "def check(doc, results):\n"
        "    followed = [number <= doc['answer'] for number in (0, 1, 3)][: doc['answer'] + 1]\n"
        "    return {'prompt_level': all(followed), 'inst_level': followed}\n\n\n"
        "def pooled(items):\n"
        "    flat = [one for own in items for one in own]\n"
        "    return sum(flat) / len(flat)\n"
    )
    path = Path(tasks["sums"])
    task = yaml.safe_load(path.read_text()) | {"metric_list": []}
    metrics = [
        "metric_list:",
        "- {metric: prompt_level, aggregation: mean, higher_is_better: true}",
        "- {metric: inst_level, aggregation: !function checker.pooled, higher_is_better: true}",
        "process_results: !function checker.check",
    ]
    path.write_text(yaml.safe_dump(task).replace("metric_list: []", "\n".join(metrics)))
    config = {name: tiny_config[name] for name in ("run", "model", "prompt", "generator")}
    config["benchmarks"] = {"own": {"lm_eval": {"task": str(path), "max_length": 100}}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert main(["eval", str(tmp_path / "c.yaml")]) == 0
    results = json.loads((tmp_path / "runs/tiny/results.json").read_text())["own"]
    # Answers 0, 1, 2, 3, 0, 1: 1, 2, 3, 3, 1, 2 instructions, all followed but one of the third document.
    figures = {name: (results[name]["value"], results[name]["n"]) for name in ("prompt_level,none", "inst_level,none")}
    assert figures == {"prompt_level,none": (pytest.approx(5 / 6), 6), "inst_level,none": (pytest.approx(11 / 12), 12)}
    assert results["inst_level,none"]["low"] < 11 / 12 < results["inst_level,none"]["high"]
    assert "inst_level,none" in (tmp_path / "runs/tiny/report.html").read_text()


def test_samples_that_lm_eval_logged_itself_are_paired_with_our_own(
    tiny_config: dict[str, Any],
    tiny_model: Path,
    tasks: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Benchmarks asked alike, one of them with fewer documents than theirs, and one with two examples more."""
    monkeypatch.setattr("rayrl.evaluate.sampler.sample", sample_here)
    monkeypatch.setattr("rayrl.train.cluster.connect", nullcontext)
    monkeypatch.setattr("rayrl.train.cluster.require_resources", lambda *_: None)
    theirs = logged_by_lm_eval(tiny_model, tasks, tmp_path / "theirs")
    config = {name: tiny_config[name] for name in ("run", "model", "prompt", "generator")}
    config["benchmarks"] = {
        "letters": {"lm_eval": {"task": tasks["letters"], "max_length": 100}},
        "shots": {"lm_eval": {"task": tasks["letters"], "num_fewshot": 2, "max_length": 100}},
        "sums": {"lm_eval": {"task": tasks["sums"], "limit": 4, "max_length": 100}},
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert main(["eval", str(tmp_path / "c.yaml"), str(tiny_model), str(theirs)]) == 0
    shown, folder = capsys.readouterr().out, tmp_path / "runs/tiny"
    lines = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    written: dict[str, dict[str, Any]] = {"tiny": {}, "theirs": {}}
    for one in lines:
        if one["benchmark"] == "sums":
            written[one["model"]][one["item"]] = one
    assert written["tiny"].keys() < written["theirs"].keys()
    assert all(one["tokens"] and one["cut"] is not None for one in written["tiny"].values())
    assert {(one["tokens"], one["cut"]) for one in written["theirs"].values()} == {(None, None)}
    assert [one["score"] for one in written["theirs"].values()] == [0.0] * 6
    compared = {one["benchmark"]: one for one in json.loads((folder / "comparison.json").read_text())}
    paired = {name: (one["model"], one["items"], one["gained"], one["lost"]) for name, one in compared.items()}
    assert paired["letters"] == ("theirs", 6, 0, 0), "the same model, asked alike, answers alike"
    assert (paired["shots"][:2], paired["sums"]) == (("theirs", 6), ("theirs", 4, 0, 0))
    assert compared["letters"]["differences"] == []
    assert compared["sums"]["differences"] == ["documents that tiny did not answer, so not compared: 2"]
    assert compared["shots"]["differences"] == [
        "num_fewshot 0 against 2, in 6 of 6 documents",
        "the prompt is another text, in 6 of 6 documents",
    ]
    for place in (shown, (folder / "report.html").read_text()):
        assert "theirs: shots: num_fewshot 0 against 2, in 6 of 6 documents" in place
    results = json.loads((folder / "theirs/results.json").read_text())
    assert (results["letters"]["accuracy"]["n"], results["sums"]["accuracy"]["n"]) == (6, 6)
    assert results["sums"]["truncated_frac"] == {"value": None, "low": None, "high": None, "n": 0}
    assert main(["eval", str(tmp_path / "c.yaml"), str(tiny_model), str(theirs)]) == 0
    assert len((folder / "items.jsonl").read_text().splitlines()) == len(lines), "nothing is imported twice"

"""Some benchmarks of a config, by name, and the option that leaves out what cannot be had."""

from pathlib import Path
from typing import Any

import pytest

from rayrl.cli import parser
from rayrl.config import EvalConfig
from rayrl.errors import ConfigError, DataError, SyncError
from rayrl.evaluate.chosen import check_set_options, choose, saying_what_to_leave_out

SETS = {name: {"data": {"source": f"{name}.jsonl"}} for name in ("gsm8k", "math500", "math_own")}
CONFIG = EvalConfig.model_validate(
    {
        "model": {"path": "m"},
        "eval_data": {"source": "e.jsonl"},
        "benchmarks": SETS | {"mmlu": {"lm_eval": "mmlu"}},
    }
)


@pytest.mark.parametrize(
    ("only", "without", "left"),
    [
        ([], [], ["held_out", "gsm8k", "math500", "math_own", "mmlu"]),
        (["mmlu", "gsm8k"], [], ["gsm8k", "mmlu"]),
        (["math*"], [], ["math500", "math_own"]),
        (["math*"], ["math500"], ["math_own"]),
        ([], ["held_out", "m*"], ["gsm8k"]),
    ],
)
def test_benchmarks_are_chosen_by_name(only: list[str], without: list[str], left: list[str]) -> None:
    assert choose(CONFIG, only, without).evaluated_names == left


@pytest.mark.parametrize(
    ("only", "without", "message"),
    [
        (["gsm8k", "gsmk8"], [], r"--only gsmk8: no such benchmark; did you mean 'gsm8k'\? known are held_out, gsm8k,"),
        ([], ["tat*"], r"--without tat\*: no such benchmark; known are held_out, gsm8k, math500, math_own, mmlu"),
        (["mmlu"], ["mm*"], r"--without mm\*: nothing is left to evaluate; known are held_out"),
        ([""], [], "--only : no such benchmark; known are"),
    ],
)
def test_a_name_that_is_not_known_ends_with_those_that_are(only: list[str], without: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose(CONFIG, only, without)


def test_names_are_read_off_the_command_line_as_lm_evals_tasks_are() -> None:
    known, rest = parser().parse_known_args(["eval", "c.yaml", "--tasks", "a,b", "--only", "c*", "--run.name", "x"])
    assert (known.only, known.without, rest) == (["a", "b", "c*"], [], ["--run.name", "x"])
    assert parser().parse_known_args(["eval", "c.yaml"])[0].only == [], "not those of the call before"


def test_the_options_of_all_sets_are_checked_at_once(tmp_path: Path) -> None:
    def financebench(mode: str, folder: Path) -> dict[str, Any]:
        options = {"context": mode, "documents": str(folder)}
        return {"data": {"source": "financebench:none.jsonl", "options": options}}

    modes = ("closed_book", "in_context", "single_store")
    benchmarks = {mode: financebench(mode, tmp_path / "none") for mode in modes} | SETS
    config = EvalConfig.model_validate({"model": {"path": "m"}, "benchmarks": benchmarks})
    with pytest.raises(ConfigError) as raised, saying_what_to_leave_out(config):
        check_set_options(config)
    lines = str(raised.value).splitlines()
    assert [line for line in lines if line.startswith("benchmarks.")] == [
        "benchmarks.in_context.data.options of financebench:",
        "benchmarks.single_store.data.options of financebench:",
    ]
    assert lines[-1] == "or leave them out: --without in_context,single_store"
    check_set_options(choose(config, [], ["in_context", "single_store"]))


def test_only_an_error_of_some_benchmarks_says_what_to_leave_out() -> None:
    def said(error: Exception, config: EvalConfig = CONFIG) -> str:
        with pytest.raises(type(error)) as raised, saying_what_to_leave_out(config):
            raise error
        return str(raised.value)

    missing = DataError("benchmarks.math500.data.source: file 'math500.jsonl' does not exist")
    assert said(missing) == f"{missing}\nor leave it out: --without math500"
    assert said(DataError("eval_data.source: none")).endswith("--without held_out")
    assert said(DataError("model.path: none of benchmarks.mmlu")) == "model.path: none of benchmarks.mmlu"
    assert said(missing, choose(CONFIG, ["math500"], [])) == str(missing), "nothing would be left"
    assert said(SyncError("benchmarks.mmlu: lost")) == "benchmarks.mmlu: lost"

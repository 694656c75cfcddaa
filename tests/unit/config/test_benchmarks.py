"""Benchmarks: a set of one's own, or a task of lm-evaluation-harness; a completion, or likelihoods."""

from pathlib import Path
from typing import Any

import pytest

from rayrl.config import GRPOConfig, dump_config, load_config, validated
from rayrl.errors import ConfigError

RUN: dict[str, Any] = {
    "model": {"path": "m"},
    "train_data": {"source": "reasoning_gym:chain_sum"},
    "rewards": [{"function": "maths"}],
    "steps": 0,
}


def config(**benchmarks: Any) -> GRPOConfig:
    return validated(GRPOConfig, "config.yaml", RUN | {"benchmarks": benchmarks})


def test_a_name_alone_is_a_task() -> None:
    found = config(mmlu={"lm_eval": "mmlu"}, gsm8k={"lm_eval": {"task": "gsm8k", "num_fewshot": 5, "limit": 20}})
    assert found.harness_tasks["mmlu"].task == "mmlu"
    assert (found.harness_tasks["gsm8k"].num_fewshot, found.harness_tasks["gsm8k"].limit) == (5, 20)
    assert found.evaluation_sets == []
    assert found.evaluates
    assert found.evaluated_names == ["mmlu", "gsm8k"]


def test_a_task_of_a_file_is_found_from_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert config(own={"lm_eval": "own/task.yaml"}).harness_tasks["own"].task == str(tmp_path / "own/task.yaml")


def test_it_survives_a_round_trip(tmp_path: Path) -> None:
    found = config(mmlu={"lm_eval": {"task": "mmlu", "gen_kwargs": {"temperature": 0.6}}})
    (tmp_path / "again.yaml").write_text(dump_config(found))
    assert load_config(tmp_path / "again.yaml", {}, GRPOConfig) == found


def test_generators_hold_its_longest_input_and_one_token_more() -> None:
    assert config(mmlu={"lm_eval": {"task": "mmlu", "max_length": 4000}}).longest_sample == 4001
    assert config(mmlu={"lm_eval": {"task": "mmlu", "max_length": 10}}).longest_sample == 512 + 256


@pytest.mark.parametrize(
    ("benchmark", "says"),
    [
        ({}, "give data .* or lm_eval .*, one of them"),
        ({"data": {"source": "x"}, "lm_eval": "mmlu"}, "give data .* or lm_eval .*, one of them"),
        ({"lm_eval": "mmlu", "max_tokens": 8, "method": "likelihood_letter"}, "max_tokens, method: does not go with"),
        ({"lm_eval": {"task": "mmlu", "fewshot": 5}}, "fewshot: unknown setting"),
        ({"lm_eval": {"task": "mmlu", "limit": 0}}, "greater than 0"),
        ({"data": {"source": "x"}, "method": "likelihood"}, "'generate', 'likelihood_letter' or 'likelihood_option'"),
    ],
)
def test_what_does_not_go_together_is_refused(benchmark: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s)benchmarks.own.*{says}"):
        config(own=benchmark)


def test_golds_of_choices_by_likelihood_are_letters() -> None:
    data = {"source": "mmlu_stem"}
    found = config(read={"data": data}, letter={"data": data, "method": "likelihood_letter"})
    assert [one.method for one in found.evaluation_sets] == ["generate", "likelihood_letter"]
    assert [one.rewards[0].function for one in found.evaluation_sets] == ["maths", "choice"]

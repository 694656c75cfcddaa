"""lm-evaluation-harness's samples as rows of an evaluation."""

from typing import Any

import pytest

from rayrl.errors import ConfigError
from rayrl.evaluate.harness_rows import figures, harness_rows
from rayrl.rollout_row import correct, identity
from rayrl.types import FinishReason, Rollout


def choice(number: int, best: int, **metrics: Any) -> dict[str, Any]:
    likelihoods = [(-1.0 if at == best else -2.0, at == best) for at in range(2)]
    return {
        "doc_id": number,
        "doc": {"question": f"q{number}"},
        "target": "0",
        "arguments": [("q", " A"), ("q", " B")],
        "resps": [[one] for one in likelihoods],
        "filtered_resps": likelihoods,
        "filter": "none",
        "metrics": list(metrics),
        **metrics,
    }


def written(number: int, how: str, read: str, **metrics: Any) -> dict[str, Any]:
    return {
        "doc_id": number,
        "doc": {"question": f"q{number}"},
        "target": "7",
        "arguments": [("q", {})],
        "resps": [["it is 7."]],
        "filtered_resps": [read],
        "filter": how,
        "metrics": list(metrics),
        **metrics,
    }


def rollout(finish: FinishReason = "stop") -> Rollout:
    return Rollout("it is 7.<end>", [1, 2, 3], [0.0] * 3, [0] * 3, finish)


def test_a_choice_is_a_row_with_the_likelihoods_that_decided() -> None:
    samples = [choice(0, 0, acc=1.0, acc_norm=0.0), choice(1, 1, acc=0.0, acc_norm=1.0)]
    first, second = harness_rows("arc", samples, {}, None, {})
    assert (first["prompt_id"], first["score"], first["status"], first["completion"]) == ("arc-0", 1.0, "correct", " A")
    assert first["extracted"] == "log-likelihoods: 'A' -1.000 'B' -2.000"
    assert first["metrics"] == {"acc,none": 1.0, "acc_norm,none": 0.0}
    assert (second["score"], second["status"], second["completion"], correct(second)) == (0.0, "incorrect", " B", False)
    assert identity(first) != identity(second)


def test_a_metric_of_parts_is_kept_beside_those_that_are_numbers() -> None:
    """As IFEval's; a pair of numbers is no list of parts."""
    followed = {"prompt_level": False, "inst_level": [True, False], "mcc": (0, 1), "f1": [0, 1]}
    (row,) = harness_rows("ifeval", [written(0, "none", "7", **followed)], {}, None, {})
    assert (row["score"], row["metrics"]) == (0.0, {"prompt_level,none": 0.0})
    assert row["parts"] == {"inst_level,none": [True, False]}
    (other,) = harness_rows("arc", [choice(0, 0, acc=1.0)], {}, None, {})
    assert "parts" not in other


def test_a_metric_of_ones_own_choice_is_the_score() -> None:
    samples = [choice(0, 0, acc=1.0, acc_norm=0.0)]
    (row,) = harness_rows("arc", samples, {}, "acc_norm", {})
    assert (row["score"], row["reason"]) == (0.0, "acc_norm,none")
    with pytest.raises(ConfigError, match=r"lm_eval.metric: 'f1' is none of arc's; it has acc,none, acc_norm,none"):
        list(harness_rows("arc", samples, {}, "f1", {}))


def test_filters_of_one_document_are_one_row() -> None:
    samples = [written(0, "strict-match", "[invalid]", exact_match=0), written(0, "flexible", "7", exact_match=1)]
    (strict,) = harness_rows("gsm8k", samples, {("gsm8k", 0): [rollout()]}, None, {})
    assert (strict["score"], strict["extracted"], strict["tokens"]) == (0.0, "[invalid]", 3)
    assert strict["metrics"] == {"exact_match,strict-match": 0.0, "exact_match,flexible": 1.0}
    (flexible,) = harness_rows("gsm8k", samples, {("gsm8k", 0): [rollout("length")]}, "exact_match,flexible", {})
    assert (flexible["score"], flexible["extracted"], flexible["finish_reason"]) == (1.0, "7", "length")


def test_a_document_without_a_number_has_no_score_and_is_none_wrong() -> None:
    sample = written(0, "none", "x", perplexity=(-3.0, 2))
    (row,) = harness_rows("wiki", [sample], {}, None, {})
    assert (row["score"], row["status"], row["metrics"]) == (None, None, {})


def test_figures_are_named_by_metric_and_within_a_group_by_task() -> None:
    results = {
        "mmlu": {"acc,none": 0.5, "acc_stderr,none": "N/A", "alias": "mmlu", "sample_len": 2},
        "mmlu_law": {"acc,none": 0.25, "acc_stderr,none": 0.1},
    }
    assert figures(results, "mmlu") == {"acc,none": 0.5, "mmlu_law/acc,none": 0.25}
    assert figures(results, "") == {"mmlu/acc,none": 0.5, "mmlu_law/acc,none": 0.25}

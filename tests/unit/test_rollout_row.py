"""What the row of an evaluated sample says beside its verdict."""

from typing import Any

from rayrl.rollout_row import evaluation_row
from rayrl.types import Prompt, Rollout, RolloutGroup, Verdict

SAID = Rollout("15", [1], [0.0], [0], "stop")


def group(parts: dict[str, list[float | None]], **columns: Any) -> RolloutGroup:
    prompt = Prompt("x-0", "", [1], {"question": "q", "answer": "15"} | columns)
    return RolloutGroup(prompt, [SAID], [0.5], parts, [Verdict(0.0, "incorrect")])


def test_the_rules_decide_the_score_and_each_of_several_rewards_is_kept() -> None:
    row = evaluation_row(group({"finance": [0.0], "finance_judge": [1.0], "slow": [None]}), 2)
    assert (row["score"], row["status"], row["sample"]) == (0.0, "incorrect", 2)
    assert row["measures"] == {"reward/finance": 0.0, "reward/finance_judge": 1.0}
    assert "measures" not in evaluation_row(group({"finance": [0.0]}), 0)


def test_what_retrieval_found_is_kept_and_its_recall_where_that_is_known() -> None:
    row = evaluation_row(group({"finance": [0.0]}, retrieved=[["A", 3]], recall=0.5), 0)
    assert (row["retrieved"], row["measures"]) == ([["A", 3]], {"recall": 0.5})
    unknown = evaluation_row(group({"finance": [0.0]}, retrieved=["A#1"], recall=None), 0)
    assert unknown["retrieved"] == ["A#1"]
    assert "measures" not in unknown
    assert "retrieved" not in evaluation_row(group({"finance": [0.0]}, recall=0.5), 0), "a column of that name alone"

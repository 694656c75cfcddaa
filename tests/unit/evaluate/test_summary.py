"""Figures of evaluated sets, against values worked out by hand and intervals from elsewhere."""

from typing import Any

import pytest

from rayrl.evaluate.summary import Figure, cut_off_warning, harness_metrics, summarize
from rayrl.intervals import wilson_interval
from rayrl.metric_table import find_metric
from rayrl.train.statistics import evaluation_statistics
from rayrl.train.view import evaluation_lines


def row(item: int, score: float | None, said: str | None = None, **other: Any) -> dict[str, Any]:
    status = "error" if score is None else "correct" if score else "incorrect"
    known = {"prompt_id": f"x-{item}", "prompt": f"q{item}", "gold": "1", "score": score, "status": status, "tokens": 4}
    return known | {"sample": 0, "extracted": said, "finish_reason": "stop"} | other


def values(figures: dict[str, Figure]) -> dict[str, float | None]:
    return {name: figure.value for name, figure in figures.items()}


def test_one_sample_an_item_has_wilsons_interval_and_no_figure_of_k() -> None:
    rows = [row(item, float(item < 30)) for item in range(100)] + [row(100, None)]
    figures = summarize(rows, (1,))
    assert figures["accuracy"] == Figure(0.3, *wilson_interval(30, 100), 100)
    assert set(figures) == {"accuracy", "accuracy_finished", "truncated_frac", "mean_tokens"}
    record = evaluation_statistics({"held_out": rows})
    assert (record["eval/correct"], record["eval/total"], record["eval/unscored"]) == (30, 100, 1)
    assert (record["eval/accuracy"], record["eval/mean_tokens"]) == (0.3, 4)
    (line,) = evaluation_lines({"step": 0} | record).splitlines()
    assert line == "held-out after step 0: 30/100 = 0.300 (95 % interval 0.219-0.396), 1 not scored"


def sampled() -> list[dict[str, Any]]:
    """Three items of four samples: 2, 1 and 0 right. Of the last, two agree, one is unreadable."""
    return [
        *(row(0, score, said) for score, said in [(1.0, "1"), (1.0, "1.0"), (0.0, "2"), (0.0, "3")]),
        *(row(1, score, said) for score, said in [(1.0, "1"), (0.0, "X "), (0.0, "x"), (0.0, None)]),
        *(row(2, 0.0, said) for said in ("7", "7", "8")),
        row(2, 0.0, None, status="unparseable"),
    ]


def test_samples_give_pass_and_majority_at_every_k() -> None:
    found = values(summarize(sampled(), (1, 2, 4)))
    assert found["accuracy"] == found["avg@4"] == found["pass@1"] == pytest.approx(0.25)
    assert found["maj@1"] == pytest.approx(0.25)
    assert found["pass@2"] == pytest.approx((5 / 6 + 1 / 2 + 0) / 3)
    assert found["pass@4"] == pytest.approx(2 / 3)
    # All four: right answers are one whatever their text (2 votes lead); "X " and "x" are one (2 votes to 1).
    assert found["maj@4"] == pytest.approx(1 / 3)
    # Two of item 0: one pair both right, four pairs of one right and one wrong. Of item 1: three pairs tie.
    assert found["maj@2"] == pytest.approx(((1 + 4 / 2) / 6 + (3 / 2) / 6 + 0) / 3)


def test_items_are_the_draws_and_not_their_samples() -> None:
    """Samples of an item that all agree say no more than one of them."""
    rows = [row(item, float(item < 12)) for item in range(40) for _ in range(8)]
    figures = summarize(rows, (1, 8))
    assert figures["accuracy"] == Figure(0.3, *wilson_interval(12, 40), 40)
    independent = [row(item, float(sample < 2)) for item in range(40) for sample in range(8)]
    narrow, wide = summarize(independent, (1,))["accuracy"], summarize(rows)["accuracy"]
    assert (narrow.low, narrow.high) == wilson_interval(80, 320)
    assert (narrow.high or 0) - (narrow.low or 0) < (wide.high or 0) - (wide.low or 0)


def test_samples_without_a_score_are_left_out_and_items_with_too_few_too() -> None:
    rows = [*(row(0, score) for score in (1.0, 0.0, None)), *(row(1, score) for score in (1.0, 1.0, 0.0))]
    figures = summarize(rows, (1, 2, 3))
    assert figures["accuracy"].value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert (figures["pass@3"].value, figures["pass@3"].n) == (1.0, 1)
    assert (figures["pass@2"].value, figures["pass@2"].n) == (1.0, 2)
    assert evaluation_statistics({"x": rows})["benchmark/x/unscored"] == 1


def test_no_majority_where_nothing_says_what_was_answered() -> None:
    rows = [row(0, score, status=None) for score in (1.0, 0.0)]
    assert not [name for name in summarize(rows, (1, 2)) if name.startswith("maj")]


def instructions(followed: list[list[bool]]) -> list[dict[str, Any]]:
    return [
        row(item, float(all(own)), metrics={"prompt,none": float(all(own))}, parts={"inst,none": own})
        for item, own in enumerate(followed)
    ]


def test_instructions_are_counted_each_and_their_interval_is_over_documents() -> None:
    """Documents whose three instructions are all right or all wrong say no more than one instruction each."""
    alike = harness_metrics(instructions([[item < 12] * 3 for item in range(40)]))
    assert alike["prompt,none"] == Figure(0.3, *wilson_interval(12, 40), 40)
    low, high = wilson_interval(12, 40)
    assert alike["inst,none"] == Figure(0.3, pytest.approx(low), pytest.approx(high), 120)
    single = harness_metrics(instructions([[item < 12] for item in range(40)]))
    assert single["inst,none"] == Figure(0.3, *wilson_interval(12, 40), 40)
    mixed = harness_metrics(instructions([[True], [False, True, True], [False] * 4, []]))["inst,none"]
    assert (mixed.value, mixed.n) == (3 / 8, 8)
    squares = (1 - 3 / 8) ** 2 + (2 - 9 / 8) ** 2 + (12 / 8) ** 2
    count = 8 * min(1, 8 * (3 / 8) * (5 / 8) / squares)
    assert (mixed.low, mixed.high) == pytest.approx(wilson_interval(3 / 8 * count, count))
    never = harness_metrics(instructions([[False, False]] * 5))["inst,none"]
    assert (never.value, never.low, never.high, never.n) == (0.0, *wilson_interval(0, 5), 10)


def test_the_share_cut_off_stands_beside_the_accuracy_and_warns_above_five_percent() -> None:
    rows = [row(item, float(item < 50), finish_reason="length" if item >= 94 else "stop") for item in range(100)]
    figures = summarize(rows)
    assert (figures["truncated_frac"].value, figures["accuracy"].value) == (pytest.approx(0.06), 0.5)
    assert figures["accuracy_finished"].value == pytest.approx(50 / 94)
    warning = cut_off_warning("gsm8k", figures)
    assert warning is not None
    assert "gsm8k: 6.0 % of the completions were cut off" in warning
    assert "0.532" in warning
    record = {"step": 0} | evaluation_statistics({"gsm8k": rows})
    assert evaluation_lines(record).endswith(", 6.0 % cut off (0.532 without these)")
    assert cut_off_warning("gsm8k", summarize(rows[:-1])) is not None
    assert cut_off_warning("gsm8k", summarize(rows[:98])) is None  # 4 of 98


def test_every_figure_has_a_name_in_the_table() -> None:
    for name in evaluation_statistics({"held_out": sampled(), "own": sampled()}, {"own": (1, 2, 4)}):
        find_metric(name)


def test_without_any_score_nothing_is_said() -> None:
    figures = summarize([row(0, None), row(0, None)], (1, 2))
    assert figures["accuracy"] == figures["pass@2"] == Figure(None, None, None, 0)
    assert "none of the completions could be scored" in evaluation_lines(
        {"step": 0} | evaluation_statistics({"own": [row(0, None)]})
    )


def test_recall_and_each_reward_are_means_over_the_items_that_have_them() -> None:
    """Of two samples of one item the mean counts once; an item without a known recall is left out of `n`."""
    rows = [
        row(0, 1.0, measures={"recall": 1.0, "reward/finance": 1.0}),
        row(0, 0.0, sample=1, measures={"recall": 1.0, "reward/finance": 0.0}),
        row(1, 0.0, measures={"recall": 0.0, "reward/length": -0.5}),
        row(1, 0.0, sample=1, measures={"recall": 0.0, "reward/length": -1.5}),
        row(2, None, measures={}),
        row(2, None, sample=1),
    ]
    figures = summarize(rows)
    assert (figures["recall"].value, figures["recall"].n) == (0.5, 2)
    assert (figures["reward/finance"].value, figures["reward/finance"].n) == (0.5, 1)
    assert (figures["reward/length"].value, figures["reward/length"].low) == (-1.0, None), "one item has no interval"
    alone = summarize([row(item, 0.0, measures={"recall": float(item < 30)}) for item in range(100)])["recall"]
    assert alone == Figure(0.3, *wilson_interval(30, 100), 100)
    record = evaluation_statistics({"x": rows})
    assert record["benchmark/x/recall"] == 0.5
    for name in record:
        find_metric(name)

"""Refusals and answers in many wordings, one a line, written for this test; and what people took for no refusal."""

import json
from pathlib import Path

import pytest

from rayrl.verify.finance.gold import read_gold
from rayrl.verify.finance.verdict import verify

PHRASES = Path(__file__).with_name("phrases")
DATA = Path(__file__).parents[4] / "shared/data"
QUESTION = "What was the ratio in FY2022?"


def statuses(name: str) -> dict[str, str]:
    """By response, for a gold of words: any response answers it, but for a refusal.

    One test over all of them: a thousand tests would cost more than what they run.
    """
    gold = "It makes planes and engines"
    return {line: verify(line, gold, question=QUESTION).status for line in (PHRASES / name).read_text().splitlines()}


def test_ways_to_say_that_there_is_no_answer():
    found = statuses("refusals.txt")
    assert len(found) > 1000
    assert [response for response, status in found.items() if status != "refusal"] == []


def test_answers_that_say_what_they_lack():
    found = statuses("answers.txt")
    assert len(found) > 1000
    assert [response for response, status in found.items() if status == "refusal"] == []


@pytest.mark.parametrize(
    "lead", ["Answer:\n", "Based on the context:\n", "You asked for the ratio. ", "The quick ratio is a metric. "]
)
def test_what_only_leads_up_to_it_does_not_count(lead):
    assert verify(f"{lead}The context does not give it.", "17.98", question=QUESTION).status == "refusal"


def test_where_there_is_no_answer_at_all_one_sentence_about_what_is_missing_is_enough():
    told = "The ratio fell last year. Both figures were restated, {}. Management expects it to rise."
    assert verify(told.format("the filing does not state them"), "17.98", question=QUESTION).status == "refusal"
    assert verify(told.format("and the filing explains why"), "17.98", question=QUESTION).status == "unparseable"
    with_figure = told.format("the filing does not state them") + " It was 17.98 in FY2022."
    assert verify(with_figure, "17.98", question=QUESTION).status == "correct"


def test_steps_are_no_conclusion_and_a_result_is():
    steps = (
        "To compute the ratio you would need both figures. Divide one by the other. Finally, the result is rounded to"
    )
    assert verify(f"{steps} two decimals.", "17.98", question=QUESTION).status == "refusal"
    assert verify("To compute it, divide 35.96 by 2. Finally, 35.96 / 2 = 17.98.", "17.98").status == "correct"


def test_no_gold_of_tatqa_and_no_gsm8k_solution_is_a_refusal():
    if not (DATA / "tatqa/dev.json").is_file():
        pytest.skip(f"the shared data is not here ({DATA})")
    answers = [
        asked["answer"] for part in json.loads((DATA / "tatqa/dev.json").read_text()) for asked in part["questions"]
    ]
    golds = ["; ".join(map(str, answer)) if isinstance(answer, list) else str(answer) for answer in answers]
    assert [gold for gold in golds if read_gold(gold).kind == "refusal"] == []
    solutions = (DATA / "labelled/gsm8k_solutions.jsonl").read_text().splitlines()[::4]
    responses = [*golds, *(json.loads(line)["response"] for line in solutions)]
    assert [text for text in responses if verify(text, "17.98").status == "refusal"] == []

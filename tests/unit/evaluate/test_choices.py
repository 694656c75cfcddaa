"""Multiple choice by likelihood: what is scored, and which choice counts as the answer."""

from typing import Any

import pytest

from rayrl.evaluate.choices import choice_row, likelihood_prompt
from rayrl.types import Prompt, Score

PIECES = ["ask:", "A", "B", "C", " ", "x", "y", "\n", ":A"]


def encode(text: str) -> list[int]:
    """The longest pieces first, as a tokenizer that merges over a boundary does."""
    ids = []
    while text:
        piece = max((one for one in PIECES if text.startswith(one)), key=len)
        ids.append(PIECES.index(piece))
        text = text[len(piece) :]
    return ids


def prompt(text: str = "ask:", **columns: Any) -> Prompt:
    row = {"question": "?", "answer": "B", "choices": ["xx", "x", "y"], **columns}
    return Prompt("set-0", text, encode(text), row)


def scores(*totals: float) -> list[Score]:
    return [Score([total / 2, total / 2], False) for total in totals]


def test_letters_follow_the_prompt_one_for_each_choice() -> None:
    assert likelihood_prompt(prompt(), "likelihood_letter", encode, 4).continuations == [[1], [2], [3]]


def test_options_are_scored_whole() -> None:
    assert likelihood_prompt(prompt(), "likelihood_option", encode, 4).continuations == [[5, 5], [5], [6]]


def test_a_choice_that_merges_with_the_prompt_is_encoded_alone() -> None:
    other = Prompt("set-0", "ask:", [0, 4], prompt().columns)  # ids that the whole text does not begin with
    assert likelihood_prompt(other, "likelihood_letter", encode, 4).continuations == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"choices": None}, "'choices' is no list of texts"),
        ({"choices": ["x", ""]}, "'choices' is no list of texts"),
        ({"answer": "D"}, "answer 'D' is not the letter of one of 3 choices"),
        ({"answer": "AB"}, "answer 'AB' is not the letter of one of 3 choices"),
        ({"answer": ""}, "answer '' is not the letter"),
        ({"choices": ["xxxxx", "x", "y"]}, r"option of 5 tokens is longer than max_tokens \(4\)"),
    ],
)
def test_a_row_that_cannot_be_asked_says_why(columns: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        likelihood_prompt(prompt(**columns), "likelihood_option", encode, 4)


def test_the_most_probable_letter_is_the_answer() -> None:
    right = choice_row(prompt(), "likelihood_letter", scores(-2, -1, -3))
    assert (right["extracted"], right["completion"], right["score"], right["status"]) == ("B", "B", 1.0, "correct")
    assert right["reason"] == "log-probability of the letter: A -2.000, B -1.000, C -3.000"
    wrong = choice_row(prompt(), "likelihood_letter", scores(-1, -2, -3))
    assert (wrong["extracted"], wrong["score"], wrong["status"]) == ("A", 0.0, "incorrect")


def test_options_are_compared_by_their_characters_and_letters_are_not() -> None:
    totals = scores(-1.9, -1, -3)
    assert choice_row(prompt(), "likelihood_option", totals)["extracted"] == "A"
    assert choice_row(prompt(), "likelihood_option", totals)["completion"] == "xx"
    assert choice_row(prompt(), "likelihood_letter", totals)["extracted"] == "B"


def test_of_two_alike_the_first_counts() -> None:
    assert choice_row(prompt(), "likelihood_letter", scores(-1, -1, -3))["extracted"] == "A"

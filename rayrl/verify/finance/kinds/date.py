"""A gold that is a date or a period."""

import re
from dataclasses import replace

from rayrl.types import Verdict
from rayrl.verify.finance.gold import Gold
from rayrl.verify.finance.kinds.answer import Answer, Question, comparison, without_answer
from rayrl.verify.finance.kinds.statement import sentence_weight
from rayrl.verify.finance.reading.dates import Date, dates_in, only_year
from rayrl.verify.finance.reading.sentences import Sentence
from rayrl.verify.finance.reading.words import content_words

_ASKS_YEAR = re.compile(r"\b(?:which|what)\s+(?:fiscal\s+|calendar\s+)?year\b(?!\s+end)|\bwhen\b", re.IGNORECASE)
_OTHER = re.compile(r"^\W*(?:or|to|through)\W*$|^\s*-\s*$")
_AS_OF = re.compile(r"\bas\s+of\W*$", re.IGNORECASE)
NEAR_WORDS = 3
FIELDS = ("year", "quarter", "month", "day")


def asks_year(question: str) -> bool:
    """Whether a bare number such as 2019 is a year, for all that the question says."""
    return bool(_ASKS_YEAR.search(question))


def _fields(date: Date) -> dict[str, int]:
    return {name: value for name in FIELDS if (value := getattr(date, name)) is not None}


def _candidates(sentence: Sentence, gold: Date, question: str) -> list[Date]:
    """Dates that name all that the gold names, without those that the question gives."""
    year = only_year(question)
    dates = [replace(date, year=date.year or year) for date in dates_in(sentence.text)]
    fine = [date for date in dates if _fields(gold).keys() <= _fields(date).keys()]
    given = [_fields(date) for date in dates_in(question)]
    fresh = [date for date in fine if _fields(date) not in given]
    return fine if _fields(gold) in given else fresh


def _choose(sentence: Sentence, dates: list[Date], asked: frozenset[str]) -> int:
    """The date that opens the sentence, or else the one right before which most of the question's words stand."""
    starts = [0, *(date.end for date in dates)]
    before = [sentence.text[start : date.start] for start, date in zip(starts, dates, strict=False)]
    if not content_words(before[0]) and not _AS_OF.search(before[0]):
        return 0
    near = [" ".join(text.split()[-NEAR_WORDS:]) for text in before]
    return max(
        range(len(dates)),
        key=lambda at: (len(asked & content_words(near[at])), len(asked & content_words(before[at])), -at),
    )


def judge_date(answer: Answer, gold: Gold, question: Question) -> Verdict:
    """Whether a response gives the gold's date: in the sentence that looks most like the answer."""
    assert gold.date is not None
    usable = [(s, dates) for s in answer.sentences if (dates := _candidates(s, gold.date, question.text))]
    if not usable:
        return without_answer("no date as precise as the gold found")
    asked = content_words(question.text)
    weights = [sentence_weight(s, asked, at == len(usable) - 1, at == 0) for at, (s, _) in enumerate(usable)]
    sentence, dates = usable[max(range(len(usable)), key=lambda at: (weights[at], at))]
    text, at = sentence.text, _choose(sentence, dates, asked)
    hedged = at + 1 < len(dates) and _OTHER.match(text[dates[at].end : dates[at + 1].start])
    agrees = not hedged and _fields(gold.date).items() <= _fields(dates[at]).items()
    return comparison(agrees, "date", text[dates[at].start : dates[at].end])

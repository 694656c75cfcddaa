"""Sentences of a response, each with the amounts that it states."""

import re
from dataclasses import dataclass

from rayrl.verify.finance.reading.amounts import MAX_AMOUNTS, Amount, amounts_in

CONCLUDES = re.compile(
    r"^\W*(?:therefore|so|thus|hence|in\s+(?:conclusion|summary|short)|overall|finally|round(?:ed|ing)|consequently)\b"
    r"|\banswer\b[^.]{0,40}?(?:\bis\b|:|=)|\b(?:is|are)\s+therefore\b|\brounded\s+to\b|^\W*(?:final\s+)?answer\b",
    re.IGNORECASE,
)
"""Words by which a sentence announces a conclusion."""
_END = re.compile(r"\n+|(?<=[.!?])[\"')*\]]*\s+(?=[^a-z\s])|(?<=\d)\s*;\s")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Inc|Co|Corp|Ltd|No|vs|approx|U\.S|e\.g|i\.e|etc|St|Dr|Mr|Ms|Jr|plc|N\.A)|\b[A-Z])\.$"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """text: as it stands there. amounts: what it states, in order. start: its place in the response."""

    text: str
    amounts: list[Amount]
    start: int

    def before(self, amount: Amount) -> str:
        return self.text[: amount.start]


def sentences(text: str, question: str = "") -> list[Sentence]:
    """The sentences and lines of `text`, empty ones left out."""
    pieces: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        piece = text[start : match.start()]
        if "\n" not in match.group() and _ABBREVIATION.search(piece[-12:]):
            continue
        pieces.append((start, match.start()))
        start = match.end()
    pieces.append((start, len(text)))
    found: list[Sentence] = []
    total = 0
    for start, end in pieces:
        piece = text[start:end]
        if piece.strip():
            amounts = amounts_in(piece, question) if total < MAX_AMOUNTS else []
            total += len(amounts)
            found.append(Sentence(piece, amounts, start))
    return found

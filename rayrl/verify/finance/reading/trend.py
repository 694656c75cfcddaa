"""Words for rising and falling."""

import re

RISE = (
    r"(?:improv\w+|increas\w+|gr[eo]w\w*|ris(?:e|es|ing|en)|rose|higher|strengthen\w*|expan\w+|(?<!-)up|gain(?:ed|s)?)"
)
FALL = (
    r"(?:declin\w+|decreas\w+|fell|fall(?:en|ing(?!\s+due)|s)?|drop\w*|deteriorat\w+|lower\w*(?!\s+of\b)|worsen\w*"
    r"|weaken\w*|shr[aiu]nk\w*|contract(?:ed|ions?)|down|reduc\w+)"
)
"""What is falling due, or the lower of cost and market, is no fall."""
NEGATIVE = r"(?:loss\w*|negative\w*|outflow\w*|deficit\w*)"
"""Words for an amount below zero."""
CHANGE = r"(?:increase|decrease|rise|fall|gain|drop|decline|change|difference|growth|reduction|improvement)"
"""Nouns for what a figure moved by."""
MOVED = re.compile(
    r"\b(?:rose|fell|grew|shrank|declined|decreased|increased|dropped|improved|narrowed|widened|expanded|gained"
    r"|slid)\b",
    re.IGNORECASE,
)
_RISE = re.compile(rf"\b{RISE}\b", re.IGNORECASE)
_FALL = re.compile(rf"\b{FALL}\b", re.IGNORECASE)


def trend(text: str) -> int:
    """1 where `text` speaks of a rise only, -1 where of a fall only, else 0."""
    return bool(_RISE.search(text)) - bool(_FALL.search(text))

"""Sums that are not worked out: `4 + 8 - 6` repeats the question, and is no answer where a number is asked for.

math-verify works them out, so a completion that only repeats the question is right. A model that was trained on that
learned to say `4 + 8 - 6 indeed equals` and to be cut off there.
"""

import re

_NUMBER = r"\d++(?:,\d{3})*+(?:\.\d++)?+"
_TERM = rf"[(\[]{{0,3}}+{_NUMBER}[)\]]{{0,3}}+"
_OPERATOR = r"(?:[-+−*×÷·/]|\\(?:times|cdot|div)(?![A-Za-z]))"
_SUM = rf"{_TERM}(?:\s{{0,3}}+{_OPERATOR}\s{{0,3}}+[-−]?+{_TERM})++"
_WHOLE = re.compile(rf"[-−]?\s*{_SUM}")
_FRACTION = re.compile(rf"[-−]?\s*{_NUMBER}\s*/\s*{_NUMBER}")
_SPANS = re.compile(
    r"(?P<formula>(?<!\\)\$\$?[^$\n]{1,400}\$\$?|\\\([^\n]{1,400}?\\\)|\\\[[^\n]{1,400}?\\\])"
    rf"|(?<![\w.])(?P<sum>{_SUM})"
)
_BRACKETS = re.compile(r"\A(?:\$\$?|\\[(\[])\s*|\s*(?:\$\$?|\\[)\]])\Z")
# What makes a sum a part of something larger, just before and just behind it.
_BEFORE = re.compile(r"(?:[\w)\]}!%°]\s*[-−+*×÷·/^]|[_{\\√^]|[\\_^][A-Za-z0-9{}]*)\s*\Z")
_BEHIND = re.compile(r"[\w%°({!]|\.\d|\s*(?:[-+*/^!√\\]|×|÷)")

_GOES_ON = re.compile(r"\s*(?:=|[A-Za-z])")


def _is_unworked(text: str) -> bool:
    return bool(_WHOLE.fullmatch(text)) and not _FRACTION.fullmatch(text)


def without_sums(text: str) -> str:
    """`text` without sums, products and quotients of plain numbers that stand alone in words, or are a whole formula
    behind which the sentence goes on.

    A fraction and a power of ten are numbers, and stay. Linear in the length of the text.
    """

    def kept(match: re.Match[str]) -> str:
        before, behind = text[max(0, match.start() - 12) : match.start()], text[match.end() : match.end() + 4]
        if match["formula"] is not None:
            goes_on = _GOES_ON.match(behind) and _is_unworked(_BRACKETS.sub("", match[0]))
            return " " if goes_on else match[0]
        is_part = _BEFORE.search(before) or _BEHIND.match(behind)
        return match[0] if is_part or not _is_unworked(match[0]) else " "

    return _SPANS.sub(kept, text)

"""Superscripts: marks of footnotes stand apart from the figure before them, powers and units stay what they are.

Readers wrap what is raised (`<sup>`, small glyphs above the line) by `mark_superscript`; superscript characters count
too. `resolve_superscripts` decides once for all: `5,120²` -> `5,120 [2]`, `$640⁵ million` -> `$640 million [5]`,
`10⁶ m²` stays.
"""

import re

OPEN, CLOSE = "\x01", "\x02"
_UPPER, _PLAIN = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾", "0123456789+-()"
_TO_PLAIN, _TO_UPPER = str.maketrans(_UPPER, _PLAIN), str.maketrans(_PLAIN + "−–", _UPPER + "⁻⁻")
_LOWER = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SUPERSCRIPTS = re.compile(rf"[{_UPPER}]+(?:,? ?[{_UPPER}]+)*")
_RUN = re.compile(rf"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")
_APART = re.compile(rf"{CLOSE}([ ,]*){OPEN}")
_FRACTION = re.compile(rf"(\d?) ?{OPEN}\s*(\d{{1,2}})\s*{CLOSE}\s*[/⁄]\s*([₀-₉]{{1,3}}|\d{{1,3}}(?![\d/]))")

_MARK = r"[(\[]?(?:\d{1,2}|[a-zA-Z]|[ivx]{2,4})[)\]]?"
_MARKS = re.compile(rf"{_MARK}(?:(?:[\s,;]+|(?<=[)\]])|(?=[(\[])){_MARK})*")
_LINE_END = re.compile(r"[\n\v\f\x1c-\x1f]")
_ORDINAL = re.compile(r"(?:\d(?:st|nd|rd|th|o|er)|\b[Nn]os?)\Z", re.IGNORECASE)

_POWERS = [
    (re.compile(rf"(?:{base})\Z"), re.compile(exponent))
    for base, exponent in (
        (r"(?<![\d.,$€£¥])(?<![$€£¥]\s)10", r"[2-9]|[1-9]\d"),
        (r"(?<![A-Za-z])(?:[kcmd]?m|ft|mi|yd)", r"[23]"),
        (r"(?:\d\s?|[/·])(?:in|s|h|kg)", r"[23]"),
        (r"(?<![A-Za-z\d$€£¥])(?:[a-ln-z]|R)|\(1 ?[+−–-][^()]*\)", r"\d{1,2}|[nt]"),
        (r"\w", r"[−–-]\d{1,2}"),
    )
]
"""What a power may stand at, and which: ten, lengths, other units after a number, variables and `(1 + rate)`."""
_MILLIONS = re.compile(r"(?:[$€£¥]|\b[A-Z]{3}\s)\s?[\d.,]*\s?m\Z")
_GAS = re.compile(r"\b(?:CO|NO|SO)\Z")
_THOUSANDS = ("3", "6", "9")

_SCALE = r"(?:thousand|million|billion|trillion|percent|per cent|basis points?|bps?|mn|bn|tn|[kKmMbB]|x)\b"
_BLANK = r"[^\S\n\v\f\x1c-\x1f]?"
_REST = re.compile(
    rf"(?<=\d)((?: \[\w{{1,4}}\])+)((?:{_BLANK}[)%])+(?:{_BLANK}{_SCALE})?|{_BLANK}{_SCALE}(?:{_BLANK}\))*)"
)


def mark_superscript(text: str) -> str:
    """Raised text, as readers of files hand it on."""
    return f"{OPEN}{text}{CLOSE}"


def resolve_superscripts(text: str) -> str:
    """A cell or paragraphs in which nothing raised is left: each is a footnote's mark, a power, a fraction or text."""
    text = _SUPERSCRIPTS.sub(lambda run: mark_superscript(run[0].translate(_TO_PLAIN)), text)
    if OPEN not in text:
        return text
    text = _FRACTION.sub(_fraction, _APART.sub(r"\1", text))
    return move_marks_last(_RUN.sub(_written, text))


def move_marks_last(text: str) -> str:
    """Footnotes' marks behind the bracket, per cent sign or scale that belongs to their figure."""
    return _REST.sub(r"\2\1", text)


def _fraction(match: re.Match[str]) -> str:
    whole, over, under = match[1], match[2], match[3].translate(_LOWER)
    return f"{whole} {over}/{under}" if whole else f"{over}/{under}"


def _written(match: re.Match[str]) -> str:
    inner = match[1].strip()
    before = _LINE_END.split(match.string[max(0, match.start() - 60) : match.start()])[-1]
    rest = _LINE_END.split(match.string[match.end() : match.end() + 60])[0]
    after, follows = rest[:1], before[-1:].isdigit()
    if _is_power(inner, before, rest):
        return inner.translate(_TO_UPPER)
    if _ORDINAL.search(before + inner) or (_GAS.search(before) and inner.isdigit()):
        return inner
    if _MARKS.fullmatch(inner):
        shown = "".join(f"[{mark}]" for mark in re.findall(r"\w+", inner))
    elif follows and inner[:1].isdigit():
        shown = inner
    else:
        return match[1]
    left = " " if before[-1:].strip("([ ") else ""
    return f"{left}{shown}{' ' if after.isalnum() or (after and after in '$€£¥(') else ''}"


def _is_power(inner: str, before: str, rest: str) -> bool:
    value_ten = before.strip() == "10" and not rest.strip() and len(inner) == 1 and inner not in _THOUSANDS
    if _MILLIONS.search(before) or value_ten:
        return False
    return any(exponent.fullmatch(inner) and base.search(before) for base, exponent in _POWERS)

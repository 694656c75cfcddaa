"""Answer text made plain: what model and dataset write, brought to ASCII LaTeX before anything reads it."""

import math
import re
import unicodedata

_SYMBOLS = {
    **dict.fromkeys("−–—‐‑﹣", "-"),
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u200e\u200f", ""),
    **{exponent: f"^{{{digit}}}" for digit, exponent in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{half: f"\\frac{{{over}}}{{{under}}}" for half, over, under in ("½12", "⅓13", "⅔23", "¼14", "¾34", "⅕15", "⅛18")},
    "⁄": "/",
    "∕": "/",
    "×": "\\times ",
    "·": "\\cdot ",
    "⋅": "\\cdot ",
    "÷": "\\div ",
    "π": "\\pi ",
    "∞": "\\infty ",
    "≤": "\\leq ",
    "≥": "\\geq ",
    "≈": "\\approx ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "√": "\\sqrt",
    "°": "^{\\circ}",
    "，": ",",
    "．": ".",
    "：": ":",
    "（": "(",
    "）": ")",
    "％": "%",
    "＄": "$",
    "＝": "=",
}
_TABLE = str.maketrans({**{chr(code): " " for code in (*range(9), *range(11, 32), 127)}, **_SYMBOLS})
_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|textit|textrm|mathbf|mathit|mathsf|mbox|operatorname)\s*\{([^{}]*)\}")
_DELIMITERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"))
_SPACING = re.compile(r"\\[,;:> ]|\\q?quad\b|~")

MISSING = frozenset({"", "nan", "null", "none", "?", "-"})
"""What tables write for a value that they lack."""


def to_ascii(text: str) -> str:
    """Any script's decimal digits, dashes, spaces and maths signs in ASCII or LaTeX, without control characters."""
    if text.isascii():
        return text.translate(_TABLE)
    whole = text.encode("utf-8", "replace").decode("utf-8").translate(_TABLE)
    return "".join(str(unicodedata.decimal(c)) if not c.isascii() and c.isdecimal() else c for c in whole)


def after_thoughts(text: str) -> str:
    """What stands after the last `</think>`, or all of `text` where nothing follows it."""
    _, closed, after = text.rpartition("</think>")
    return after if closed and after.strip() else text


def tidy(answer: str) -> str:
    """One answer without the marks around it: maths delimiters, Markdown, a final full stop."""
    text = answer.strip()
    before = None
    while text != before:
        before = text
        text = text.strip().rstrip(",;").strip()
        if text.endswith("**") and text.count("**") == 1:
            text = text[:-2]
        if text.endswith(".") and not text.endswith("\\."):
            text = text[:-1].rstrip()
        for opening, closing in _DELIMITERS:
            inner = text[len(opening) : -len(closing)]
            if len(text) > len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing):
                if opening not in inner and closing not in inner:
                    text = inner
                break
    return text


def plain(answer: str) -> str:
    """`answer` without what LaTeX adds for looks: `\\text{}` unwrapped, thin spaces, `\\left`, `{,}`, `\\dfrac`."""
    text = answer.replace("\\!", "").replace("{,}", ",").replace("\\left", "").replace("\\right", "")
    text = text.replace("\\displaystyle", "").replace("\\%", "%").replace("\\$", "$")
    text = re.sub(r"\\[dtc]frac", r"\\frac", text)
    text = _SPACING.sub(" ", text)
    return re.sub(r"\s+(?=\^)|(?<=\s)\s+", "", re.sub(r"\s", " ", _WRAPPED.sub(r" \1 ", text))).strip()


def words(answer: str) -> str:
    """`answer` as bare words for comparison as text: no case, no outer brackets or punctuation."""
    return plain(answer).strip(" .,:;!?*_\"'()[]{}$").casefold()


_SOURCES = r"(?:\[\d{1,2}(?:\s?[,-]\s?\d{1,2}){0,9}\]){1,9}(?=[\s.,;:!?*]|$)"  # [2], [1, 3][4]
_CITED = re.compile(rf"(?<!\])(?P<before>[^\s\[\]]{{0,40}}[^\s\w]|[^\s\[\]]{{0,40}}\w(?=\s))\s{{0,3}}{_SOURCES}")
_AWAITS = re.compile(r"(?:^|\b(?:is|are|was|were|be|of|equals?|answers?)|[=:,(\[])\W*$", re.IGNORECASE)


def without_citations(text: str) -> str:
    """`text` without the numbers of sources behind its statements: `No [2]`, `$5 million [1, 3].`

    One that something before it waits for stays: `the answer is [2]`.
    """

    def cut(match: re.Match[str]) -> str:
        return match[0] if _AWAITS.search(match["before"]) else match["before"]

    return _CITED.sub(cut, text)


def shortened(text: str, limit: int = 200) -> str:
    """At most `limit` characters of `text`, for reasons and logs."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def gold_text(value: object) -> str:
    """A dataset's answer column as text: 27.0 -> '27', ['3', '5'] -> '3; 5', None and NaN -> ''."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple):
        return "; ".join(gold_text(part) for part in value)
    return str(value)

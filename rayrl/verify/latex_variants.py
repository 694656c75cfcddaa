"""One way of writing a formula out of the many that LaTeX and Markdown have, before anything reads it.

Each table is worked through from top to bottom: what a pattern finds becomes what stands beside it. Nothing here
decides what the answer is.
"""

import re
from collections.abc import Callable

from rayrl.verify.signs import signs_to_latex
from rayrl.verify.text import to_ascii

BASES = {
    name: base for base, name in enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 2)
}

_LATEX = re.compile(r"[\\~_{]")
_VALUES = ("\\", "_", "base")  # one of them is in each text that `VALUES` changes
_BOLD_FORMULA = re.compile(
    r"(?<![\w*])\*{2,3}(?=[^*\n]*[\d\\])((?:(?!(?<![\\A-Za-z])[A-Za-z]{3})[^*\n$:]){1,200})\*\*(?![\w*])"
)
_BOLD = re.compile(r"(?<![\w*])\*{2,3}(?=\S)([^*\n]{1,400}?)(?<=\S)\*{2,3}(?![\w*])")
_ITEM = r"\$[^$\n]{1,200}\$[.,;]?[ \t]*(?:(?:and|or)[ \t]*)?"
_LIST_ITEM = re.compile(rf"({_ITEM})\n\s*(?:[-*•]|\d[.)])[ \t]+(?={_ITEM}(?:\n|\Z))")

_WORD = r"\s?\\(?:text|mathrm)\s?\{([^{}]{1,20})\}\s?"


def _as_list(match: re.Match[str]) -> str:
    """Rows of equations as a list; where conditions stand beside the rows it is a function by cases, and stays."""
    if match[1] == "cases" and "&" in match[2]:
        return match[0]
    return ", ".join(row.replace("&", " ").strip(" ,") for row in match[2].split("\\\\") if row.strip())


def _with_rows(match: re.Match[str]) -> str:
    """`\\pmatrix{a & b \\cr c & d}` as an environment."""
    rows = match[1].replace("\\cr", "\\\\")
    return f"\\begin{{bmatrix}}{rows}\\end{{bmatrix}}"


def _fraction(match: re.Match[str]) -> str:
    """`0.1\\overline{6}` as the fraction that it is."""
    fixed, period = match[2], match[3] + (match[4] or "") + (match[5] or "")
    over = int(match[1] + fixed + period) - int(match[1] + fixed)
    return f"\\frac{{{over}}}{{{'9' * len(period)}{'0' * len(fixed)}}}"


def _improper(match: re.Match[str]) -> str:
    """`10\\frac{4}{5}` as the fraction that it is; what is no part of a whole is left."""
    whole, over, under = map(int, match.groups())
    return f"\\frac{{{whole * under + over}}}{{{under}}}" if over < under else match[0]


def _degrees(match: re.Match[str]) -> str:
    """`22^\\circ 30'` in degrees."""
    return f"\\frac{{{60 * int(match[1]) + int(match[2])}}}{{60}}^\\circ"


def _based(match: re.Match[str]) -> str:
    base = match["index"] or match["base"]
    known = base if base.isdecimal() else BASES.get(base)
    return f"{match['digits']}_{{{known}}}" if known else match[0]


Form = str | Callable[[re.Match[str]], str]


def _table(*rows: tuple[str, Form]) -> list[tuple[re.Pattern[str], Form]]:
    return [(re.compile(pattern), form) for pattern, form in rows]


LOOKS = _table(
    # the height of a row; other boxes; arrays, small and plain matrices; rows of equations
    (r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]", r"\\\\"),
    (r"\\(?:fbox|framebox)(?=\s*\{)", r"\\boxed"),
    (
        r"(?s)(?:\\left\s*)?[\[(]\s*\\begin\{(array|smallmatrix|matrix)\}\s*(?:\{[clr| ]*\})?(.{0,2000}?)\\end\{\1\}"
        r"\s*(?:\\right\s*)?[\])]",
        r"\\begin{bmatrix}\2\\end{bmatrix}",
    ),
    (r"\\[pb]matrix\s*\{((?:[^{}]|\{[^{}]{0,200}\}){0,1000})\}", _with_rows),
    (r"(?s)\\begin\{(cases|aligned|align\*?|gathered)\}(.{0,2000}?)\\end\{\1\}", _as_list),
    # colors and fonts
    (r"\\(?:textcolor|colorbox)\s*(?:\[[^\]]{0,20}\])?\s*\{[^{}]{0,40}\}|\\color\s*\{[^{}]{0,40}\}", ""),
    (r"\\(?:underline|uline|mathbf|boldsymbol|bm|mathsf|mathtt|mathit|pmb|textnormal|emph)(?=\s*\{)", ""),
    # 1{,}234; delimiters that do not show; switches; spaces, first those between thousands
    (r"(?<=\d)\{,\}(?=\d{3}(?!\d))", ""),
    (r"\\(?:left|right)\s*\.", ""),
    (r"\\(?:bf|rm|it|sf|tt|displaystyle|textstyle|limits|large|Large|big[lr]?|Big[lr]?)(?![A-Za-z])", ""),
    (r"(?<=\d)(?:(?<!\\)\\[,;:! ]|~|\\thinspace\b ?)(?=\d{3}(?!\d))", ""),
    (
        r"(?:(?<!\\)\\(?:[,;:>!/ ]"
        r"|(?:q?quad|(?:neg)?thinspace|enspace|hfill|[hm]space\s*\{[^{}]{0,20}\}|(?:math)?strut)(?![A-Za-z]))|~)+",
        " ",
    ),
    # {=}; the stop of a displayed formula; angle brackets; words; upright constants; the empty set
    (r"\{\s?([-+*/=,])\s?\}", r"\1"),
    (r"[.,;]\s{0,3}(?=\\\]|\$\$)", " "),
    (r"(?:\\left\s?)?\\langle(?![A-Za-z])([^,\n]{1,60},.{1,200}?)(?:\\right\s?)?\\rangle(?![A-Za-z])", r"(\1)"),
    (r"\\text\s*\{\s*[,(]?\s*(or|and)\b[^{}]*\}", r"\\text{ \1 }"),
    (r"\\(?:mathrm|text|textrm|operatorname)\s*\{\s*([eij])\s*\}", r"\1 "),
    (r"\\varnothing", r"\\emptyset"),
    # degrees, meters over seconds, pounds
    (r"\^?\\degree(?![A-Za-z])|\{\}\s?\^\s?\{?\\circ\s?\}?", r"^\\circ "),
    (rf"\\[dtc]?frac\s?\{{{_WORD}\}}\s?\{{{_WORD}\}}", r"\\text{\1/\2}"),
    (r"\\pounds", "£"),
)
VALUES = _table(
    # repeating decimals; mixed numbers; minutes of arc; degrees in functions
    (
        r"(?<!\d)(\d{1,12})\.(\d{0,12})\\(?:overline|dot|bar)\s*\{?(\d{1,12})\}?(?:(\d{0,12})\\dot\s*\{?(\d)\}?)?",
        _fraction,
    ),
    (r"(?<![\d.}/^_])(\d{1,12})\s?\\[dtc]?frac\s?\{(\d{1,12})\}\s?\{(\d{1,12})\}", _improper),
    (r"(?<!\d)(\d{1,12})\s?\^\s?\{?\\circ\}?\s*(\d{1,2})\s*(?:'|\^\s*\{?\\prime\}?)(?!')", _degrees),
    (
        r"(\\(?:sin|cos|tan|cot|sec|csc)\s?)\(?(\d{1,6}(?:\.\d{1,6})?)\s?\^\s?\{?\\circ\s?\}?\)?",
        r"\1(\\frac{\2\\pi}{180})",
    ),
    # digits in another base: A as text between them; in brackets; with the base in words
    (r"(?<=\d)\\(?:text|mathrm)\s*\{([A-Z])\}(?=[\dA-Z_])", r"\1"),
    (r"\(\s?((?=\w{0,39}\d)[0-9A-Za-z.]{1,40})\s?\)(?=\s*_\s*\{?\s*\d)", r"\1"),
    (
        r"(?P<digits>(?<![\w.])[0-9A-F]{1,40})(?:\s?_\s?\{?\s?\\text\s?\{\s?(?P<index>[a-z]{3,8})\s?\}\s?\}?"
        r"|\s\(?(?:in )?base[ -](?P<base>[a-z]{3,8}|\d{1,2})\)?)",
        _based,
    ),
)


def _unify(text: str, table: list[tuple[re.Pattern[str], Form]]) -> str:
    for pattern, form in table:
        text = pattern.sub(form, text)
    return text


def to_latex(text: str) -> str:
    """`text` in ASCII and plain LaTeX where a sign has such a form; delimiters and boxes stay."""
    text = to_ascii(text) if text.isascii() else signs_to_latex(text)
    if "**" in text:
        text = _BOLD.sub(r"\1", _BOLD_FORMULA.sub(r"$\1$", text))
    if "\n" in text and "$" in text:
        text = _LIST_ITEM.sub(lambda item: item[1].rstrip(" \t.,;andor") + " and ", text)
    if _LATEX.search(text):
        text = _unify(text, LOOKS)
    return _unify(text, VALUES) if any(map(text.__contains__, _VALUES)) else text

"""One way of writing maths out of the many that people and models use, before anything reads it.

Characters (full-width forms, superscripts, Greek, signs), Chinese words between answers, Markdown's bold, and what
LaTeX adds for looks. Nothing here decides what the answer is.
"""

import re
import unicodedata
from decimal import Decimal

from rayrl.verify.text import to_ascii

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙₘₖₓ", "0123456789+-=()nmkx", strict=True))
_RAISED = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")
_LOWERED = re.compile(f"[{''.join(_SUBSCRIPTS)}]+")
_CJK = r"[\u3400-\u9fff]"
_GREEK = {
    c: name.capitalize() if c.isupper() else name
    for c in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
    for name in [unicodedata.name(c).split()[-1].lower().replace("lamda", "lambda")]
}
_SIGNS = {
    "±": "pm", "∓": "mp", "≠": "neq", "⩽": "leq", "⩾": "geq", "≦": "leq", "≧": "geq", "∅": "emptyset",
    "⌀": "emptyset", "∈": "in", "∉": "notin", "∖": "setminus", "∠": "angle", "△": "triangle", "∨": "text{ or }",
    "∧": "text{ and }", "∘": "circ", "℃": "circ", "→": "to", "ℝ": "mathbb{R}", "ℤ": "mathbb{Z}", "ℕ": "mathbb{N}",
    "ℚ": "mathbb{Q}", "ℂ": "mathbb{C}", "…": "ldots", "⋯": "cdots", "⟨": "langle", "⟩": "rangle", "⌊": "lfloor",
    "⌋": "rfloor", "⌈": "lceil", "⌉": "rceil", "∑": "sum", "∫": "int",
}  # fmt: skip
_COMMANDS = str.maketrans({**{sign: f"\\{name} " for sign, name in (_GREEK | _SIGNS).items()}, "、": ",", "。": ". "})
_ROOT = re.compile(r"([√∛])\s*(?:\(([^()]{1,60})\)|(\d+(?:\.\d+)?|[A-Za-z]))")
_CHINESE = {
    "或者": " or ",
    "或": " or ",
    "答案": " answer ",
    "并且": " and ",
    "且": " and ",
    "和": " and ",
    "与": " and ",
}
_CHINESE_WORD = re.compile("|".join(_CHINESE))
_CHINESE_UNIT = re.compile(rf"(?<=[\d}}])\s?{_CJK}{{1,8}}(?=\s?\}})")
_LONE_CHINESE = re.compile(rf"(?<=[A-Za-z0-9)}}\]])(?={_CJK})|(?<={_CJK})(?=[\d\\$(\[-])")

_BOLD_FORMULA = re.compile(
    r"(?<![\w*])\*{2,3}(?=[^*\n]*[\d\\])((?:(?!(?<![\\A-Za-z])[A-Za-z]{3})[^*\n$:]){1,200})\*\*(?![\w*])"
)
_BOLD = re.compile(r"(?<![\w*])\*{2,3}(?=\S)([^*\n]{1,400}?)(?<=\S)\*{2,3}(?![\w*])")
_COLOUR = re.compile(r"\\(?:textcolor|colorbox)\s*(?:\[[^\]]{0,20}\])?\s*\{[^{}]{0,40}\}|\\color\s*\{[^{}]{0,40}\}")
_LOOKS = re.compile(r"\\(?:underline|uline|mathbf|boldsymbol|bm|mathsf|mathtt|mathit|pmb|textnormal|emph)(?=\s*\{)")
_SWITCH = re.compile(r"\\(?:bf|rm|it|sf|tt|displaystyle|textstyle|limits|large|Large|big[lr]?|Big[lr]?)(?![A-Za-z])")
_ROW_SPACE = re.compile(r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in)\s*\]")
_ARRAY = re.compile(
    r"(?:\\left\s*)?[\[(]\s*\\begin\{(array|smallmatrix|matrix)\}\s*(?:\{[clr| ]*\})?(.{0,2000}?)\\end\{\1\}"
    r"\s*(?:\\right\s*)?[\])]",
    re.DOTALL,
)
_PLAIN_MATRIX = re.compile(r"\\[pb]matrix\s*\{((?:[^{}]|\{[^{}]{0,200}\}){0,1000})\}")
_THIN_THOUSANDS = re.compile(r"(?<=\d)(?:(?<!\\)\\[,;:! ]|~|\\thinspace\b ?)(?=\d{3}(?!\d))")
_SPACE = re.compile(
    r"(?:(?<!\\)\\(?:[,;:>!/ ]"
    r"|(?:q?quad|(?:neg)?thinspace|enspace|hfill|[hm]space\s*\{[^{}]{0,20}\}|(?:math)?strut)(?![A-Za-z]))|~)+"
)
_NO_DELIMITER = re.compile(r"\\(?:left|right)\s*\.")
_CONSTANT = re.compile(r"\\(?:mathrm|text|textrm|operatorname)\s*\{\s*([eij])\s*\}")
_OR = re.compile(r"\\text\s*\{\s*[,(]?\s*(or|and)\b[^{}]*\}")
_REPEATING = re.compile(
    r"(?<!\d)(\d{1,12})\.(\d{0,12})\\(?:overline|dot|bar)\s*\{?(\d{1,12})\}?(?:(\d{0,12})\\dot\s*\{?(\d)\}?)?"
)
_ARC = re.compile(r"(?<!\d)(\d{1,12})\s?\^\s?\{?\\circ\}?\s*(\d{1,2})\s*(?:'|\^\s*\{?\\prime\}?)(?!')")
_BASED = re.compile(r"\(\s?((?=\w{0,39}\d)[0-9A-Za-z.]{1,40})\s?\)(?=\s*_\s*\{?\s*\d)")
_DIGIT_IN_TEXT = re.compile(r"(?<=\d)\\(?:text|mathrm)\s*\{([A-Z])\}(?=[\dA-Z_])")
_LATEX = re.compile(r"[\\~_{]")
_OTHER_FORM = ("\\", "_", "base")
_PER_MILLE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s?‰")
_DELIMITED = re.compile(r"\$|\\[(\[]|\\boxed|<answer>|####")
_RUN = re.compile(
    r"(?<![\w\\])(?!(?:a|A|I)\s)"
    r"(?:(?:\\[A-Za-z]+|\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z])|[-+*/^_=(){}\[\]|<>!,])\ {0,3}){1,200}"
)
_MIXED = re.compile(r"(?<![\d.}/^_])(\d{1,12})\s?\\[dtc]?frac\s?\{(\d{1,12})\}\s?\{(\d{1,12})\}")
_TRIGONOMETRIC = re.compile(r"(\\(?:sin|cos|tan|cot|sec|csc)\s?)\(?(\d{1,6}(?:\.\d{1,6})?)\s?\^\s?\{?\\circ\s?\}?\)?")
_WORD_BASE = re.compile(
    r"(?P<digits>(?<![\w.])[0-9A-F]{1,40})(?:\s?_\s?\{?\s?\\text\s?\{\s?(?P<index>[a-z]{3,8})\s?\}\s?\}?"
    r"|\s\(?(?:in )?base[ -](?P<base>[a-z]{3,8}|\d{1,2})\)?)"
)
BASES = {
    name: base for base, name in enumerate(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 2)
}
_BRACED = re.compile(r"(?<=\d)\{,\}(?=\d{3}(?!\d))")
_BRACED_SIGN = re.compile(r"\{\s?([-+*/=,])\s?\}")
_ROWS = re.compile(r"\\begin\{(cases|aligned|align\*?|gathered)\}(.{0,2000}?)\\end\{\1\}", re.DOTALL)
_STOP = re.compile(r"[.,;]\s{0,3}(?=\\\]|\$\$)")
_ANGLES = re.compile(r"(?:\\left\s?)?\\langle(?![A-Za-z])([^,\n]{1,60},.{1,200}?)(?:\\right\s?)?\\rangle(?![A-Za-z])")
_ITEM = r"\$[^$\n]{1,200}\$[.,;]?[ \t]*(?:(?:and|or)[ \t]*)?"
_LIST_ITEM = re.compile(rf"({_ITEM})\n\s*(?:[-*•]|\d[.)])[ \t]+(?={_ITEM}(?:\n|\Z))")
_DEGREE = re.compile(r"\^?\\degree(?![A-Za-z])|\{\}\s?\^\s?\{?\\circ\s?\}?")
_UNIT_FRACTION = re.compile(
    r"\\[dtc]?frac\s?\{\s?\\(?:text|mathrm)\s?\{([^{}]{1,20})\}\s?\}\s?\{\s?\\(?:text|mathrm)\s?\{([^{}]{1,20})\}\s?\}"
)
_OTHER_BOX = re.compile(r"\\(?:fbox|framebox)(?=\s*\{)")


def _number_forms(text: str) -> str:
    """Full-width characters and raised or lowered digits: a run is one power or one index."""
    text = _RAISED.sub(lambda run: "^{" + "".join(_SUPERSCRIPTS[c] for c in run[0]) + "}", text)
    text = _LOWERED.sub(lambda run: "_{" + "".join(_SUBSCRIPTS[c] for c in run[0]) + "}", text)
    return "".join(unicodedata.normalize("NFKC", c) if "\uff01" <= c <= "\uff5e" else c for c in text)


def _root(match: re.Match[str]) -> str:
    return f"\\sqrt{'[3]' if match[1] == '∛' else ''}{{{match[2] or match[3]}}}"


def _chinese(text: str) -> str:
    text = _CHINESE_UNIT.sub("", text)
    text = _CHINESE_WORD.sub(lambda word: _CHINESE[word[0]], text)
    return _LONE_CHINESE.sub(" ", text)


def to_latex(text: str) -> str:
    """`text` in ASCII and plain LaTeX where a sign has such a form; delimiters and boxes stay."""
    if not text.isascii():
        text = _ROOT.sub(_root, _number_forms(text))
        text = _chinese(to_ascii(_PER_MILLE.sub(_per_cent, text).translate(_COMMANDS)))
        text = text if _DELIMITED.search(text) else _delimited(text)
    else:
        text = to_ascii(text)
    if "**" in text:
        text = _BOLD.sub(r"\1", _BOLD_FORMULA.sub(r"$\1$", text))
    if "\n" in text and "$" in text:
        text = _LIST_ITEM.sub(lambda item: item[1].rstrip(" \t.,;andor") + " and ", text)
    if _LATEX.search(text):
        text = without_looks(text)
    return one_form(text) if any(map(text.__contains__, _OTHER_FORM)) else text


def _fraction(match: re.Match[str]) -> str:
    """`0.1\\overline{6}` as the fraction that it is."""
    fixed, period = match[2], match[3] + (match[4] or "") + (match[5] or "")
    over = int(match[1] + fixed + period) - int(match[1] + fixed)
    return f"\\frac{{{over}}}{{{'9' * len(period)}{'0' * len(fixed)}}}"


def _improper(match: re.Match[str]) -> str:
    """`10\\frac{4}{5}` as the fraction that it is; what is no part of a whole is left."""
    whole, over, under = map(int, match.groups())
    return f"\\frac{{{whole * under + over}}}{{{under}}}" if over < under else match[0]


def _based(match: re.Match[str]) -> str:
    base = match["index"] or match["base"]
    known = base if base.isdecimal() else BASES.get(base)
    return f"{match['digits']}_{{{known}}}" if known else match[0]


def _as_list(match: re.Match[str]) -> str:
    """Rows of equations as a list; where conditions stand beside the rows it is a function by cases, and stays."""
    if match[1] == "cases" and "&" in match[2]:
        return match[0]
    return ", ".join(row.replace("&", " ").strip(" ,") for row in match[2].split("\\\\") if row.strip())


def _with_rows(match: re.Match[str]) -> str:
    """`\\pmatrix{a & b \\cr c & d}` as an environment."""
    rows = match[1].replace("\\cr", "\\\\")
    return f"\\begin{{bmatrix}}{rows}\\end{{bmatrix}}"


def _degrees(match: re.Match[str]) -> str:
    """`22^\\circ 30'` in degrees."""
    return f"\\frac{{{60 * int(match[1]) + int(match[2])}}}{{60}}^\\circ"


def _per_cent(match: re.Match[str]) -> str:
    return f"{Decimal(match[1]) / 10}\\%"


def _delimited(text: str) -> str:
    """Maths in signs, `the angle is 3π/4`, between dollars: read as what a model writes in LaTeX."""

    def between(run: re.Match[str]) -> str:
        body = run[0].rstrip(" .,")
        return f"${body}${run[0][len(body) :]}" if "\\" in body else run[0]

    return _RUN.sub(between, text)


def without_looks(text: str) -> str:
    """LaTeX without colours, fonts, spacing and empty delimiters; matrices of all kinds are in brackets, rows of
    equations are lists.
    """
    text = _OTHER_BOX.sub(r"\\boxed", _ROW_SPACE.sub(r"\\\\", text))
    text = _ARRAY.sub(r"\\begin{bmatrix}\2\\end{bmatrix}", text)
    text = _ROWS.sub(_as_list, _PLAIN_MATRIX.sub(_with_rows, text))
    text = _LOOKS.sub("", _COLOUR.sub("", text))
    text = _SPACE.sub(" ", _THIN_THOUSANDS.sub("", _SWITCH.sub("", _NO_DELIMITER.sub("", _BRACED.sub("", text)))))
    text = _ANGLES.sub(r"(\1)", _STOP.sub(" ", _BRACED_SIGN.sub(r"\1", text)))
    text = _CONSTANT.sub(r"\1 ", _OR.sub(r"\\text{ \1 }", text)).replace("\\varnothing", "\\emptyset")
    text = _UNIT_FRACTION.sub(r"\\text{\1/\2}", _DEGREE.sub(r"^\\circ ", text))
    return text.replace("\\pounds", "£")


def one_form(text: str) -> str:
    """Values of which there are other forms: repeating decimals, mixed numbers, arcs, degrees in functions, bases."""
    text = _MIXED.sub(_improper, _REPEATING.sub(_fraction, text))
    text = _TRIGONOMETRIC.sub(r"\1(\\frac{\2\\pi}{180})", _ARC.sub(_degrees, text))
    return _WORD_BASE.sub(_based, _BASED.sub(r"\1", _DIGIT_IN_TEXT.sub(r"\1", text)))

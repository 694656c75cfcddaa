"""Signs outside ASCII, and the Chinese words between answers, as LaTeX and English. No answer is looked for here."""

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
    "或者": " or ", "或": " or ", "答案": " answer ", "并且": " and ", "且": " and ", "和": " and ", "与": " and ",
}  # fmt: skip
_CHINESE_WORD = re.compile("|".join(_CHINESE))
_CHINESE_UNIT = re.compile(rf"(?<=[\d}}])\s?{_CJK}{{1,8}}(?=\s?\}})")
_LONE_CHINESE = re.compile(rf"(?<=[A-Za-z0-9)}}\]])(?={_CJK})|(?<={_CJK})(?=[\d\\$(\[-])")
_PER_MILLE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s?‰")
_DELIMITED = re.compile(r"\$|\\[(\[]|\\boxed|<answer>|####")
_RUN = re.compile(
    r"(?<![\w\\])(?!(?:a|A|I)\s)"
    r"(?:(?:\\[A-Za-z]+|\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z])|[-+*/^_=(){}\[\]|<>!,])\ {0,3}){1,200}"
)


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


def _per_mille(match: re.Match[str]) -> str:
    return f"{Decimal(match[1]) / 10}\\%"


def _delimited(text: str) -> str:
    """Maths in signs, `the angle is 3π/4`, between dollars: read as what a model writes in LaTeX."""

    def between(run: re.Match[str]) -> str:
        body = run[0].rstrip(" .,")
        return f"${body}${run[0][len(body) :]}" if "\\" in body else run[0]

    return _RUN.sub(between, text)


def signs_to_latex(text: str) -> str:
    """`text` in ASCII: signs as LaTeX commands, and formulas between dollars where nothing else marks one."""
    text = _ROOT.sub(_root, _number_forms(text))
    text = _chinese(to_ascii(_PER_MILLE.sub(_per_mille, text).translate(_COMMANDS)))
    return text if _DELIMITED.search(text) else _delimited(text)

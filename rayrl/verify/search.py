"""The answer in a text that marks none, found by math-verify's own patterns."""

import re
from collections.abc import Callable
from functools import cache, partial
from itertools import groupby

from rayrl.verify.bounds import NotLatexError, TooLargeError, check_cost, check_digits, check_size, sympy
from rayrl.verify.formulas import Formula, configuration, library, parse_latex, parser, with_named_derivatives

Reader = Callable[[re.Match[str]], Formula | None]

TAIL = 4000  # characters of a text in which an unmarked answer is looked for

_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}\s+[A-Za-z]{2,}(?![A-Za-z{(])")
_TEXT = re.compile(r"\\(?:text\w*|mathrm|mbox)\s*\{[^{}]*\}")
_VALUE = r"-?\d+(?:[.,]\d+|(?:,\d{3})+)?(?:\s*/\s*\d+)?"
_BEHIND = rf"(?:\s*,\s*|\s*,?\s+(?:and|or)\s+){_VALUE}"
_UNFINISHED = re.compile(r"[ \t]*=")  # `7 + 3 =` repeats the question
_NOT_THAT = re.compile(r",\s(?:and\s)?not\s\$[^$\n]{1,60}\$")
_ORDER = r"\s*(?:[<>]|\\(?:[lg]eq?|neq?)(?![A-Za-z]))\s*"
_WHOLE = re.compile(  # what a number may be a part of: 3 \times 10^{5}; 4, 9 and 12; [2, 5); 101_2; 2 < x < 5
    rf"{_VALUE}\s*(?:\\times|\\cdot|x|\*)\s*10\s*\^\s*(?:\{{\s*-?\d+\s*\}}|-?\d+)"
    rf"|[(\[]\s*(?:{_VALUE}|-?\\infty)(?:\s*,\s*(?:{_VALUE}|\\infty))+\s*[)\]]"
    rf"|(?<!\w)[0-9A-F]{{1,40}}_\{{?\d{{1,2}}\}}?(?!\w)"
    rf"|(?:{_VALUE}{_ORDER})?(?<![A-Za-z\\])[a-z]{_ORDER}{_VALUE}"
    rf"|(?<![\d.,]){_VALUE}(?:{_BEHIND}){{1,20}}",
    re.ASCII,
)


def is_prose(text: str) -> bool:
    """Whether words stand outside of `\\text{}`: a sentence, not a formula."""
    return bool(_PROSE.search(_TEXT.sub(" ", text)))


def _whole(text: str, start: int, end: int) -> str | None:
    """The list, interval or power of ten that the number at `start` to `end` is a part of."""
    for match in _WHOLE.finditer(text, max(0, start - 200), min(len(text), end + 200)):
        if match.start() < end and start < match.end() and match.end() - match.start() > end - start:
            return match.group()
    return None


def _between_prices(match: re.Match[str], content: str) -> bool:
    """Whether two dollar signs are those of two prices, `$5 a day and then $20`."""
    return "\\" not in content and match.string[match.end() : match.end() + 1].isdecimal()


def _read_latex(match: re.Match[str], anchored: bool) -> Formula | None:
    """One or several formulas that math-verify's pattern found; None where they cannot be read."""
    contents = [part for name, part in match.groupdict().items() if part and "latex" in name]
    for content in contents:
        check_size(content)
        if _between_prices(match, content):
            return None
    if len(contents) == 1 and not any(part for name, part in match.groupdict().items() if "percent" in name):
        return _read_written(contents[0])
    try:
        expression, text = parser().extract_latex(match, configuration(anchored))
    except RecursionError as error:
        raise TooLargeError("nested too deep") from error
    return (
        None
        if expression is None
        else Formula(text, check_cost(with_named_derivatives(expression)), ", ".join(contents))
    )


def _read_plain(match: re.Match[str]) -> Formula | None:
    """A number or an expression such as `3/4` that math-verify's pattern found in plain text, or a list of them."""
    names = [name for name, part in match.groupdict().items() if part and name != "percent"]
    start, end = min(match.start(name) for name in names), max(match.end(name) for name in names)
    whole = _whole(match.string, start, end)
    check_size(match[0])
    if "expr" in names and _UNFINISHED.match(match.string, end):
        return None
    if "expr" not in names and whole is None:
        return _number(match)
    return _read_written(whole or match.string[start:end])


def _number(match: re.Match[str]) -> Formula:
    """The number that math-verify found, read as by its `extract_expr`, which has SymPy evaluate the text."""
    parts = {name: part for name, part in match.groupdict().items() if part}
    whole = next((part for name, part in parts.items() if name.startswith("integer")), "0")
    decimals = next((part for name, part in parts.items() if name.startswith("decimal")), "")
    text = re.sub("[ ,]", "", whole) + decimals.replace(",", ".")
    value = sympy().Float(text) if decimals else sympy().Integer(int(text))
    if "percent" in parts:
        return Formula(f"{text}%", parser().convert_to_pct(value), f"{text}%")
    return Formula(text, value, text)


def _read_written(text: str) -> Formula | None:
    text = text.rstrip(" \n.")
    try:
        return parse_latex(text.replace("**", "^").replace("×", "\\times ").replace("÷", "\\div "))
    except NotLatexError:
        return None


@cache
def _patterns(anchored: bool) -> list[list[tuple[re.Pattern[str], Reader]]]:
    """math-verify's patterns, those of highest priority first, each with what reads its matches."""
    latex = configuration(anchored)
    plain = library().ExprExtractionConfig(try_extract_without_anchor=not anchored)
    read_latex = partial(_read_latex, anchored=anchored)
    found: list[tuple[int, re.Pattern[str], Reader]] = [
        (priority, pattern, read_latex if target is latex else _read_plain)
        for patterns, target in parser().get_extraction_regexes([latex, plain])
        for pattern, priority in patterns
    ]
    found.sort(key=lambda entry: entry[0])
    groups = [[entry[1:] for entry in entries] for _, entries in groupby(found, key=lambda entry: entry[0])]
    if not anchored:
        groups[-1].append((_WHOLE, lambda match: _read_written(match[0])))
    return groups


def find_formula(text: str, anchored: bool = False) -> Formula | None:
    """The answer in a text that marks none, by math-verify's patterns: those of the highest priority that find
    anything, and of what they find the last.

    Guards stand around them: what lies between two prices is no formula; of a list, an interval or a power of ten that
    is not in LaTeX all counts, not its last number; a sum with an equals sign and nothing behind it is no answer.

    Args:
        text: Only its last `TAIL` characters are searched.
        anchored: Only what follows 'answer' counts.

    Raises:
        TooLargeError: What was found is.
    """
    text = _NOT_THAT.sub("", text[-TAIL:])
    check_digits(text)
    for patterns in _patterns(anchored):
        matches = [(match, read) for pattern, read in patterns for match in pattern.finditer(text)]
        for match, read in sorted(matches, key=lambda entry: (-entry[0].end(), entry[0].start())):
            if (found := read(match)) is not None:
                return found
    return None

"""Are two maths answers the same? math-verify decides; named guards stand where it is provably wrong.

Each guard says what it is for and the public report behind it. One that knows nothing of a pair says None.
"""

import re
from collections.abc import Callable
from typing import Any

from rayrl.verify.bounds import UnreadableError, sympy
from rayrl.verify.formulas import (
    DOTS,
    RELATION,
    SET_BUILDER,
    Formula,
    both_signs,
    parse_latex,
    same_expression,
    split_list,
)
from rayrl.verify.latex_variants import BASES

CLOSE = 1e-3  # decimals that differ by more, relative to the larger, are never the same however small they are

_BASE = re.compile(r"\(?\s*([0-9A-Za-z.]+)\s*\)?\s*(?:_\s*\{?\s*(?:\\text\s*\{\s*)?(\w+)\s*\}{0,2}|\(?base\s*(\w+)\)?)")
_CLOCK = re.compile(r"(\d{1,2})\s*:\s*(\d{2})\s*(?:([ap])\s*\.?\s*m\s*\.?)?", re.IGNORECASE)
_WRAP = re.compile(r"\\(?:text\w*|math\w+|mbox)\s*\{([^{}]*)\}")
_JOINED = re.compile(
    r"\s*(?:\\text\s*\{\s*)?(?P<how>\\cup|\\lor|\\vee|\\cap|\\land|\\wedge"
    r"|(?<![A-Za-z])(?:or|and)(?![A-Za-z])|,|;)\s*\}?\s*"
)
_INDEXED = re.compile(r"([A-Za-z])_(?:\d|\{\d+\})(?=\s*=)")
_AND = frozenset({"and", "\\cap", "\\land", "\\wedge"})


def _bare(text: str) -> str:
    return re.sub(r"\s+", " ", _WRAP.sub(r" \1 ", text.replace("$", " "))).strip()


def _based(text: str) -> tuple[str, str] | None:
    match = _BASE.fullmatch(_bare(text))
    if match is None or not re.search(r"\d", match[1]):
        return None
    base = match[2] or match[3]
    base = str(BASES.get(base.lower(), base))
    return (match[1].lstrip("0").lower(), base) if base.isdecimal() else None


def same_base(answer: str, gold: str) -> bool | None:
    """`1403_5` is not `1403_7`: math-verify drops the base (no public report is known to us)."""
    first, second = _based(answer), _based(gold)
    return first == second if first and second else None


def _minutes(clock: re.Match[str], half: str | None) -> int:
    hours = int(clock[1])
    if half:
        hours = hours % 12 + 12 * (half.lower() == "p")
    return 60 * hours + int(clock[2])


def same_clock(answer: str, gold: str) -> bool | None:
    """`1:30 PM` is not `1:30 AM`, nor the fraction 1/30. Half a day that only one names is the other's too, unless that
    counts 24 hours (huggingface/Math-Verify#14).
    """
    first, second = _CLOCK.fullmatch(_bare(answer)), _CLOCK.fullmatch(_bare(gold))
    if first is None or second is None:
        return None
    halves = [
        clock[3] or (other[3] if int(clock[1]) <= 12 else None) for clock, other in ((first, second), (second, first))
    ]
    return _minutes(first, halves[0]) == _minutes(second, halves[1])


def same_with_dots(answer: str, gold: str) -> bool | None:
    """A list with `\\ldots` agrees item by item: math-verify drops the dots, and with them what they stand
    for (huggingface/Math-Verify#14).
    """
    if not (DOTS.search(answer) or DOTS.search(gold)):
        return None
    first, second = ([part.strip() for part in split_list(DOTS.sub("…", text))] for text in (answer, gold))
    if len(first) != len(second) or len(first) < 2:
        return re.sub(r"\s", "", answer) == re.sub(r"\s", "", gold)
    return all(
        a == g or ("…" not in a + g and same_formula(parse_latex(a), parse_latex(g)))
        for a, g in zip(first, second, strict=True)
    )


def _differs(first: Any, second: Any) -> bool:
    """Whether two numbers are provably not the same, however small they are: exactly where neither is a decimal."""
    sp = sympy()
    first, second = first.doit(), second.doit()
    if isinstance(first, sp.Rational) and isinstance(second, sp.Rational):
        return bool(first != second)
    if not (first.is_finite and second.is_finite):
        return False
    rounded = first.has(sp.Float) or second.has(sp.Float)
    size = max(abs(first.evalf(15)), abs(second.evalf(15))) if rounded else 0
    for part in (first - second).evalf(15, maxn=400).as_real_imag():
        if part.is_Float and part._prec > 1 and part != 0 and (not rounded or abs(part) > CLOSE * size):
            return True
    return False


def differs_exactly(first: Any, second: Any) -> bool:
    """Whether what math-verify holds for the same is not: it takes all values below 1e-15 for 0 (`\\frac{1}{3^{80}}`
    and `\\frac{1}{3^{79}}`, `\\frac{20!}{22!}` and `\\frac{20!}{23!}`), and decimals below 1e-6.
    See huggingface/Math-Verify#14, #21.
    """
    sp = sympy()
    if isinstance(first, sp.MatrixBase) and isinstance(second, sp.MatrixBase):
        return any(map(differs_exactly, first.flat(), second.flat()))
    if not (isinstance(first, sp.Basic) and isinstance(second, sp.Basic)):
        return False
    if isinstance(first, sp.FiniteSet) and isinstance(second, sp.FiniteSet):
        return any(all(differs_exactly(one, other) for other in second.args) for one in first.args)
    if type(first) is type(second) and isinstance(first, sp.Tuple | sp.Interval):
        return any(map(differs_exactly, first.args, second.args))
    if isinstance(first, sp.Eq) and isinstance(second, sp.Eq):
        return bool(first.lhs == second.lhs) and differs_exactly(first.rhs, second.rhs)
    pair = [side.rhs if isinstance(side, sp.Eq) else side for side in (first, second)]
    if not all(isinstance(side, sp.Expr) and side.is_number and not side.has(sp.UnevaluatedExpr) for side in pair):
        return False
    return _differs(*pair)


def _one_set(text: str) -> tuple[frozenset[Any], Any] | None:
    """(its unknown, the set of its values) of an inequality or a set."""
    sp = sympy()
    expression = parse_latex(text).expression
    if isinstance(expression, sp.Eq) and isinstance(expression.rhs, sp.Set):
        return frozenset(expression.lhs.free_symbols), expression.rhs
    if isinstance(expression, sp.Set) and not isinstance(expression, sp.FiniteSet):
        return frozenset(), expression
    if (
        isinstance(expression, sp.And | sp.Rel)
        and not isinstance(expression, sp.Eq)
        and len(expression.free_symbols) == 1
    ):
        return frozenset(expression.free_symbols), expression.as_set()
    return None


def solutions(text: str) -> tuple[frozenset[Any], Any] | None:
    """(unknown, values) of inequalities in one unknown joined by and, or, `\\cup` or a comma; None for all else.

    A comma means 'and' where something fulfils both, else 'or'.
    """
    sp = sympy()
    builder = SET_BUILDER.fullmatch(text.strip())
    text = both_signs(builder[1] if builder else text)
    pieces = _JOINED.split(text) if RELATION.search(text) else [text]
    found = _one_set(pieces[0])
    for how, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        another = _one_set(piece)
        if found is None or another is None:
            return None
        both = sp.Intersection(found[1], another[1])
        joined = both if how in _AND or (how in ",;" and both is not sp.EmptySet) else sp.Union(found[1], another[1])
        found = found[0] | another[0], joined
    return found if found and len(found[0]) < 2 else None


def same_solutions(answer: str, gold: str) -> bool | None:
    """Inequalities and intervals as the sets that they are: math-verify compares `x < -1 or x > 2` piece by piece, and
    an inequality with an interval in one order only (huggingface/Math-Verify#10, #25, #49, #71).
    """
    if not (RELATION.search(answer) or RELATION.search(gold)):
        return None
    try:
        first, second = solutions(answer), solutions(gold)
        if first is None or second is None or len(first[0] | second[0]) > 1:
            return None
        return bool(first[1] == second[1] or first[1].symmetric_difference(second[1]) == sympy().EmptySet)
    except (UnreadableError, NotImplementedError, TypeError, ValueError, AttributeError):  # no set that SymPy can make
        return None


def same_roots(answer: str, gold: str) -> bool | None:
    """`x_1 = 2, x_2 = -5` lists the values of x where the gold does not number them."""
    first, second = len(_INDEXED.findall(answer)), len(_INDEXED.findall(gold))
    if max(first, second) < 2 or min(first, second) > 0:
        return None
    return same_formula(*(parse_latex(_INDEXED.sub(r"\1", text)) for text in (answer, gold)))


def same_equation(answer: str, gold: str) -> bool | None:
    """Equations that differ by a factor: math-verify compares those in one unknown as they are written. `x = 3` is not
    `2x = 6`: who is asked for x has not solved it.
    """
    if not ("=" in answer and "=" in gold):
        return None
    first, second = parse_latex(answer).expression, parse_latex(gold).expression
    sp = sympy()
    if not (isinstance(first, sp.Eq) and isinstance(second, sp.Eq)) or second.lhs.is_Symbol:
        return None
    sides = [side for equation in (first, second) for side in equation.args]
    if not all(isinstance(side, sp.Expr) for side in sides):
        return None
    factor = sp.simplify((first.lhs - first.rhs) / (second.lhs - second.rhs))
    return bool(factor.is_number and factor.is_finite and factor != 0)


def same_vector(answer: str, gold: str) -> bool | None:
    """A row or column of numbers is the tuple of them: `\\langle 1, 2 \\rangle` and a column matrix."""
    sp = sympy()
    first, second = parse_latex(answer).expression, parse_latex(gold).expression
    if isinstance(first, sp.MatrixBase) is isinstance(second, sp.MatrixBase):
        return None
    parts = []
    for side in (first, second):
        if isinstance(side, sp.MatrixBase) and 1 in side.shape:
            parts.append(list(side.flat()))
        elif isinstance(side, sp.Tuple) or (isinstance(side, sp.Interval) and side.is_open):
            parts.append(list(side.args[:2] if isinstance(side, sp.Interval) else side.args))
    if len(parts) != 2 or len(parts[0]) != len(parts[1]):
        return None
    pairs = zip(*parts, strict=True)
    return all(same_expression(one, other) and not differs_exactly(one, other) for one, other in pairs)


BEFORE: tuple[Callable[[str, str], bool | None], ...] = (same_base, same_clock, same_with_dots)
AFTER: tuple[Callable[[str, str], bool | None], ...] = (same_solutions, same_roots, same_vector, same_equation)


def same_formula(answer: Formula, gold: Formula) -> bool:
    """math-verify's word, but that a value is no equation (`10` for `x + y = 10`), and that two numbers which are
    provably different are. See huggingface/Math-Verify#60, #14.
    """
    sp = sympy()
    is_equation = isinstance(gold.expression, sp.Eq) and isinstance(gold.expression.lhs, sp.Add)
    if is_equation and isinstance(answer.expression, sp.Expr):
        return False
    if not same_expression(answer.expression, gold.expression):
        return False
    return not differs_exactly(answer.expression, gold.expression)


def _first_known(guards: tuple[Callable[[str, str], bool | None], ...], answer: str, gold: str) -> bool | None:
    for guard in guards:
        try:
            known = guard(answer, gold)
        except UnreadableError:
            continue
        if known is not None:
            return known
    return None


def same_answer(answer: tuple[str, Formula], gold: tuple[str, Formula]) -> bool:
    """Whether two answers, each as it is written and as it was read, say the same. Can take long: run it where it can
    be killed.
    """
    known = _first_known(BEFORE, answer[0], gold[0])
    if known is not None:
        return known
    if answer[1].text == gold[1].text or same_formula(answer[1], gold[1]):
        return True
    return bool(_first_known(AFTER, answer[0], gold[0]))

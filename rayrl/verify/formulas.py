"""LaTeX read by math-verify, kept within bounds: its extraction, its grammar, none of its evaluation.

math-verify's own time-outs are off, because they use SIGALRM, which works in a main thread only: the deadline is that
of the worker process (`rayrl.verify.workers`). What it finds in plain text is parsed by its LaTeX grammar, never by
its `parse_expr` route, which ends in Python's `eval`. What would be huge once computed is turned away before anything
computes it.
"""

import logging
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from rayrl.verify.bounds import NotLatexError, TooLargeError, check_cost, check_size, sympy

SET_BUILDER = re.compile(
    r"(?:\\left)?\\\{\s*\w\s*(?:\\in\s*\\mathbb\s*\{?R\}?\s*)?"
    r"(?:\\left|\\right)?(?:\||\\mid\b|:)\s*(.+?)\s*(?:\\right)?\\\}"
)
_JOINS_INEQUALITIES = re.compile(r"\\(?:cup|lor|vee)(?![A-Za-z])")
RELATION = re.compile(r"[<>]|\\(?:[lg]eq?(?:slant)?|neq?|[lg]t)(?![A-Za-z])")
DOTS = re.compile(r"\\(?:[lc]?dots|dots[bc])(?![A-Za-z])|\.\.\.")
_DOTS_OF_LIST = re.compile(rf",\s*(?:{DOTS.pattern})\s*,")  # what the dots stand for is compared apart
_PRIMES = re.compile(r"(?<!\\)\b([A-Za-z])('{1,3})")  # y'' is another name than y: the grammar drops the marks
_INDEXED_CONSTANT = re.compile(r"(?<![A-Za-z\\])([EeI])(?=\s*_)")  # E_1 and I_1 are names: no e, no imaginary unit
_SIGN_AS_INDEX = re.compile(r"_\s*(?:\{\s*)?\\(odot|oplus|star|ast|perp|parallel|dagger)(?![A-Za-z])(?:\s*\})?")
_BARE_POINT = re.compile(r"(?<=\d)\.(?=\s*/)")  # 3./2
_FALLING = re.compile(r"\s*(?:>|\\(?:gt|geq?(?:slant)?)(?![A-Za-z]))\s*")
_QUANTIFIER = re.compile(r"(?<=\S)[,\s]*\(?\s*\b[a-z]\s*\\in\s*\\mathbb\s*\{?[ZN]\}?\s*\)?\s*\Z")
_DELIMITER = re.compile(r"\\\$|\$|(?<!\\)\\[()\[\]]")


@dataclass(frozen=True, slots=True)
class Formula:
    """What was found: its text as math-verify normalizes it, its SymPy object, not computed, and how it was written."""

    text: str
    expression: Any
    written: str


@cache
def library() -> Any:
    library = import_module("math_verify")
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    logging.getLogger("latex2sympy2_extended").setLevel(logging.ERROR)
    return library


@cache
def parser() -> Any:
    library()
    return import_module("math_verify.parser")


@cache
def configuration(anchored: bool) -> Any:
    return library().LatexExtractionConfig(boxed_match_priority=-1, try_extract_without_anchor=not anchored)


def split_list(text: str) -> list[str]:
    """The items of a list: what commas and semicolons outside of all brackets part."""
    items, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "{([") - (character in "})]")
        if character in ",;" and depth == 0:
            items.append(text[start:index])
            start = index + 1
    return [*items, text[start:]]


def both_signs(text: str) -> str:
    """`a \\pm b` within a formula as the list of both values: math-verify's grammar knows it at the top level only."""
    items: list[str] = []
    for item in split_list(text):
        if "\\pm" in item or "\\mp" in item:
            for plus, minus in ("+-", "-+"):
                items.append(item.replace("\\pm", plus).replace("\\mp", minus))
        else:
            items.append(item)
    return ",".join(items)


def without_quantifier(text: str) -> str:
    """`text` without the `, k \\in \\mathbb{Z}` at its end."""
    return _QUANTIFIER.sub("", text)


def _rising(body: str) -> str:
    """`a > b > c` as `c < b < a`, the one way of writing it that math-verify's grammar knows."""
    terms = _FALLING.split(body)
    if len(terms) < 3 or RELATION.search(" ".join(terms)):
        return body
    signs = ["\\le" if "e" in sign else "<" for sign in _FALLING.findall(body)]
    return "".join(f"{term} {sign} " for term, sign in zip(terms[:0:-1], signs[::-1], strict=True)) + terms[0]


@lru_cache(maxsize=512)
def parse_latex(text: str) -> Formula:
    """All of `text` as one LaTeX answer, by math-verify's normalization and grammar.

    Raises:
        NotLatexError: No LaTeX that math-verify knows.
        TooLargeError: It would be too large to parse or to compute.
    """
    check_size(text)
    body = re.sub(r"\s+", " ", _DELIMITER.sub(" ", text)).strip()
    set_builder = SET_BUILDER.fullmatch(body)
    body = without_quantifier(set_builder.group(1)) if set_builder else body
    body = _SIGN_AS_INDEX.sub(r"_{\1}", _BARE_POINT.sub("", _rising(body)))
    body = _PRIMES.sub(lambda primes: f"{primes[1]}_{{{'p' * len(primes[2])}}}", body)
    if RELATION.search(body):
        body = _JOINS_INEQUALITIES.sub(",", body)
    body = _INDEXED_CONSTANT.sub(r"\\mathcal{\1}", _DOTS_OF_LIST.sub(",", body))
    try:
        return _parse(body)
    except NotLatexError:
        if "\\pm" in body or "\\mp" in body:
            return _parse(both_signs(body))
        raise


def with_named_derivatives(expression: Any) -> Any:
    """`expression` with each derivative of a plain name as a name of its own: SymPy takes dy/dx for 0, as y holds no x,
    so math-verify holds `\\frac{dy}{dx} = 2x` and `\\frac{dy}{dx} = 3x` for the same (no public report is known to us).
    """
    sp = sympy()
    if not isinstance(expression, sp.Basic | sp.MatrixBase):
        return expression
    names = {
        found: sp.Symbol(str(found))
        for found in expression.atoms(sp.Derivative)
        if not found.expr.free_symbols & set(found.variables)
    }
    return expression.xreplace(names) if names else expression


def _parse(body: str) -> Formula:
    try:
        normal = parser().normalize_latex(body, config=configuration(False).normalization_config)
        expression = parser().parse_latex_cached(normal) if normal else None
    except RecursionError as error:
        raise TooLargeError("nested too deep") from error
    except Exception as error:  # whatever the generated grammar raises: it has no exception of its own
        raise NotLatexError("not a LaTeX expression") from error
    if expression is None:
        raise NotLatexError("not a LaTeX expression")
    return Formula(normal, check_cost(with_named_derivatives(expression)), body)


def same_expression(answer: Any, gold: Any) -> bool:
    """Whether math-verify holds two SymPy objects for the same. Can take long: run it where it can be killed."""
    return bool(library().verify(gold, answer, allow_set_relation_comp=True, timeout_seconds=None))

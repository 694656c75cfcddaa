"""Rules for refusals: a name, a pattern, and a phrase that only this rule finds."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """name: shown in the verdict. example: found by this rule and by none of its neighbours."""

    name: str
    pattern: re.Pattern[str]
    example: str


def rules(rows: Iterable[tuple[str, str, str]]) -> tuple[Rule, ...]:
    """Rules from (name, pattern, example). A blank of a pattern stands for any white space; case does not matter."""
    flags = re.IGNORECASE | re.DOTALL
    return tuple(Rule(name, re.compile(text.replace(" ", r"\s+"), flags), example) for name, text, example in rows)


def first_rule(table: Iterable[Rule], text: str) -> str | None:
    """The name of the first rule that finds something in a text."""
    return next((rule.name for rule in table if rule.pattern.search(text)), None)

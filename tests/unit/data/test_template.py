"""`{column}` of a template: what is replaced, what stays, and what has no text."""

from typing import Any

import pytest

from rayrl.data.row import NO_TEXT, MissingColumn, RowError
from rayrl.data.template import fill, find_columns
from rayrl.errors import ConfigError

ROW: dict[str, Any] = {
    "question": "1+1?",
    "answer": 2,
    "rate": 0.256,
    "roots": [3, -3],
    "choices": ["a", "ü"],
    "meta": {"title": "T", "pages": [1, 2], "none": None},
    "two words": "yes",
    "1": "one",
    "": "index",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{question}", "1+1?"),
        ("{answer:03d} {rate:.1%} {question!r}", "002 25.6% '1+1?'"),
        ("{meta[title]} {meta.title} {meta[pages][1]}", "T T 2"),
        ("{two words}", "yes"),
        ("{roots} {choices}", '[3, -3] ["a", "ü"]'),
        # braces that are no column's
        (r"{question} Put it in \boxed{}.", r"1+1? Put it in \boxed{}."),
        (r"\boxed{{}} {question}", r"\boxed{} 1+1?"),
        (r"\boxed{{{answer}}}", r"\boxed{2}"),
        (r"\frac{2}{3}, x^{2^{10}}, \sqrt{-2}: {question}", r"\frac{2}{3}, x^{2^{10}}, \sqrt{-2}: 1+1?"),
        ('Reply as {"answer": 1}. {question}', 'Reply as {"answer": 1}. 1+1?'),
        ('{"a": {"b": {answer}}}', '{"a": {"b": 2}}'),
        ('{{"a": {answer}}}', '{"a": 2}'),
        ("{ {question} }", "{ 1+1? }"),
        ("} {question} {", "} 1+1? {"),
        ("{1} {}", "one {}"),
        ("no column", "no column"),
    ],
)
def test_columns_are_replaced_and_other_braces_stay(template: str, text: str) -> None:
    assert fill(template, ROW, "prompt.template") == text


@pytest.mark.parametrize("template", ["{problem}", "{meta[author]}", "{meta.author}", r"\mathrm{e}", "{roots[7]}"])
def test_a_word_in_braces_that_is_no_column_is_the_templates_fault(template: str) -> None:
    with pytest.raises(
        MissingColumn, match=r"prompt.template: .* cannot be filled .*; columns: question, answer"
    ) as raised:
        fill(template, ROW, "prompt.template")
    assert isinstance(raised.value, ConfigError)
    assert raised.value.exit_code == 2
    assert "as text" in str(raised.value)


@pytest.mark.parametrize(
    ("value", "template", "says"),
    [
        (None, "{x}", "the column x is null"),
        (float("nan"), "{x}", "the column x is null"),
        (None, "{x!s:>5}", "the column x is null"),
        (None, "{x[a]}", "the column x is null"),
        ({"a": None}, "{x[a]}", r"the column x\[a\] is null"),
        ({"a": {"b": None}}, "{x.a.b}", r"the column x.a.b is null"),
        ({"a": 1}, "{x}", "the column x is a mapping"),
        ([{"role": "user", "content": "1"}], "{x}", "the column x is a list of mappings"),
        ([1, None], "{x}", "the column x is a list with nulls"),
        (b"1", "{x}", "the column x is of type bytes"),
    ],
)
def test_what_has_no_text_is_never_written_as_python_would(value: Any, template: str, says: str) -> None:
    with pytest.raises(RowError, match=f"target.template: {says}") as raised:
        fill(template, {"x": value}, "target.template")
    assert raised.value.kind == NO_TEXT


def test_the_columns_that_a_template_asks_for() -> None:
    assert find_columns(r"{a} {b[c]!r:>3} \boxed{} {1} {{d}}") == {"a", "b"}

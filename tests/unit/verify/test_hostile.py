"""Model output is hostile text: nothing crashes, nothing is evaluated, nothing large is computed."""

import builtins

import pytest

from rayrl.verify.finance.kinds.statement import _LINK
from rayrl.verify.maths import verify
from tests.clock import lowest_cpu_seconds

HUGE = {
    "tower": r"\boxed{10^{10^{10}}}",
    "tower without braces": r"\boxed{9^9^9^9^9^9^9}",
    "power of a power": r"\boxed{((9^{99999})^{99999})}",
    "factorial": r"\boxed{100000!}",
    "iterated factorial": r"\boxed{9!!!!}",
    "binomial": r"\boxed{\binom{1000000}{500000}}",
    "expansion": r"\boxed{(1+x)^{100000000}}",
    "sum": r"\boxed{\sum_{n=1}^{99999999} n}",
    "matrix": r"\boxed{\operatorname{zeros}(99999,99999)}",
    "exponent": r"\boxed{e^{10^{9}}}",
    "integrals": r"\boxed{" + r"\int " * 30 + "x}",
    "digits": r"\boxed{" + "9" * 100_000 + "}",
    "roots": r"\boxed{" + r"\sqrt{" * 500 + "2" + "}" * 501,
    "powers": r"\boxed{" + "x^" * 39 + "2}",
}
LONG = {
    "open boxes": r"\boxed{" * 20_000,
    "nested braces": r"\boxed{" + "{" * 50_000 + "}" * 50_001,
    "nested parentheses": r"\boxed{" + "(" * 400 + "1" + ")" * 400 + "}",
    "bare digits": "9" * 100_000,
    "commas": "9," * 50_000,
    "fractions": "1/" * 50_000,
    "dollars": "$1" * 50_000,
    "anchors": "answer is " * 10_000,
    "anchor and spaces": "answer is" + " " * 100_000,
    "lines": "A:\n" * 30_000,
    "hashes": "#### " * 20_000,
    "tags": "<answer>" * 10_000,
    "formulas": "\\(" * 50_000,
    "NULs": "\x00" * 100_000,
    "half surrogates": "\ud800" * 50_000,
    "combining": "1" + "\u0301" * 50_000,
}


@pytest.mark.parametrize("gold", ["7", "x^2+1"])
@pytest.mark.parametrize("response", HUGE.values(), ids=HUGE)
def test_nothing_huge_is_computed(response, gold):
    seconds, verdict = lowest_cpu_seconds(lambda: verify(response, gold), under=4)
    assert (verdict.score, verdict.status) == (0.0, "unparseable")
    assert seconds < 4


@pytest.mark.parametrize("response", LONG.values(), ids=LONG)
def test_time_grows_with_length_only(response):
    seconds, verdict = lowest_cpu_seconds(lambda: verify(response, "7"), under=4)
    assert verdict.score == 0.0
    assert len(verdict.extracted or "") <= 200
    assert seconds < 4


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "eval('7')",
        "open('/etc/passwd')",
        "(lambda: 7)()",
        "7 if True else 0",
        "3+4;7",
    ],
)
def test_nothing_is_evaluated(text, monkeypatch):
    def refuse(*arguments, **_):
        raise AssertionError(f"evaluated {arguments[0]!r}")

    verify(r"\boxed{\sqrt{2}}", r"\sqrt{3}")  # imports what it needs first
    for name in ("eval", "exec"):
        monkeypatch.setattr(builtins, name, refuse)
    for response in (text, rf"\boxed{{{text}}}", f"The answer is {text}", f"${text}$", f"<answer>{text}</answer>"):
        assert verify(response, r"\sqrt{2}").score == 0.0
    monkeypatch.undo()


def test_odd_characters_around_an_answer_do_not_hide_it():
    assert verify("\x00\ud800 \\boxed{7}\x00", "7").status == "correct"
    assert verify("The answer is\u200b 7\u200b.", "7").status == "correct"


@pytest.mark.parametrize("tail", ["4", "é", "^", "(", " 4", "= 4"])
@pytest.mark.parametrize("words", ["when you multiply the absolute slices of", "a" * 50, "m^2" * 16, "m-s-" * 12])
def test_words_behind_a_number_take_no_time_where_they_are_no_unit(words, tail):
    """A word is read whole, not split in all 2^letters ways (`numbers._UNIT`): the first of these took over 5 s."""
    seconds, verdict = lowest_cpu_seconds(lambda: verify(f"The answer is 5 {words} {tail}", "-10"), under=1)
    assert verdict.score == 0.0
    assert seconds < 1


@pytest.mark.parametrize("between", [",", ", ", " ", "* ", "~,;"])
def test_what_stands_between_two_amounts_takes_no_time(between):
    """Of 400 commas it took 12 s."""
    seconds, found = lowest_cpu_seconds(lambda: _LINK.match(f"{between * 400}0"), under=1)
    assert found is None
    assert seconds < 1

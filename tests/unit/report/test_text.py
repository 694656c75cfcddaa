import pytest

from rayrl.report.text import duration, number, p_value, percent, printable, signed_points


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3720, "1 h 02 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers() -> None:
    assert [number(v) for v in (0, 0.01234, 12345.6, -2.5, float("nan"))] == ["0", "0.0123", "12,346", "−2.5", "–"]
    assert (percent(0.2351), signed_points(-0.051), signed_points(0.17)) == ("23.5 %", "−5.1", "+17.0")
    assert (p_value(0.0004), p_value(0.0312)) == ("p < 0.001", "p = 0.031")


def test_printable_shows_what_would_hide() -> None:
    assert printable("a\tb\n\x1b[31m\u202ec\ud800\x7f") == "a\tb\n␛[31m[U+202E]c\ufffd␡"


def test_printable_leaves_out_the_middle() -> None:
    shown = printable("a" * 2000 + "b" * 2000)
    assert shown.startswith("a" * 1400 + "\n[… 1,900 characters left out …]\n")
    assert shown.endswith("b" * 700)

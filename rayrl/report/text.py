"""How the report writes numbers, durations and the text of others."""

import math

HEAD, TAIL = 1400, 700


def percent(share: float) -> str:
    """0.2351 -> "23.5 %"."""
    return f"{100 * share:.1f} %"


def number(value: float) -> str:
    """Three significant digits, thousands separated: 12345.6 -> "12,346", 0.01234 -> "0.0123"."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    if abs(value) >= 100:
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def scientific(value: float, digits: int = 2) -> str:
    """A small quantity: 0.001261 -> "1.26e−3", 0 -> "0" (exactly). digits: after the point."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def signed_points(change: float) -> str:
    """A difference of shares in percentage points: 0.17 -> "+17.0"."""
    return f"{100 * change:+.1f}".replace("-", "−")


def duration(seconds: float) -> str:
    """75 -> "1 min 15 s", 3720 -> "1 h 02 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def p_value(p: float) -> str:
    """ "p < 0.001", else "p = " and two significant digits."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def printable(text: object, head: int = HEAD, tail: int = TAIL) -> str:
    """Text of a model or dataset made fit for a page: control characters visible, the middle of a long one left out.

    It is not escaped for HTML: the template does that for everything. head and tail are in characters.
    """
    whole = str(text)
    if len(whole) > head + tail + 100:
        left_out = len(whole) - head - tail
        whole = f"{whole[:head]}\n[… {left_out:,} characters left out …]\n{whole[-tail:]}"
    return visible(whole)


def visible(text: str) -> str:
    """Text with only characters that XML has, the others in the likeness of what they are."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    code = ord(character)
    if character in "\n\t":
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode's pictures of control characters
    if code == 0x7F:
        return "\u2421"
    if 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF):
        return "\ufffd"
    if 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069:
        return f"[U+{code:04X}]"  # would turn the direction of the text around it
    return character

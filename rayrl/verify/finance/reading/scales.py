"""Words by which an amount counts in thousands, millions or cents: `5 bn`, `1.2 lakh crore`, `12,5 Mio.`."""

from fractions import Fraction

_WORTH: dict[str, int | Fraction] = {
    **dict.fromkeys(("k", "thousand", "000s", "tsd"), 10**3),
    **dict.fromkeys(("m", "mm", "mn", "mln", "mil", "million", "mio", "millionen", "millones", "milioni"), 10**6),
    **dict.fromkeys(("milhões", "milhõe"), 10**6),
    **dict.fromkeys(("b", "bn", "bln", "bil", "billion", "milliard", "milliarde", "milliarden", "mrd"), 10**9),
    **dict.fromkeys(("miliardi", "bilhões", "bilhõe"), 10**9),
    **dict.fromkeys(("t", "tn", "trn", "trillion"), 10**12),
    "hundred": 100,
    "lakh": 10**5,
    "crore": 10**7,
    **dict.fromkeys(("cent", "¢"), Fraction(1, 100)),
}
_WORD = r"(?:thousand|million|billion|trillion|mln|bln|crore|lakh|hundred|milliard)s?\b"
_FOREIGN = r"(?:Millionen|Milliarden?|Mio|Mrd|Tsd|millones|milhões|bilhões|milioni|miliardi)\b\.?"
_SHORT = r"(?:mm|mn|bn|tn|trn|mil|bil|MM|MN|BN|Mn|Bn|Tn)\b\.?"
_LETTER = r"(?:k|K|m|M|b|B|T)(?![\w&'-])"

SCALE = rf"(?:(?:hundred|thousand|lakh)s?\ {_WORD}|{_WORD}|{_FOREIGN}|{_SHORT}|{_LETTER})"


def _worth_of(word: str) -> int | Fraction:
    return _WORTH.get(word) or _WORTH[word.removesuffix("s")]


def worth(words: str | None) -> Fraction | None:
    """What an amount is multiplied by: `bn`, `Millions`, `lakh crore`, `cents`; None where nothing is written."""
    product = Fraction(1)
    for word in (words or "").lower().split():
        product *= _worth_of(word.rstrip("."))
    return product if words else None

"""Names of currencies, as signs, codes and words, and the code of each."""

CODES = "USD|EUR|GBP|JPY|CNY|RMB|INR|CHF|CAD|AUD|HKD|SGD|KRW|SEK|NOK|DKK|BRL|MXN|ZAR|NZD|NIS|ILS|TWD|RM"
_DOLLARS = {"A": "AUD", "AU": "AUD", "C": "CAD", "CA": "CAD", "Cdn": "CAD", "HK": "HKD", "NZ": "NZD", "S": "SGD"}
_DOLLARS |= {"R": "BRL", "MX": "MXN", "NT": "TWD", "US": "USD"}
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW", "Rs": "INR", "RMB": "CNY"}
_SIGNS |= {f"{country}$": code for country, code in _DOLLARS.items()}
_NAMES = {
    "dollar": "USD",
    "euro": "EUR",
    "pound": "GBP",
    "yen": "JPY",
    "rupee": "INR",
    "yuan": "CNY",
    "renminbi": "CNY",
    "franc": "CHF",
    "peso": "MXN",
    "real": "BRL",
    "reais": "BRL",
    "won": "KRW",
    "rand": "ZAR",
}
_ELSEWHERE = {
    "australian dollar": "AUD",
    "canadian dollar": "CAD",
    "hong kong dollar": "HKD",
    "new zealand dollar": "NZD",
    "singapore dollar": "SGD",
    "taiwan dollar": "TWD",
    **dict.fromkeys(("swedish krona", "swedish kronor"), "SEK"),
    **dict.fromkeys(("norwegian krone", "norwegian kroner"), "NOK"),
    **dict.fromkeys(("danish krone", "danish kroner"), "DKK"),
}
_COUNTRY = (
    r"(?:US|U\.S\.|American|Australian|Canadian|Hong\ Kong|New\ Zealand|Singapore|(?:New\ )?Taiwan|British|Swiss"
    r"|Japanese|Chinese|Indian|Mexican|Brazilian|Korean|South\ African|Swedish|Norwegian|Danish)"
)
_COIN = r"(?i:(?:dollar|euro|pound|yen|rupee|yuan|renminbi|franc|krona|krone)s?|kronor|kroner|pounds?\ sterling)"
_COIN_OF = r"pesos?|reais|real|won|rand"  # words of English, so only behind their country

_LETTERS = "|".join(sorted(_DOLLARS, key=len, reverse=True))

SIGN = rf"(?:(?:{_LETTERS})?\$|[€£¥₹₩]|(?:{CODES}|Rs)\b\.?|(?:{CODES})(?=[\d(-]))"
UNIT = rf"(?:{_COUNTRY}\ )?(?:{_COIN})\b|{_COUNTRY}\ (?:{_COIN_OF})\b|(?:{CODES})\b|[€£¥₹₩]"


def currency(before: str | None, unit: str) -> str | None:
    """The code of a currency that stands before an amount as a sign or code, or behind it as a word or code.

    A bare `$` leaves the word to the country behind it: `$5 million CAD`.
    """
    sign = (before or "").strip().rstrip(".")
    named = _named(unit)
    return named if named and sign in ("", "$") else _SIGNS.get(sign, sign) or None


def _named(unit: str) -> str | None:
    if unit in _SIGNS or unit.isupper():
        return _SIGNS.get(unit, unit)
    word = (
        unit.lower().removesuffix(" sterling").replace("kronor", "krona").replace("kroner", "krone").removesuffix("s")
    )
    return next((code for name, code in (_ELSEWHERE | _NAMES).items() if word.endswith(name.removesuffix("s"))), None)

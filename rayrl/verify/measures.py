"""Units of measure that can be told apart and converted: `5 m` is 500 cm, and neither 5 km nor 5 s."""

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

_TABLE = """
length: m meter metre 1; cm centimeter centimetre 0.01; mm millimeter millimetre 0.001; km kilometer kilometre 1000;
    in inch inches 0.0254; ft foot feet 0.3048; yd yard 0.9144; mi mile 1609.344
mass: g gram 1; kg kilogram kilo 1000; mg milligram 0.001; lb lbs pound 453.59237; oz ounce 28.349523125
time: s sec second 1; min minute 60; h hr hour 3600; day 86400; week 604800
calendar: month 1; year 12; decade 120; century centuries 1200
volume: l liter litre 1; ml milliliter millilitre 0.001; gal gallon 3.785411784; quart 0.946352946
money: dollar 1; cent 0.01
celsius: celsius 1
fahrenheit: fahrenheit 1
energy: joule j 1; kj kilojoule 1000
power: watt w 1; kw kilowatt 1000
force: newton n 1; kn kilonewton 1000
resistance: ohm 1
"""
_FACTOR = re.compile(r"\s*(/|\bper\b)?\s*([A-Za-z]+)\.?\s*(?:\^\s*\{?\s*(-?[1-3])\s*\}?)?")
_DEGREES = re.compile(r"\s*(?:\^?\s*\{?\s*\\circ\s*\}?|degrees?)\s*([CF])(?:elsius|ahrenheit)?\b\s*")
_SHORT = {"mph": "mile/h", "kmph": "km/h", "kmh": "km/h", "kph": "km/h"}


@dataclass(frozen=True, slots=True)
class Measure:
    """kind: what it measures. factor: how many of the kind's base unit it is."""

    kind: str
    factor: Fraction


@cache
def _measures() -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for line in re.sub(r"\n\s+", " ", _TABLE).strip().splitlines():
        kind, _, units = line.partition(":")
        for unit in units.split(";"):
            *names, factor = unit.split()
            for name in names:
                found[name] = found[f"{name}s" if len(name) > 1 else name] = Measure(kind, Fraction(factor))
    return found


def read_measure(unit: str) -> Measure | None:
    """The measure that a number's unit text is, such as ` cm`, ` miles`, ` m^2`, ` km/h`, `^\\circ C`, else None."""
    degrees = _DEGREES.fullmatch(unit)
    if degrees is not None:
        unit = {"C": "celsius", "F": "fahrenheit"}[degrees[1]]
    unit = _SHORT.get(unit.strip().lower(), unit).strip()
    powers: Counter[str] = Counter()
    factor, end = Fraction(1), 0
    while end < len(unit):
        match = _FACTOR.match(unit, end)
        base = _measures().get(match[2].lower()) if match else None
        if match is None or base is None:
            return None
        power = int(match[3] or 1) * (-1 if match[1] else 1)
        powers[base.kind] += power
        factor *= base.factor**power
        end = match.end()
    kinds = [kind if power == 1 else f"{kind}^{power}" for kind, power in sorted(powers.items()) if power]
    return Measure(" ".join(kinds), factor) if kinds else None

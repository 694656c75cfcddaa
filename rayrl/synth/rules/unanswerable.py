"""Questions without an answer: another company, a year without figures, or a measure that no filing of the company
has."""

from collections.abc import Callable

from rayrl.synth.rules.companies import MAX_COMPANIES, Company
from rayrl.synth.rules.matter import Matter
from rayrl.synth.rules.measures import NEVER_REPORTED, Measure
from rayrl.synth.triplets import REFUSAL, Triplet


def ask_value(matter: Matter) -> Triplet:
    return _refuse(matter.ask_value(*_draw_absent(matter)))


def ask_growth(matter: Matter) -> Triplet:
    name, measure, year = _draw_absent(matter)
    return _refuse(matter.ask_growth(name, measure, year - 1, year))


def ask_rise(matter: Matter) -> Triplet:
    name, measure, year = _draw_absent(matter)
    return _refuse(matter.ask_rise(name, measure, year - 1, year, matter.draw.choice(("increase", "decrease"))))


MAKERS: tuple[Callable[[Matter], Triplet], ...] = (ask_value, ask_value, ask_growth, ask_rise)
"""As often as they stand here."""


def _draw_absent(matter: Matter) -> tuple[str, Measure, int]:
    """Company, measure and year of which at least one is nowhere."""
    company, draw, fact = matter.company, matter.draw, matter.fact()
    kind = draw.choice(("company", "year", "measure", "measure"))
    if kind == "company":
        return Company(company.seed, MAX_COMPANIES + draw.randrange(400)).name, fact.measure, fact.year
    if kind == "year":
        oldest, newest = min(company.years), max(company.years)
        return company.name, fact.measure, draw.choice((oldest - 3, oldest - 2, newest + 2))
    omitted = [matter.filing.measure(key) for key in sorted(company.omitted)]
    return company.name, draw.choice([*omitted, *omitted, *NEVER_REPORTED]), fact.year


def _refuse(question: str) -> Triplet:
    return Triplet("unanswerable", question, REFUSAL)

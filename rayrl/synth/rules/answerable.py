"""Questions that the facts answer, by class. Each draws its facts, or raises `Unfit` where there are none."""

from collections.abc import Callable

from rayrl.synth.rules.facts import Fact
from rayrl.synth.rules.matter import Matter, require
from rayrl.synth.rules.measures import RATIOS
from rayrl.synth.settings import QuestionClass
from rayrl.synth.triplets import Triplet


def _answer(question: str, answer: str, facts: tuple[Fact, ...], steps: str = "") -> Triplet:
    evidence = tuple(dict.fromkeys(fact.evidence for fact in facts))
    return Triplet("extraction", question, answer, evidence, steps)


def ask_value(matter: Matter) -> Triplet:
    fact = matter.fact()
    return _answer(matter.ask_value(matter.company.name, fact.measure, fact.year), matter.show(fact), (fact,))


def _grow(early: Fact, late: Fact) -> tuple[str, str]:
    """The change in per cent, and how it is worked out."""
    percent = f"{100 * (late.value - early.value) / early.value:.1f}%"
    return percent, f"({late.value:,} - {early.value:,}) / {early.value:,} = {percent}."


def ask_growth(matter: Matter) -> Triplet:
    early, late = matter.two_years("money", "count")
    require(early.value > 0)
    percent, steps = _grow(early, late)
    question = matter.ask_growth(matter.company.name, late.measure, early.year, late.year)
    return _answer(question, percent, (early, late), steps)


def ask_difference(matter: Matter) -> Triplet:
    early, late = matter.two_years("money", "count", "per_share")
    change = round(late.value - early.value, 2)
    question = (
        f"By how much did the {late.measure.phrase} of {matter.company.name} {matter.draw.choice(('change', 'move'))} "
        f"from fiscal {early.year} to fiscal {late.year}? Give a decrease as a negative number."
    )
    require(change)
    shown = matter.company.money.write(change, late.measure.kind)
    return _answer(question, shown, (early, late), f"{matter.show(late)} - {matter.show(early)} = {shown}.")


def ask_ratio(matter: Matter) -> Triplet:
    section = matter.draw.choice(matter.sections)
    year = matter.draw.choice(section.years())
    known = [
        (ratio, over, under)
        for ratio in RATIOS
        if (over := section.of(ratio.over, year))
        and (under := section.of(ratio.under, year))
        and over.value > 0 < under.value
    ]
    require(known)
    ratio, over, under = matter.draw.choice(known)
    value = over.value / under.value
    answer = f"{100 * value:.1f}%" if ratio.percent else f"{value:.2f}"
    places = "one decimal place" if ratio.percent else "two decimal places"
    meaning = f" ({ratio.meaning.format(sales=matter.company.sales)})" if ratio.meaning else ""
    question = f"What was the {ratio.name}{meaning} of {matter.company.name} for fiscal {year}, to {places}?"
    return _answer(question, answer, (over, under), f"{over.value:,} / {under.value:,} = {answer}.")


def ask_total(matter: Matter) -> Triplet:
    require(matter.draw.choice(matter.sections).segments)
    first, second = matter.two_measures()
    require("segment" in first.measure.key)
    what, _, one = first.measure.phrase.removesuffix(" segment").partition(" of the ")
    other = second.measure.phrase.removesuffix(" segment").partition(" of the ")[2]
    question = (
        f"What was the combined {what} of the {one} and {other} segments of {matter.company.name} in fiscal "
        f"{first.year}?"
    )
    total = first.value + second.value
    steps = f"{first.value:,} + {second.value:,} = {total:,}."
    return _answer(question, matter.company.money.amount(total), (first, second), steps)


def ask_average(matter: Matter) -> Triplet:
    early, late = matter.two_years("money")
    mean = (early.value + late.value) / 2
    question = (
        f"What was the average of the {late.measure.phrase} of {matter.company.name} over fiscal {early.year} and "
        f"fiscal {late.year}?"
    )
    steps = f"({early.value:,} + {late.value:,}) / 2 = {mean:,.1f}."
    return _answer(question, matter.company.money.amount(mean), (early, late), steps)


def ask_larger(matter: Matter) -> Triplet:
    first, second = pair = matter.two_measures()
    most = max(pair, key=lambda fact: fact.value)
    one, other, when = first.measure.phrase, second.measure.phrase, first.measure.when(first.year)
    question = matter.draw.choice(
        (
            f"Which was larger for {matter.company.name} {when}, the {one} or the {other}, and how much was it?",
            f"Of the {one} and the {other} of {matter.company.name}, which was the larger {when}, and what was its "
            "amount?",
        )
    )
    answer = f"The {most.measure.phrase}, at {matter.show(most)}"
    return _answer(question, answer, pair, f"{matter.show(first)} against {matter.show(second)}.")


def ask_better_year(matter: Matter) -> Triplet:
    early, late = pair = matter.two_years("money", "per_share", "count")
    require(early.value != late.value)
    first, second = matter.draw.sample(pair, 2)
    most = max(pair, key=lambda fact: fact.value)
    question = (
        f"In which of fiscal {first.year} and fiscal {second.year} did {matter.company.name} report the higher "
        f"{most.measure.phrase}, and how high was it?"
    )
    steps = f"{matter.show(early)} in {early.year} against {matter.show(late)} in {late.year}."
    return _answer(question, f"Fiscal {most.year}, at {matter.show(most)}", pair, steps)


def ask_rise(matter: Matter) -> Triplet:
    early, late = pair = matter.two_years("money", "count", "per_share", "percent")
    require(early.value != late.value)
    yes = matter.draw.random() < 0.5
    verb = "increase" if (late.value > early.value) == yes else "decrease"
    question = matter.ask_rise(matter.company.name, late.measure, early.year, late.year, verb)
    steps = f"It was {matter.show(early)} in {early.year} and {matter.show(late)} in {late.year}."
    return _answer(question, "Yes" if yes else "No", pair, steps)


def ask_excess(matter: Matter) -> Triplet:
    fact, draw = matter.fact(), matter.draw
    require(fact.value > 0 and fact.measure.kind != "percent")
    yes = draw.random() < 0.5
    limit = fact.value * (draw.uniform(0.6, 0.95) if yes else draw.uniform(1.05, 1.4))
    places = 2 if fact.measure.kind == "per_share" else -max(0, len(str(int(limit))) - 2)
    bound = round(limit, places)
    require((fact.value > bound) == yes)
    stated = matter.company.money.write(bound if places == 2 else int(bound), fact.measure.kind)
    subject = f"the {fact.measure.phrase} of {matter.company.name} {fact.measure.when(fact.year)}"
    question = draw.choice((f"Did {subject} exceed {stated}?", f"Is it true that {subject} exceeded {stated}?"))
    return _answer(question, "Yes" if yes else "No", (fact,), f"It was {matter.show(fact)}.")


def ask_whether_larger(matter: Matter) -> Triplet:
    pair = matter.two_measures()
    yes = matter.draw.random() < 0.5
    first, second = sorted(pair, key=lambda fact: fact.value, reverse=yes)
    question = (
        f"{first.measure.was.capitalize()} the {first.measure.phrase} of {matter.company.name} larger than the "
        f"{second.measure.phrase} {first.measure.when(first.year)}?"
    )
    steps = f"{matter.show(first)} against {matter.show(second)}."
    return _answer(question, "Yes" if yes else "No", (first, second), steps)


def ask_two_measures(matter: Matter) -> Triplet:
    first, second = pair = matter.two_measures()
    question = (
        f"What were the {first.measure.phrase} and the {second.measure.phrase} of {matter.company.name} "
        f"{first.measure.when(first.year)}? Give both, in this order."
    )
    return _answer(question, f"{matter.show(first)}; {matter.show(second)}", pair)


def ask_two_years(matter: Matter) -> Triplet:
    early, late = pair = matter.two_years("money", "count", "percent", "per_share")
    require(early.value != late.value)
    question = (
        f"What {late.measure.was} the {late.measure.phrase} of {matter.company.name} in fiscal {late.year}, and what "
        f"was it in fiscal {early.year}?"
    )
    return _answer(question, f"{matter.show(late)}; {matter.show(early)}", pair)


def ask_value_and_growth(matter: Matter) -> Triplet:
    early, late = pair = matter.two_years("money")
    require(early.value > 0)
    percent, steps = _grow(early, late)
    question = (
        f"What {late.measure.was} the {late.measure.phrase} of {matter.company.name} {late.measure.when(late.year)}, "
        f"and by what percentage, to one decimal place, did it change from fiscal {early.year}?"
    )
    return _answer(question, f"{matter.show(late)}; {percent}", pair, steps)


MAKERS: dict[QuestionClass, tuple[Callable[[Matter], Triplet], ...]] = {
    "extraction": (ask_value,),
    "numeric_reasoning": (ask_growth, ask_difference, ask_ratio, ask_total, ask_average),
    "comparison": (ask_larger, ask_larger, ask_better_year),
    "yes_no": (ask_rise, ask_excess, ask_whether_larger),
    "multi_part": (ask_two_measures, ask_two_years, ask_value_and_growth),
}
"""As often as they stand here."""

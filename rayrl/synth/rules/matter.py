"""What questions are made of: the facts of some sections, how they are drawn, and wordings that answerable and
unanswerable questions share, so that the wording does not give away which is which."""

from itertools import combinations
from random import Random

from rayrl.synth.rules.facts import Fact, Section
from rayrl.synth.rules.filings import Filing
from rayrl.synth.rules.measures import Kind, Measure


class Unfit(Exception):
    """The sections have no matter for this question."""


class Matter:
    """Facts of some sections of a filing. draw: what chooses among them."""

    def __init__(self, filing: Filing, sections: list[Section], draw: Random) -> None:
        self.filing, self.company, self.sections, self.draw = filing, filing.company, sections, draw
        self.facts = [fact for section in sections for fact in section.facts]

    def fact(self) -> Fact:
        return self.draw.choice(self.facts)

    def two_years(self, *kinds: Kind) -> tuple[Fact, Fact]:
        """One measure in two years, earlier first.

        Raises:
            Unfit: There is none of these kinds.
        """
        by_measure: dict[str, dict[int, Fact]] = {}
        for fact in self.facts:
            if fact.measure.kind in kinds:
                by_measure.setdefault(fact.measure.key, {})[fact.year] = fact
        groups = [list(group.values()) for group in by_measure.values() if len(group) > 1]
        require(groups)
        early, late = sorted(self.draw.sample(self.draw.choice(groups), 2), key=lambda fact: fact.year)
        return early, late

    def two_measures(self) -> tuple[Fact, Fact]:
        """Two amounts of money of one section and year, with different values.

        Raises:
            Unfit: There are none.
        """
        section = self.draw.choice(self.sections)
        pairs = [
            (a, b)
            for a, b in combinations(section.facts, 2)
            if a.year == b.year
            and a.measure.kind == b.measure.kind == "money"
            and a.value != b.value
            and (not section.segments or a.measure.key.rpartition("_")[0] == b.measure.key.rpartition("_")[0])
            and a.measure.stock == b.measure.stock
        ]
        require(pairs)
        first, second = self.draw.choice(pairs)
        return (first, second) if self.draw.random() < 0.5 else (second, first)

    def show(self, fact: Fact) -> str:
        """Its value as an answer."""
        return self.company.money.write(fact.value, fact.measure.kind)

    def ask_value(self, name: str, measure: Measure, year: int) -> str:
        what, was, when = f"{measure.phrase} of {name}", measure.was, measure.when(year)
        return self.draw.choice(
            (
                f"What {was} the {what} {when}?",
                f"{when[0].upper()}{when[1:]}, what {was} the {what}?",
                f"What figure does {name} report for its {measure.phrase} {when}?",
                f"How high {was} the {what} {when}?",
            )
        )

    def ask_growth(self, name: str, measure: Measure, early: int, late: int) -> str:
        what = f"{measure.phrase} of {name}"
        return self.draw.choice(
            (
                f"By what percentage did the {what} change from fiscal {early} to fiscal {late}, to one decimal place?",
                f"What was the percentage change in the {what} between fiscal {early} and fiscal {late}? Round to one "
                "decimal place.",
            )
        )

    def ask_rise(self, name: str, measure: Measure, early: int, late: int, verb: str) -> str:
        what = f"{measure.phrase} of {name}"
        return self.draw.choice(
            (
                f"Did the {what} {verb} from fiscal {early} to fiscal {late}?",
                f"Comparing fiscal {late} with fiscal {early}, did the {what} {verb}?",
            )
        )


def require(fits: object) -> None:
    """Raises Unfit unless there is something."""
    if not fits:
        raise Unfit

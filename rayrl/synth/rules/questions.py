"""Questions with certain answers on invented filings, from the sections that a chunk holds whole."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

from rayrl.synth.chunks import Chunk
from rayrl.synth.rules.companies import MAX_COMPANIES, Company
from rayrl.synth.rules.facts import Fact, Measure, Section
from rayrl.synth.rules.filings import Filing
from rayrl.synth.settings import QuestionClass
from rayrl.synth.triplets import REFUSAL, Outcome, Triplet

NEVER_REPORTED = (
    Measure("backlog", "order backlog", stock=True),
    Measure("churn", "customer churn rate", "percent"),
    Measure("patents", "number of patents held", "count", stock=True),
    Measure("advertising", "advertising expense"),
    Measure("same_store", "same-store sales growth", "percent"),
    Measure("pension", "pension obligation", stock=True),
    Measure("impairment", "impairment of intangible assets"),
    Measure("emissions", "carbon emissions", "count", plural=True),
    Measure("stock_compensation", "stock-based compensation expense"),
    Measure("deferred_revenue", "deferred revenue", stock=True),
)
RATIOS = (
    ("gross margin", "gross_profit", "sales", "percent"),
    ("operating margin", "operating_income", "sales", "percent"),
    ("net profit margin", "net_income", "sales", "percent"),
    ("effective tax rate", "tax", "pretax", "percent"),
    ("current ratio", "current_assets", "current_liabilities", "times"),
    ("ratio of total liabilities to shareholders' equity", "liabilities", "equity", "times"),
    ("ratio of long-term debt to total assets", "long_debt", "assets", "percent"),
    ("share of capital expenditures in net cash from operating activities", "capex", "operating_cash", "percent"),
)
DEFINITIONS = {
    "gross margin": "gross profit divided by {sales}",
    "operating margin": "operating income divided by {sales}",
    "net profit margin": "net income divided by {sales}",
    "effective tax rate": "income tax expense divided by income before income taxes",
    "current ratio": "total current assets divided by total current liabilities",
}


class RuleWriter:
    """Writes up to `classes[kind]` questions of each class on a chunk of one of `filings`; none on other documents."""

    def __init__(self, filings: list[Filing], classes: dict[QuestionClass, int], seed: int) -> None:
        self._filings = {filing.name: filing for filing in filings}
        self._classes, self._seed = classes, seed

    async def write(self, chunk: Chunk) -> Outcome:
        filing = self._filings.get(chunk.document)
        sections = [s for s in filing.sections if s.facts and s.text in chunk.text] if filing else []
        triplets: list[Triplet] = []
        for kind, count in self._classes.items():
            draw = random.Random(f"{self._seed}/{chunk.id}/{kind}")
            if filing and sections and count:
                made = {t.question: t for t in Questions(filing, sections, draw).of(kind, 4 * count)}
                triplets += list(made.values())[:count]
        return Outcome(triplets, [])


class Questions:
    """Questions on the facts of some sections. Wordings are shared by answerable and unanswerable ones, so that the
    wording does not give away which is which."""

    def __init__(self, filing: Filing, sections: list[Section], draw: random.Random) -> None:
        self.filing, self.company, self.draw = filing, filing.company, draw
        self.money = filing.company.money
        self.sections = sections
        self.facts = [fact for section in sections for fact in section.facts]

    def of(self, kind: QuestionClass, tries: int) -> Iterator[Triplet]:
        """Draws `tries` times; a draw for which the sections have no matter yields nothing."""
        makers: dict[QuestionClass, tuple[Callable[[], Triplet | None], ...]] = {
            "extraction": (self._value,),
            "numeric_reasoning": (self._growth, self._difference, self._ratio, self._total, self._average),
            "comparison": (self._larger, self._larger, self._better_year),
            "yes_no": (self._rose, self._exceeds, self._is_larger),
            "multi_part": (self._two_measures, self._two_years, self._value_and_growth),
            "unanswerable": (self._absent_value, self._absent_value, self._absent_growth, self._absent_rise),
        }
        for _ in range(tries):
            triplet = self.draw.choice(makers[kind])()
            if triplet is not None:
                yield replace(triplet, kind=kind)

    # Wordings

    def _when(self, measure: Measure, year: int) -> str:
        return f"at the end of fiscal {year}" if measure.stock else f"in fiscal {year}"

    def _ask_value(self, name: str, measure: Measure, year: int) -> str:
        was, when = ("were" if measure.plural else "was"), self._when(measure, year)
        return self.draw.choice(
            (
                f"What {was} the {measure.phrase} of {name} {when}?",
                f"{when[0].upper()}{when[1:]}, what {was} the {measure.phrase} of {name}?",
                f"What figure does {name} report for its {measure.phrase} {when}?",
                f"How high {was} the {measure.phrase} of {name} {when}?",
            )
        )

    def _ask_growth(self, name: str, measure: Measure, early: int, late: int) -> str:
        return self.draw.choice(
            (
                f"By what percentage did the {measure.phrase} of {name} change from fiscal {early} to fiscal {late}, "
                "to one decimal place?",
                f"What was the percentage change in the {measure.phrase} of {name} between fiscal {early} and fiscal "
                f"{late}? Round to one decimal place.",
            )
        )

    def _ask_rise(self, name: str, measure: Measure, early: int, late: int, verb: str) -> str:
        return self.draw.choice(
            (
                f"Did the {measure.phrase} of {name} {verb} from fiscal {early} to fiscal {late}?",
                f"Comparing fiscal {late} with fiscal {early}, did the {measure.phrase} of {name} {verb}?",
            )
        )

    def _shown(self, fact: Fact) -> str:
        return self.money.write(fact.value, fact.measure.kind)

    # Draws

    def _pair(self, kinds: tuple[str, ...]) -> tuple[Fact, Fact] | None:
        """One measure in two years, earlier first."""
        by_measure: dict[str, list[Fact]] = {}
        for fact in self.facts:
            if fact.measure.kind in kinds:
                by_measure.setdefault(fact.measure.key, []).append(fact)
        groups = [
            unique for group in by_measure.values() if len(unique := list({f.year: f for f in group}.values())) > 1
        ]
        if not groups:
            return None
        early, late = sorted(self.draw.sample(self.draw.choice(groups), 2), key=lambda fact: fact.year)
        return early, late

    def _two(self) -> tuple[Fact, Fact] | None:
        """Two amounts of money of one section and year, with different values."""
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
        if not pairs:
            return None
        first, second = self.draw.choice(pairs)
        return (first, second) if self.draw.random() < 0.5 else (second, first)

    # Answerable questions

    def _value(self) -> Triplet:
        fact = self.draw.choice(self.facts)
        question = self._ask_value(self.company.name, fact.measure, fact.year)
        return Triplet("extraction", question, self._shown(fact), (fact.evidence,))

    def _growth(self) -> Triplet | None:
        pair = self._pair(("money", "count"))
        if pair is None or pair[0].value <= 0:
            return None
        early, late = pair
        percent = 100 * (late.value - early.value) / early.value
        question = self._ask_growth(self.company.name, late.measure, early.year, late.year)
        steps = f"({late.value:,} - {early.value:,}) / {early.value:,} = {percent:.1f}%."
        return self._worked(question, f"{percent:.1f}%", pair, steps)

    def _difference(self) -> Triplet | None:
        pair = self._pair(("money", "count", "per_share"))
        if pair is None:
            return None
        early, late = pair
        change = round(late.value - early.value, 2)
        up = self.draw.choice(("change", "move"))
        question = (
            f"By how much did the {late.measure.phrase} of {self.company.name} {up} from fiscal {early.year} to fiscal "
            f"{late.year}? Give a decrease as a negative number."
        )
        steps = f"{self._shown(late)} - {self._shown(early)} = {self.money.write(change, late.measure.kind)}."
        return self._worked(question, self.money.write(change, late.measure.kind), pair, steps) if change else None

    def _average(self) -> Triplet | None:
        pair = self._pair(("money",))
        if pair is None:
            return None
        early, late = pair
        mean = (early.value + late.value) / 2
        question = (
            f"What was the average of the {late.measure.phrase} of {self.company.name} over fiscal {early.year} and "
            f"fiscal {late.year}?"
        )
        steps = f"({early.value:,} + {late.value:,}) / 2 = {mean:,.1f}."
        return self._worked(question, self.money.amount(mean), pair, steps)

    def _ratio(self) -> Triplet | None:
        section = self.draw.choice(self.sections)
        year = self.draw.choice(section.years())
        known = [
            (name, top, bottom, unit)
            for name, over, under, unit in RATIOS
            if (top := section.of(over, year)) and (bottom := section.of(under, year)) and top.value > 0 < bottom.value
        ]
        if not known:
            return None
        name, top, bottom, unit = self.draw.choice(known)
        value = top.value / bottom.value
        answer = f"{100 * value:.1f}%" if unit == "percent" else f"{value:.2f}"
        places = "one decimal place" if unit == "percent" else "two decimal places"
        definition = DEFINITIONS.get(name, "").format(sales=self.company.sales)
        meaning = f" ({definition})" if definition else ""
        question = f"What was the {name}{meaning} of {self.company.name} for fiscal {year}, to {places}?"
        return self._worked(question, answer, (top, bottom), f"{top.value:,} / {bottom.value:,} = {answer}.")

    def _total(self) -> Triplet | None:
        if not self.draw.choice(self.sections).segments:
            return None
        pair = self._two()
        if pair is None or "segment" not in pair[0].measure.key:
            return None
        first, second = pair
        what = first.measure.phrase.partition(" of the ")[0]
        names = [fact.measure.phrase.partition(" of the ")[2].removesuffix(" segment") for fact in pair]
        question = (
            f"What was the combined {what} of the {names[0]} and {names[1]} segments of {self.company.name} in fiscal "
            f"{first.year}?"
        )
        total = first.value + second.value
        return self._worked(
            question, self.money.amount(total), pair, f"{first.value:,} + {second.value:,} = {total:,}."
        )

    def _larger(self) -> Triplet | None:
        pair = self._two()
        if pair is None:
            return None
        first, second = pair
        most = max(pair, key=lambda fact: fact.value)
        when = self._when(first.measure, first.year)
        question = self.draw.choice(
            (
                f"Which was larger for {self.company.name} {when}, the {first.measure.phrase} or the "
                f"{second.measure.phrase}, and how much was it?",
                f"Of the {first.measure.phrase} and the {second.measure.phrase} of {self.company.name}, which was the "
                f"larger {when}, and what was its amount?",
            )
        )
        steps = f"{self._shown(first)} against {self._shown(second)}."
        return self._worked(question, f"The {most.measure.phrase}, at {self._shown(most)}", pair, steps)

    def _better_year(self) -> Triplet | None:
        pair = self._pair(("money", "per_share", "count"))
        if pair is None or pair[0].value == pair[1].value:
            return None
        shuffled = self.draw.sample(pair, 2)
        most = max(pair, key=lambda fact: fact.value)
        question = (
            f"In which of fiscal {shuffled[0].year} and fiscal {shuffled[1].year} did {self.company.name} report the "
            f"higher {most.measure.phrase}, and how high was it?"
        )
        steps = f"{self._shown(pair[0])} in {pair[0].year} against {self._shown(pair[1])} in {pair[1].year}."
        return self._worked(question, f"Fiscal {most.year}, at {self._shown(most)}", pair, steps)

    def _rose(self) -> Triplet | None:
        pair = self._pair(("money", "count", "per_share", "percent"))
        if pair is None or pair[0].value == pair[1].value:
            return None
        early, late = pair
        yes = self.draw.random() < 0.5
        verb = "increase" if (late.value > early.value) == yes else "decrease"
        question = self._ask_rise(self.company.name, late.measure, early.year, late.year, verb)
        steps = f"It was {self._shown(early)} in {early.year} and {self._shown(late)} in {late.year}."
        return self._worked(question, "Yes" if yes else "No", pair, steps)

    def _exceeds(self) -> Triplet | None:
        fact = self.draw.choice(self.facts)
        if fact.value <= 0 or fact.measure.kind == "percent":
            return None
        yes = self.draw.random() < 0.5
        limit = fact.value * (self.draw.uniform(0.6, 0.95) if yes else self.draw.uniform(1.05, 1.4))
        places = 2 if fact.measure.kind == "per_share" else -max(0, len(str(int(limit))) - 2)
        bound = round(limit, places)
        if (fact.value > bound) != yes:
            return None
        stated = self.money.write(bound if places == 2 else int(bound), fact.measure.kind)
        subject = f"the {fact.measure.phrase} of {self.company.name} {self._when(fact.measure, fact.year)}"
        question = self.draw.choice(
            (f"Did {subject} exceed {stated}?", f"Is it true that {subject} exceeded {stated}?")
        )
        return self._worked(question, "Yes" if yes else "No", (fact,), f"It was {self._shown(fact)}.")

    def _is_larger(self) -> Triplet | None:
        pair = self._two()
        if pair is None:
            return None
        yes = self.draw.random() < 0.5
        first, second = sorted(pair, key=lambda fact: fact.value, reverse=yes)
        was = "Were" if first.measure.plural else "Was"
        question = (
            f"{was} the {first.measure.phrase} of {self.company.name} larger than the {second.measure.phrase} "
            f"{self._when(first.measure, first.year)}?"
        )
        steps = f"{self._shown(first)} against {self._shown(second)}."
        return self._worked(question, "Yes" if yes else "No", (first, second), steps)

    def _two_measures(self) -> Triplet | None:
        pair = self._two()
        if pair is None:
            return None
        first, second = pair
        question = (
            f"What were the {first.measure.phrase} and the {second.measure.phrase} of {self.company.name} "
            f"{self._when(first.measure, first.year)}? Give both, in this order."
        )
        return self._worked(question, f"{self._shown(first)}; {self._shown(second)}", pair, "")

    def _two_years(self) -> Triplet | None:
        pair = self._pair(("money", "count", "percent", "per_share"))
        if pair is None or pair[0].value == pair[1].value:
            return None
        late, early = pair[1], pair[0]
        was = "were" if late.measure.plural else "was"
        question = (
            f"What {was} the {late.measure.phrase} of {self.company.name} in fiscal {late.year}, and what was it in "
            f"fiscal {early.year}?"
        )
        return self._worked(question, f"{self._shown(late)}; {self._shown(early)}", pair, "")

    def _value_and_growth(self) -> Triplet | None:
        growth = self._pair(("money",))
        if growth is None or growth[0].value <= 0:
            return None
        early, late = growth
        percent = 100 * (late.value - early.value) / early.value
        was = "were" if late.measure.plural else "was"
        question = (
            f"What {was} the {late.measure.phrase} of {self.company.name} {self._when(late.measure, late.year)}, and "
            f"by what percentage, to one decimal place, did it change from fiscal {early.year}?"
        )
        steps = f"({late.value:,} - {early.value:,}) / {early.value:,} = {percent:.1f}%."
        return self._worked(question, f"{self._shown(late)}; {percent:.1f}%", growth, steps)

    def _worked(self, question: str, answer: str, facts: tuple[Fact, ...], steps: str) -> Triplet:
        evidence = tuple(dict.fromkeys(fact.evidence for fact in facts))
        return Triplet("extraction", question, answer, evidence, steps)

    # Unanswerable questions: another company, a year without figures, or a measure that no filing of the company has

    def _absent(self) -> tuple[str, Measure, int]:
        """Company, measure and year of which at least one is nowhere."""
        fact = self.draw.choice(self.facts)
        kind = self.draw.choice(("company", "year", "measure", "measure"))
        if kind == "company":
            other = Company(self.company.seed, MAX_COMPANIES + self.draw.randrange(400))
            return other.name, fact.measure, fact.year
        if kind == "year":
            oldest, newest = min(self.company.years), max(self.company.years)
            return self.company.name, fact.measure, self.draw.choice((oldest - 3, oldest - 2, newest + 2))
        omitted = [self.filing.measure(key) for key in sorted(self.company.omitted)]
        return self.company.name, self.draw.choice([*omitted, *omitted, *NEVER_REPORTED]), fact.year

    def _absent_value(self) -> Triplet:
        return self._refused(self._ask_value(*self._absent()))

    def _absent_growth(self) -> Triplet:
        name, measure, year = self._absent()
        return self._refused(self._ask_growth(name, measure, year - 1, year))

    def _absent_rise(self) -> Triplet:
        name, measure, year = self._absent()
        return self._refused(self._ask_rise(name, measure, year - 1, year, self.draw.choice(("increase", "decrease"))))

    def _refused(self, question: str) -> Triplet:
        return Triplet("unanswerable", question, REFUSAL)

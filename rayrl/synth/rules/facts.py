"""What invented filings state: facts with certain values, in sections of text that name company, unit and year."""

from dataclasses import dataclass

from rayrl.synth.documents.table_rows import join_cells
from rayrl.synth.rules.measures import Kind, Measure

Line = str | list[str]
"""A line of prose, or the cells of a table's row."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One value. evidence: the line that states it."""

    measure: Measure
    year: int
    value: int | float
    evidence: str


@dataclass(frozen=True, slots=True)
class Section:
    """A statement or note. segments: keys of measures that are parts of one whole and can be compared."""

    lines: tuple[Line, ...]
    facts: tuple[Fact, ...]
    segments: bool = False

    @property
    def text(self) -> str:
        return "\n".join(line if isinstance(line, str) else join_cells(line) for line in self.lines)

    def years(self) -> list[int]:
        """The years that it states values of, newest first."""
        return sorted({fact.year for fact in self.facts}, reverse=True)

    def of(self, key: str, year: int) -> Fact | None:
        """The fact of one measure and year."""
        found = (fact for fact in self.facts if (fact.measure.key, fact.year) == (key, year))
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Money:
    """How a company writes money. scale: `million` or `thousand`."""

    sign: str
    scale: str

    def amount(self, value: int | float) -> str:
        """`-120` -> `-$120 million`."""
        digits = f"{abs(value):,.1f}".removesuffix(".0")
        return f"{'-' if value < 0 else ''}{self.sign}{digits} {self.scale}"

    def write(self, value: int | float, kind: Kind) -> str:
        """A value as an answer gives it."""
        if kind == "money":
            return self.amount(value)
        if kind == "per_share":
            return f"{'-' if value < 0 else ''}{self.sign}{abs(value):.2f}"
        return f"{value:g}%" if kind == "percent" else f"{value:,}"

    def cell(self, value: int | float, kind: Kind, signed: bool) -> str:
        """A value as a table has it: negative in brackets."""
        digits = f"{abs(value):.2f}" if kind == "per_share" else f"{abs(value):,}"
        sign = self.sign if signed or kind == "per_share" else ""
        return f"{sign}({digits})" if value < 0 else f"{sign}{digits}"

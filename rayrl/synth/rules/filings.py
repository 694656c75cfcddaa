"""The annual report of an invented company: statements, notes and prose, as text or HTML with pages."""

import html
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from rayrl.synth.documents.table_rows import join_cells
from rayrl.synth.rules.companies import Company
from rayrl.synth.rules.facts import Fact, Line, Section
from rayrl.synth.rules.measures import BALANCE, CASH_FLOWS, INCOME, MEASURES, OUTFLOWS, Measure
from rayrl.synth.rules.notes import PROSE, write_notes


@dataclass(frozen=True)
class Filing:
    """One annual report. pages: lists of sections."""

    company: Company

    @property
    def name(self) -> str:
        """File name: text or HTML by turns."""
        stem = re.sub(r"[^a-z0-9]+", "-", self.company.name.lower()).strip("-")
        return f"{stem}-{self.company.years[0]}.{'html' if self.company.number % 2 else 'txt'}"

    @cached_property
    def pages(self) -> list[list[Section]]:
        company = self.company
        draw = random.Random(f"{company.seed}/filing/{company.number}")
        prose = [Section((text,), ()) for text in draw.sample(PROSE, 4)]
        notes = write_notes(company, draw)
        draw.shuffle(notes)
        sales, net_income = self.measure("sales"), self.measure("net_income")
        income = self._statement("Consolidated Statements of Income", (sales, *INCOME))
        balance = self._statement("Consolidated Balance Sheets", BALANCE)
        cash = self._statement("Consolidated Statements of Cash Flows", (net_income, *CASH_FLOWS))
        half = len(notes) // 2
        return [
            [self._cover(), prose[0], *notes[:half]],
            [prose[1], income],
            [balance, prose[2]],
            [cash],
            [self._segments(), prose[3], *notes[half:]],
        ]

    @property
    def sections(self) -> list[Section]:
        return [section for page in self.pages for section in page]

    @property
    def source(self) -> str:
        """The file's content."""
        if not self.name.endswith(".html"):
            return "\f".join("\n\n".join(section.text for section in page) for page in self.pages)
        pages = "\n".join(
            '<div style="page-break-after: always">\n' + "\n".join(map(_html, page)) + "\n</div>" for page in self.pages
        )
        title = html.escape(self.company.name)
        return f"<html><head><title>{title}</title></head>\n<body>\n{pages}\n</body></html>\n"

    def measure(self, key: str) -> Measure:
        """A measure as this company calls it."""
        if key == "sales":
            return Measure("sales", self.company.sales, plural=self.company.sales.endswith("sales"))
        return MEASURES[key]

    def _cover(self) -> Section:
        company = self.company
        return Section(
            (
                company.name,
                f"Annual Report for the fiscal year ended {company.year_end}, {company.years[0]}",
                f"{company.name} is a company of the {company.industry.lower()} sector. It reports in the segments "
                f"{', '.join(company.segments[:-1])} and {company.segments[-1]}.",
            ),
            (),
        )

    def _heading(self, title: str) -> list[Line]:
        money = self.company.money
        return [
            self.company.name,
            title,
            f"({money.sign} in {money.scale}s, except amounts per share)",
            ["Fiscal years", *map(str, self.company.years)],
        ]

    def _statement(self, title: str, measures: tuple[Measure, ...]) -> Section:
        lines, facts = self._heading(title), list[Fact]()
        for measure in measures:
            if measure.key in self.company.omitted:
                continue
            values = [self._value(measure.key, year) for year in self.company.years]
            outflow = measure in CASH_FLOWS and measure.key in OUTFLOWS
            cells = self._row(measure, _capital(measure.phrase), [-value if outflow else value for value in values])
            lines.append(cells)
            facts += self._facts(measure, values, cells)
        return Section(tuple(lines), tuple(facts))

    def _row(self, measure: Measure, label: str, values: list[int | float]) -> list[str]:
        signed = measure.key in ("sales", "cash", "assets")
        return [label, *(self.company.money.cell(value, measure.kind, signed) for value in values)]

    def _facts(self, measure: Measure, values: list[int | float], cells: list[str]) -> Iterator[Fact]:
        for year, value in zip(self.company.years, values, strict=True):
            yield Fact(measure, year, value, join_cells(cells))

    def _value(self, key: str, year: int) -> int | float:
        figures = self.company.figures[year]
        return round(figures["net_income"] / figures["shares"], 2) if key == "eps" else figures[key]

    def _segments(self) -> Section:
        company = self.company
        lines, facts = self._heading("Segment Information"), list[Fact]()
        for what, field in ((company.sales, "segment"), ("operating income", "segment_income")):
            lines.append([_capital(what) + " by segment"])
            for index, name in enumerate(company.segments):
                measure = Measure(f"{field}_{index}", f"{what} of the {name} segment", plural=what.endswith("sales"))
                values: list[int | float] = [company.figures[year][measure.key] for year in company.years]
                cells = self._row(measure, f"{name}, {what}", values)
                lines.append(cells)
                facts += self._facts(measure, values, cells)
        return Section(tuple(lines), tuple(facts), segments=True)


def _capital(phrase: str) -> str:
    return phrase[0].upper() + phrase[1:]


def _html(section: Section) -> str:
    parts: list[str] = []
    for is_row, lines in groupby(section.lines, lambda line: isinstance(line, list)):
        shown = [_html_row(line) if isinstance(line, list) else f"<div>{html.escape(line)}</div>" for line in lines]
        parts += ["<table>", *shown, "</table>"] if is_row else shown
    return "<section>\n" + "\n".join(parts) + "\n</section>"


def _html_row(cells: list[str]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"

"""The annual report of an invented company: statements, notes and prose, as text or HTML with pages."""

import html
import random
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from rayrl.synth.documents.table_rows import join_cells
from rayrl.synth.rules.companies import Company
from rayrl.synth.rules.facts import Fact, Line, Measure, Section

_PROSE = (
    "Competition in our markets is intense and turns on price, service and the breadth of what we offer. We believe "
    "that our brands and our long relations with customers serve us well, but new entrants could take business from "
    "us.",
    "We hedge part of our exposure to foreign currencies and do not use derivatives for speculation. A stronger home "
    "currency lowers the value of what we earn abroad when it is translated.",
    "Our information systems are essential to daily operations. An interruption, whether by accident or attack, could "
    "delay shipments and harm our reputation. We test our recovery plans regularly.",
    "The preparation of financial statements requires estimates and judgments. Actual results may differ from these "
    "estimates. Management reviews them continually and reports changes in the period in which they occur.",
    "We are party to legal proceedings that arise in the ordinary course of business. We do not expect their outcome "
    "to be material to our position, but cannot be certain of it.",
    "Our board has adopted a code of conduct that applies to all directors, officers and employees. It is reviewed "
    "each year together with the charters of the board's committees.",
)
MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure("cost", "cost of sales"),
        Measure("gross_profit", "gross profit"),
        Measure("research", "research and development expense"),
        Measure("selling", "selling, general and administrative expense"),
        Measure("operating_income", "operating income"),
        Measure("interest", "interest expense"),
        Measure("pretax", "income before income taxes"),
        Measure("tax", "income tax expense"),
        Measure("net_income", "net income"),
        Measure("eps", "diluted earnings per share", "per_share", plural=True),
        Measure("cash", "cash and cash equivalents", stock=True, plural=True),
        Measure("receivables", "trade receivables", stock=True, plural=True),
        Measure("inventories", "inventories", stock=True, plural=True),
        Measure("other_current", "other current assets", stock=True, plural=True),
        Measure("current_assets", "total current assets", stock=True, plural=True),
        Measure("property", "net property, plant and equipment", stock=True),
        Measure("goodwill", "goodwill", stock=True),
        Measure("assets", "total assets", stock=True, plural=True),
        Measure("payables", "accounts payable", stock=True, plural=True),
        Measure("short_debt", "short-term debt", stock=True),
        Measure("current_liabilities", "total current liabilities", stock=True, plural=True),
        Measure("long_debt", "long-term debt", stock=True),
        Measure("liabilities", "total liabilities", stock=True, plural=True),
        Measure("equity", "shareholders' equity", stock=True),
        Measure("depreciation", "depreciation and amortization"),
        Measure("operating_cash", "net cash from operating activities"),
        Measure("capex", "capital expenditures", plural=True),
        Measure("acquisitions", "cash paid for acquisitions"),
        Measure("investing_cash", "net cash from investing activities"),
        Measure("dividends", "dividends paid", plural=True),
        Measure("buybacks", "share repurchases", plural=True),
        Measure("financing_cash", "net cash from financing activities"),
        Measure("employees", "number of employees", "count", stock=True),
        Measure("sites", "number of locations", "count", stock=True),
        Measure("customer", "share of revenue from the largest customer", "percent"),
        Measure("dividend", "dividend declared per share", "per_share"),
        Measure("coupon", "interest rate on senior notes", "percent", stock=True),
        Measure("principal", "principal amount of senior notes issued"),
        Measure("lease_rate", "weighted-average discount rate on leases", "percent", stock=True),
        Measure("lease_cost", "operating lease cost"),
    )
}
OUTFLOWS = frozenset(("capex", "acquisitions", "dividends", "buybacks"))
_INCOME = re.findall(
    r"\S+", "sales cost gross_profit research selling operating_income interest pretax tax net_income eps"
)
_BALANCE = re.findall(
    r"\S+",
    "cash receivables inventories other_current current_assets property goodwill assets payables "
    "short_debt current_liabilities long_debt liabilities equity",
)
_CASH = re.findall(
    r"\S+",
    "net_income depreciation operating_cash capex acquisitions investing_cash dividends buybacks financing_cash",
)


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
        prose = [Section((text,), ()) for text in draw.sample(_PROSE, 4)]
        notes = [self._people(draw), self._customers(draw), self._debt(draw), self._leases(draw)]
        if "dividends" not in company.omitted:
            notes.append(self._dividends(draw))
        draw.shuffle(notes)
        income = self._statement("Consolidated Statements of Income", _INCOME)
        balance = self._statement("Consolidated Balance Sheets", _BALANCE)
        cash = self._statement("Consolidated Statements of Cash Flows", _CASH)
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

    def _statement(self, title: str, keys: list[str]) -> Section:
        lines, facts = self._heading(title), []
        for key in keys:
            if key in self.company.omitted:
                continue
            measure = self.measure(key)
            values = [self._value(key, year) for year in self.company.years]
            outflow = key in OUTFLOWS and title.endswith("Flows")
            shown = [-value if outflow else value for value in values]
            cells = [
                self.company.money.cell(value, measure.kind, key in ("sales", "cash", "assets")) for value in shown
            ]
            lines.append([_capital(measure.phrase), *cells])
            facts += [
                Fact(measure, year, value, join_cells([_capital(measure.phrase), *cells]))
                for year, value in zip(self.company.years, values, strict=True)
            ]
        return Section(tuple(lines), tuple(facts))

    def _value(self, key: str, year: int) -> int | float:
        figures = self.company.figures[year]
        return round(figures["net_income"] / figures["shares"], 2) if key == "eps" else figures[key]

    def _segments(self) -> Section:
        company = self.company
        lines, facts = self._heading("Segment Information"), []
        for what, field in ((company.sales, "segment"), ("operating income", "segment_income")):
            lines.append([_capital(what) + " by segment"])
            for index, name in enumerate(company.segments):
                measure = Measure(f"{field}_{index}", f"{what} of the {name} segment", plural=what.endswith("sales"))
                values = [company.figures[year][f"{field}_{index}"] for year in company.years]
                cells = [company.money.cell(value, "money", False) for value in values]
                label = f"{name}, {what}"
                lines.append([label, *cells])
                pairs = zip(company.years, values, strict=True)
                facts += [Fact(measure, year, value, join_cells([label, *cells])) for year, value in pairs]
        return Section(tuple(lines), tuple(facts), segments=True)

    def _note(self, title: str, sentences: list[str], facts: list[tuple[str, int, int | float, int]]) -> Section:
        """facts: measure, year, value, index of the sentence that states it."""
        known = tuple(Fact(self.measure(key), year, value, sentences[at]) for key, year, value, at in facts)
        return Section((title, " ".join(sentences)), known)

    def _people(self, draw: random.Random) -> Section:
        company, (now, before) = self.company, self.company.years[:2]
        people, sites = (
            [most, int(most * draw.uniform(0.8, 1.2))] for most in (draw.randint(800, 90_000), draw.randint(20, 900))
        )
        return self._note(
            "Employees and locations",
            [
                f"{company.name} employed {people[0]:,} people at the end of fiscal {now}, against {people[1]:,} at "
                f"the end of fiscal {before}.",
                f"It operated {sites[0]} locations, most of them in {company.region}, against {sites[1]} a year "
                "before.",
            ],
            [
                ("employees", now, people[0], 0),
                ("employees", before, people[1], 0),
                ("sites", now, sites[0], 1),
                ("sites", before, sites[1], 1),
            ],
        )

    def _customers(self, draw: random.Random) -> Section:
        now, before = self.company.years[:2]
        shares = draw.sample(range(6, 32), 2)
        return self._note(
            "Concentration",
            [
                f"The largest customer of {self.company.name} accounted for {shares[0]}% of revenue in fiscal {now} "
                f"and for {shares[1]}% in fiscal {before}.",
                "No other customer accounted for more than 5%.",
            ],
            [("customer", now, shares[0], 0), ("customer", before, shares[1], 0)],
        )

    def _debt(self, draw: random.Random) -> Section:
        company, now = self.company, self.company.years[0]
        principal = max(50, int(company.figures[now]["sales"] * draw.uniform(0.02, 0.2)) // 50 * 50)
        coupon = draw.randint(9, 31) / 4
        return self._note(
            "Debt",
            [
                f"In fiscal {now}, {company.name} issued {company.money.amount(principal)} of senior notes that bear "
                f"interest at {coupon:g}% a year and fall due in {now + draw.randint(5, 12)}.",
                "The notes are unsecured and rank equally with its other senior debt.",
            ],
            [("principal", now, principal, 0), ("coupon", now, coupon, 0)],
        )

    def _leases(self, draw: random.Random) -> Section:
        company, (now, before) = self.company, self.company.years[:2]
        costs = [max(5, int(company.figures[year]["sales"] * draw.uniform(0.004, 0.03))) for year in (now, before)]
        rate = draw.randint(21, 79) / 10
        return self._note(
            "Leases",
            [
                f"Operating lease cost of {company.name} was {company.money.amount(costs[0])} in fiscal {now} and "
                f"{company.money.amount(costs[1])} in fiscal {before}.",
                f"The weighted-average discount rate of its leases was {rate:g}% at the end of fiscal {now}.",
            ],
            [("lease_cost", now, costs[0], 0), ("lease_cost", before, costs[1], 0), ("lease_rate", now, rate, 1)],
        )

    def _dividends(self, draw: random.Random) -> Section:
        company, (now, before) = self.company, self.company.years[:2]
        cents = draw.sample(range(12, 260), 2)
        paid = [company.money.write(cent / 100, "per_share") for cent in cents]
        return self._note(
            "Dividends",
            [
                f"{company.name} declared dividends of {paid[0]} per share in fiscal {now} and {paid[1]} in fiscal "
                f"{before}."
            ],
            [("dividend", now, cents[0] / 100, 0), ("dividend", before, cents[1] / 100, 0)],
        )


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

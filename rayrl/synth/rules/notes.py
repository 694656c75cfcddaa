"""The prose of an invented annual report: notes that state facts, and paragraphs that state none."""

import random
import re
from dataclasses import dataclass
from typing import Any

from rayrl.synth.rules.companies import Company
from rayrl.synth.rules.facts import Fact, Money, Section
from rayrl.synth.rules.measures import MEASURES, Kind

PROSE = (
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
_NOTES = {
    "Employees and locations": (
        "{name} employed {employees[0]} people at the end of fiscal {years[0]}, against {employees[1]} at the end of "
        "fiscal {years[1]}.",
        "It operated {sites[0]:d} locations, most of them in {region}, against {sites[1]:d} a year before.",
    ),
    "Concentration": (
        "The largest customer of {name} accounted for {customer[0]} of revenue in fiscal {years[0]} and for "
        "{customer[1]} in fiscal {years[1]}.",
        "No other customer accounted for more than 5%.",
    ),
    "Debt": (
        "In fiscal {years[0]}, {name} issued {principal[0]} of senior notes that bear interest at {coupon[0]} a year "
        "and fall due in {due}.",
        "The notes are unsecured and rank equally with its other senior debt.",
    ),
    "Leases": (
        "Operating lease cost of {name} was {lease_cost[0]} in fiscal {years[0]} and {lease_cost[1]} in fiscal "
        "{years[1]}.",
        "The weighted-average discount rate of its leases was {lease_rate[0]} at the end of fiscal {years[0]}.",
    ),
    "Dividends": (
        "{name} declared dividends of {dividend[0]} per share in fiscal {years[0]} and {dividend[1]} in fiscal "
        "{years[1]}.",
    ),
}
"""Title -> sentences. `{measure[0]}` is a fact of the newest year, `{measure[1]}` of the one before."""


def write_notes(company: Company, draw: random.Random) -> list[Section]:
    """A section for each note; none on dividends where the company pays none."""
    sales = [company.figures[year]["sales"] for year in company.years[:2]]
    most = draw.randint(800, 90_000), draw.randint(20, 900)
    employees, sites = ([count, int(count * draw.uniform(0.8, 1.2))] for count in most)
    values: dict[str, list[Any]] = {"employees": employees, "sites": sites, "customer": draw.sample(range(6, 32), 2)}
    values["principal"] = [max(50, int(sales[0] * draw.uniform(0.02, 0.2)) // 50 * 50)]
    values["coupon"] = [draw.randint(9, 31) / 4]
    due = company.years[0] + draw.randint(5, 12)
    values["lease_cost"] = [max(5, int(amount * draw.uniform(0.004, 0.03))) for amount in sales]
    values["lease_rate"] = [draw.randint(21, 79) / 10]
    if "dividends" not in company.omitted:
        values["dividend"] = [cents / 100 for cents in draw.sample(range(12, 260), 2)]
    shown = {key: [_Value(one, company.money, MEASURES[key].kind) for one in some] for key, some in values.items()}
    sections = []
    for title, sentences in _NOTES.items():
        if title == "Dividends" and "dividends" in company.omitted:
            continue
        lines, facts = [], list[Fact]()
        for sentence in sentences:
            stated = [(key, int(at)) for key, at in re.findall(r"\{(\w+)\[(\d)\]", sentence) if key != "years"]
            lines.append(sentence.format(**vars(company), **shown, due=due))
            facts += [Fact(MEASURES[key], company.years[at], values[key][at], lines[-1]) for key, at in stated]
        sections.append(Section((title, " ".join(lines)), tuple(facts)))
    return sections


@dataclass(frozen=True, slots=True)
class _Value:
    """A number that sentences show as its kind is written, or as a format says."""

    value: int | float
    money: Money
    kind: Kind

    def __format__(self, shape: str) -> str:
        return format(self.value, shape) if shape else self.money.write(self.value, self.kind)

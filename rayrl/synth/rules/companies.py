"""Invented companies whose statements add up. Everything is a function of the seed and the company's number."""

import random
import re
from functools import cached_property, lru_cache

from rayrl.synth.rules.facts import Money

MAX_COMPANIES = 5000
"""Names from here on belong to no filing."""
_FIRST = re.findall(
    r"\S+", "Al Bel Cor Dra El Fal Gar Hal Ith Jor Kel Lum Mar Nor Or Pel Quin Ros Sol Tar Ul Ver Wes Yor Zel"
)
_SECOND = re.findall(r"\S+", "a e i o u an en in on ar er ir")
_THIRD = re.findall(
    r"\S+", "vane dyne mont tek gate ridge well field stone crest bridge ton ford mere wick lane dale holm"
)
_INDUSTRIES: dict[str, tuple[str, ...]] = {
    "Foods": ("Snacks", "Beverages", "Frozen Meals", "Pet Care"),
    "Software": ("Cloud Services", "Licenses", "Support", "Consulting"),
    "Industries": ("Pumps and Valves", "Automation", "Aerospace", "Tools"),
    "Energy": ("Upstream", "Refining", "Renewables", "Marketing"),
    "Retail": ("Domestic Stores", "International Stores", "Online", "Franchise"),
    "Pharma": ("Oncology", "Vaccines", "Generics", "Consumer Health"),
    "Logistics": ("Freight", "Warehousing", "Parcels", "Customs Brokerage"),
    "Telecom": ("Wireless", "Broadband", "Enterprise", "Media"),
}
_ENDINGS = ("Inc.", "Corporation", "Group plc", "Holdings Ltd.", "N.V.", "Co.")
_YEAR_ENDS = ("December 31", "June 30", "September 30", "January 31", "March 31")
_REGIONS = ("North America", "Europe", "Latin America", "Asia Pacific")

_OPTIONAL = {
    "research": 0.4,
    "inventories": 0.3,
    "goodwill": 0.35,
    "acquisitions": 0.5,
    "dividends": 0.35,
    "buybacks": 0.4,
}
"""Measures that a company may have none of, and how likely that is."""

Year = dict[str, int]


@lru_cache(maxsize=4)
def _stems(seed: int) -> list[str]:
    stems = [a + b + c for a in _FIRST for b in _SECOND for c in _THIRD]
    random.Random(f"{seed}/names").shuffle(stems)
    return stems


class Company:
    """Company `number` of a seed: name, habits of reporting, and figures of each year by measure.

    name: unique within a seed. years: fiscal years with statements, newest first. sales: what it calls its revenue.
    omitted: keys of measures that it has none of: no filing of it names them.
    """

    def __init__(self, seed: int, number: int) -> None:
        draw = random.Random(f"{seed}/company/{number}")
        scale = draw.choice(("million", "million", "thousand"))
        newest = draw.randint(2017, 2024)
        self.seed, self.number = seed, number
        self.industry = draw.choice(list(_INDUSTRIES))
        self.name = f"{_stems(seed)[number]} {self.industry} {draw.choice(_ENDINGS)}"
        self.money = Money(draw.choice(("$", "$", "$", "€", "£")), scale)
        self.years = list(range(newest, newest - draw.choice((2, 2, 3)), -1))
        self.year_end = draw.choice(_YEAR_ENDS)
        self.region = draw.choice(_REGIONS)
        self.omitted = {key for key, share in _OPTIONAL.items() if draw.random() < share}
        self.sales = draw.choice(("revenue", "net sales", "total revenue"))
        self.segments = _INDUSTRIES[self.industry][: 3 + number % 2]
        self._loss = draw.random() < 0.15
        self._first_sales = draw.randint(900, 60_000) if scale == "million" else draw.randint(60_000, 900_000)

    @cached_property
    def figures(self) -> dict[int, Year]:
        """Year -> measure -> value, in the company's scale."""
        draw = random.Random(f"{self.seed}/figures/{self.number}")
        sales, cash = self._first_sales, draw.randint(50, 3000)
        shares = max(20, int(sales * draw.uniform(0.05, 0.3)))
        found: dict[int, Year] = {}
        for year in reversed(self.years):
            found[year] = self._year(draw, sales, cash, shares)
            cash = found[year]["cash"]
            sales = int(sales * draw.uniform(0.88, 1.25))
            shares = max(10, int(shares * draw.uniform(0.97, 1.02)))
        return found

    def _year(self, draw: random.Random, sales: int, cash_before: int, shares: int) -> Year:
        def part(low: float, high: float) -> int:
            usual = random.Random(f"{self.seed}/{self.number}/{low}-{high}").uniform(low, high)
            return max(1, int(sales * usual * draw.uniform(0.88, 1.12)))

        def optional(key: str, low: float, high: float) -> int:
            return 0 if key in self.omitted else part(low, high)

        y: Year = {"sales": sales, "cost": part(0.45, 0.62), "shares": shares}
        y["gross_profit"] = sales - y["cost"]
        y["research"] = optional("research", 0.03, 0.09)
        y["selling"] = part(0.34, 0.5) if self._loss else part(0.08, 0.2)
        y["operating_income"] = y["gross_profit"] - y["research"] - y["selling"]
        y["interest"] = part(0.004, 0.02)
        y["pretax"] = y["operating_income"] - y["interest"]
        y["tax"] = max(part(0.001, 0.003), int(y["pretax"] * draw.uniform(0.18, 0.28)))
        y["net_income"] = y["pretax"] - y["tax"]
        y |= {"cash": part(0.03, 0.2), "receivables": part(0.06, 0.16), "other_current": part(0.01, 0.05)}
        y["inventories"] = optional("inventories", 0.05, 0.18)
        y["current_assets"] = y["cash"] + y["receivables"] + y["inventories"] + y["other_current"]
        y["property"] = part(0.2, 0.6)
        y["goodwill"] = optional("goodwill", 0.05, 0.3)
        y["assets"] = y["current_assets"] + y["property"] + y["goodwill"]
        y["payables"], y["short_debt"] = part(0.05, 0.12), part(0.005, 0.05)
        y["current_liabilities"] = y["payables"] + y["short_debt"]
        y["long_debt"] = int(y["assets"] * draw.uniform(0.1, 0.4))
        y["liabilities"] = y["current_liabilities"] + y["long_debt"]
        y["equity"] = y["assets"] - y["liabilities"]
        y |= {"depreciation": part(0.02, 0.07), "working_capital": part(0.001, 0.02)}
        y["operating_cash"] = y["net_income"] + y["depreciation"] - y["working_capital"]
        y["capex"] = part(0.02, 0.1)
        y["acquisitions"] = optional("acquisitions", 0.005, 0.05)
        y["investing_cash"] = -y["capex"] - y["acquisitions"]
        y["dividends"] = optional("dividends", 0.005, 0.03)
        y["buybacks"] = optional("buybacks", 0.005, 0.04)
        y["net_change"] = y["cash"] - cash_before
        y["financing_cash"] = y["net_change"] - y["operating_cash"] - y["investing_cash"]
        cuts = [(index + 1) / len(self.segments) + draw.uniform(-0.09, 0.09) for index in range(len(self.segments) - 1)]
        bounds = [0, *(int(sales * at) for at in cuts), sales]
        for index in range(len(self.segments)):
            y[f"segment_{index}"] = bounds[index + 1] - bounds[index]
            y[f"segment_income_{index}"] = max(1, int(y[f"segment_{index}"] * draw.uniform(0.03, 0.3)))
        return y

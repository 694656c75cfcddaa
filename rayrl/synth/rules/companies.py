"""Invented companies whose statements add up. Everything is a function of the seed and the company's number."""

import random
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

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

Year = dict[str, int]


@lru_cache(maxsize=4)
def _stems(seed: int) -> list[str]:
    stems = [a + b + c for a in _FIRST for b in _SECOND for c in _THIRD]
    random.Random(f"{seed}/names").shuffle(stems)
    return stems


@dataclass(frozen=True)
class Company:
    """Company `number` of a seed: name, habits of reporting, and figures of each year by measure."""

    seed: int
    number: int

    @cached_property
    def _random(self) -> random.Random:
        return random.Random(f"{self.seed}/company/{self.number}")

    @cached_property
    def _habits(self) -> dict[str, Any]:
        draw = self._random
        scale = draw.choice(("million", "million", "thousand"))
        newest = draw.randint(2017, 2024)
        return {
            "industry": draw.choice(list(_INDUSTRIES)),
            "ending": draw.choice(_ENDINGS),
            "money": Money(draw.choice(("$", "$", "$", "€", "£")), scale),
            "years": list(range(newest, newest - draw.choice((2, 2, 3)), -1)),
            "year_end": draw.choice(_YEAR_ENDS),
            "region": draw.choice(_REGIONS),
            "omitted": {key for key, share in _OPTIONAL.items() if draw.random() < share},
            "sales": draw.choice(("revenue", "net sales", "total revenue")),
            "loss": draw.random() < 0.15,
            "base": draw.randint(900, 60_000) if scale == "million" else draw.randint(60_000, 900_000),
        }

    @property
    def name(self) -> str:
        """Unique within a seed."""
        return f"{_stems(self.seed)[self.number]} {self.industry} {self._habits['ending']}"

    @property
    def industry(self) -> str:
        industry: str = self._habits["industry"]
        return industry

    @property
    def money(self) -> Money:
        money: Money = self._habits["money"]
        return money

    @property
    def years(self) -> list[int]:
        """Fiscal years with statements, newest first."""
        years: list[int] = self._habits["years"]
        return years

    @property
    def year_end(self) -> str:
        return str(self._habits["year_end"])

    @property
    def region(self) -> str:
        return str(self._habits["region"])

    @property
    def sales(self) -> str:
        """What it calls its revenue."""
        return str(self._habits["sales"])

    @property
    def omitted(self) -> set[str]:
        """Keys of measures that it has none of: no filing of it names them."""
        omitted: set[str] = self._habits["omitted"]
        return omitted

    @cached_property
    def segments(self) -> tuple[str, ...]:
        names = _INDUSTRIES[self.industry]
        return names[: 3 + self.number % 2]

    @cached_property
    def figures(self) -> dict[int, Year]:
        """Year -> measure -> value, in the company's scale."""
        draw = random.Random(f"{self.seed}/figures/{self.number}")
        sales, cash = self._habits["base"], draw.randint(50, 3000)
        shares = max(20, int(self._habits["base"] * draw.uniform(0.05, 0.3)))
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

        y: Year = {"sales": sales, "cost": part(0.45, 0.62), "shares": shares}
        y["gross_profit"] = sales - y["cost"]
        y["research"] = 0 if "research" in self.omitted else part(0.03, 0.09)
        y["selling"] = part(0.34, 0.5) if self._habits["loss"] else part(0.08, 0.2)
        y["operating_income"] = y["gross_profit"] - y["research"] - y["selling"]
        y["interest"] = part(0.004, 0.02)
        y["pretax"] = y["operating_income"] - y["interest"]
        y["tax"] = max(part(0.001, 0.003), int(y["pretax"] * draw.uniform(0.18, 0.28)))
        y["net_income"] = y["pretax"] - y["tax"]
        y |= {"cash": part(0.03, 0.2), "receivables": part(0.06, 0.16), "other_current": part(0.01, 0.05)}
        y["inventories"] = 0 if "inventories" in self.omitted else part(0.05, 0.18)
        y["current_assets"] = y["cash"] + y["receivables"] + y["inventories"] + y["other_current"]
        y["property"] = part(0.2, 0.6)
        y["goodwill"] = 0 if "goodwill" in self.omitted else part(0.05, 0.3)
        y["assets"] = y["current_assets"] + y["property"] + y["goodwill"]
        y["payables"], y["short_debt"] = part(0.05, 0.12), part(0.005, 0.05)
        y["current_liabilities"] = y["payables"] + y["short_debt"]
        y["long_debt"] = int(y["assets"] * draw.uniform(0.1, 0.4))
        y["liabilities"] = y["current_liabilities"] + y["long_debt"]
        y["equity"] = y["assets"] - y["liabilities"]
        y |= {"depreciation": part(0.02, 0.07), "working_capital": part(0.001, 0.02)}
        y["operating_cash"] = y["net_income"] + y["depreciation"] - y["working_capital"]
        y["capex"] = part(0.02, 0.1)
        y["acquisitions"] = 0 if "acquisitions" in self.omitted else part(0.005, 0.05)
        y["investing_cash"] = -y["capex"] - y["acquisitions"]
        y["dividends"] = 0 if "dividends" in self.omitted else part(0.005, 0.03)
        y["buybacks"] = 0 if "buybacks" in self.omitted else part(0.005, 0.04)
        y["net_change"] = y["cash"] - cash_before
        y["financing_cash"] = y["net_change"] - y["operating_cash"] - y["investing_cash"]
        y["borrowing"] = y["financing_cash"] + y["dividends"] + y["buybacks"]
        cuts = [(index + 1) / len(self.segments) + draw.uniform(-0.09, 0.09) for index in range(len(self.segments) - 1)]
        bounds = [0, *(int(sales * at) for at in cuts), sales]
        for index in range(len(self.segments)):
            y[f"segment_{index}"] = bounds[index + 1] - bounds[index]
            y[f"segment_income_{index}"] = max(1, int(y[f"segment_{index}"] * draw.uniform(0.03, 0.3)))
        return y


_OPTIONAL = {
    "research": 0.4,
    "inventories": 0.3,
    "goodwill": 0.35,
    "acquisitions": 0.5,
    "dividends": 0.35,
    "buybacks": 0.4,
}

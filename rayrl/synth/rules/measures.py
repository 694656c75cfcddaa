"""What filings report: the measures of each statement and of the notes, and ratios of them."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["money", "per_share", "count", "percent"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A thing that filings report. phrase: its name within a sentence. stock: at a year's end, not over a year.
    plural: `were`, not `was`."""

    key: str
    phrase: str
    kind: Kind = "money"
    stock: bool = False
    plural: bool = False

    @property
    def was(self) -> str:
        return "were" if self.plural else "was"

    def when(self, year: int) -> str:
        """`in fiscal 2023`"""
        return f"at the end of fiscal {year}" if self.stock else f"in fiscal {year}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One measure divided by another. over, under: their keys. meaning: how a question explains it, if it does."""

    name: str
    over: str
    under: str
    meaning: str = ""
    percent: bool = True


INCOME = (
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
)
BALANCE = (
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
)
CASH_FLOWS = (
    Measure("depreciation", "depreciation and amortization"),
    Measure("operating_cash", "net cash from operating activities"),
    Measure("capex", "capital expenditures", plural=True),
    Measure("acquisitions", "cash paid for acquisitions"),
    Measure("investing_cash", "net cash from investing activities"),
    Measure("dividends", "dividends paid", plural=True),
    Measure("buybacks", "share repurchases", plural=True),
    Measure("financing_cash", "net cash from financing activities"),
)
NOTES = (
    Measure("employees", "number of employees", "count", stock=True),
    Measure("sites", "number of locations", "count", stock=True),
    Measure("customer", "share of revenue from the largest customer", "percent"),
    Measure("dividend", "dividend declared per share", "per_share"),
    Measure("coupon", "interest rate on senior notes", "percent", stock=True),
    Measure("principal", "principal amount of senior notes issued"),
    Measure("lease_rate", "weighted-average discount rate on leases", "percent", stock=True),
    Measure("lease_cost", "operating lease cost"),
)
MEASURES = {measure.key: measure for measure in (*INCOME, *BALANCE, *CASH_FLOWS, *NOTES)}
OUTFLOWS = ("capex", "acquisitions", "dividends", "buybacks")
"""Negative among the cash flows."""
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
    Ratio("gross margin", "gross_profit", "sales", "gross profit divided by {sales}"),
    Ratio("operating margin", "operating_income", "sales", "operating income divided by {sales}"),
    Ratio("net profit margin", "net_income", "sales", "net income divided by {sales}"),
    Ratio("effective tax rate", "tax", "pretax", "income tax expense divided by income before income taxes"),
    Ratio(
        "current ratio",
        "current_assets",
        "current_liabilities",
        "total current assets divided by total current liabilities",
        percent=False,
    ),
    Ratio("ratio of total liabilities to shareholders' equity", "liabilities", "equity", percent=False),
    Ratio("ratio of long-term debt to total assets", "long_debt", "assets"),
    Ratio("share of capital expenditures in net cash from operating activities", "capex", "operating_cash"),
)

"""Each rule for refusals earns its place: its example is found by it alone, among all that are asked with it."""

import pytest

from rayrl.verify.finance.refusal.hints import DISTANT, HINTS
from rayrl.verify.finance.refusal.inability import INABILITY
from rayrl.verify.finance.refusal.openings import ACCESS, OPENINGS
from rayrl.verify.finance.refusal.silence import SILENCE
from rayrl.verify.finance.verdict import verify

TABLES = {"sentences": (*SILENCE, *INABILITY, *OPENINGS), "access": ACCESS, "distant": DISTANT, "hints": HINTS}


@pytest.mark.parametrize("table", TABLES)
def test_each_rule_finds_a_phrase_that_no_other_finds(table):
    rules = TABLES[table]
    found = {rule.name: [other.name for other in rules if other.pattern.search(rule.example)] for rule in rules}
    assert {name: names for name, names in found.items() if names != [name]} == {}


def test_names_are_told_apart():
    names = [rule.name for rules in TABLES.values() for rule in rules]
    assert len(set(names)) == len(names)


def test_the_reason_names_the_rule():
    verdict = verify("The filing does not say.", "17.98", question="What was the ratio?")
    assert verdict.status == "refusal"
    assert "source does not tell" in verdict.reason
    late = verify("The ratio fell. Both were restated, the filing does not state them. It may rise.", "17.98")
    assert (late.status, "source does not tell" in late.reason) == ("refusal", True)

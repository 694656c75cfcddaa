"""Invented filings add up, and every question on them has the answer that the text gives."""

import asyncio
import re
from itertools import pairwise

import pytest

from rayrl.synth.chunks import Chunk, characters, cut
from rayrl.synth.documents.files import Document
from rayrl.synth.documents.html import read_html
from rayrl.synth.rules.companies import Company
from rayrl.synth.rules.filings import Filing
from rayrl.synth.rules.rule_writer import RuleWriter
from rayrl.synth.triplets import CLASSES, REFUSAL, Triplet
from rayrl.verify.finance.gold import read_gold
from rayrl.verify.finance.verdict import verify

FILINGS = [Filing(Company(7, number)) for number in range(24)]


def pages(filing: Filing) -> list[str]:
    return read_html(filing.source) if filing.name.endswith(".html") else filing.source.split("\f")


def chunks() -> list[Chunk]:
    documents = (Document.of(filing.name, pages(filing)) for filing in FILINGS)
    return [chunk for document in documents for chunk in cut(document, 1000, 0, characters)]


@pytest.fixture(scope="module")
def written() -> list[tuple[Chunk, Triplet]]:
    writer = RuleWriter(FILINGS, dict.fromkeys(CLASSES, 2), seed=1)
    return [(chunk, triplet) for chunk in chunks() for triplet in asyncio.run(writer.write(chunk)).triplets]


def test_statements_add_up() -> None:
    for filing in FILINGS:
        for y in filing.company.figures.values():
            assert y["sales"] - y["cost"] - y["research"] - y["selling"] == y["operating_income"]
            assert y["operating_income"] - y["interest"] - y["tax"] == y["net_income"]
            assert y["assets"] == y["liabilities"] + y["equity"]
            assert sum(y[f"segment_{n}"] for n in range(len(filing.company.segments))) == y["sales"]
            assert y["operating_cash"] + y["investing_cash"] + y["financing_cash"] == y["net_change"]


def test_text_and_html_hold_the_same_sections() -> None:
    for filing in FILINGS:
        for text, sections in zip(pages(filing), filing.pages, strict=True):
            assert all(section.text in text for section in sections)
    assert {filing.name.rpartition(".")[2] for filing in FILINGS} == {"txt", "html"}
    assert len({filing.company.name for filing in FILINGS}) == len(FILINGS)


def test_there_are_questions_of_every_class_on_most_chunks(written: list[tuple[Chunk, Triplet]]) -> None:
    for kind in CLASSES:
        assert len({chunk.id for chunk, triplet in written if triplet.kind == kind}) > 0.7 * len(chunks()), kind


def test_the_verifier_accepts_every_answer_and_refuses_a_neighbours(written: list[tuple[Chunk, Triplet]]) -> None:
    accepted = 0
    for (_, triplet), (_, other) in pairwise(written):
        own = verify(f"{triplet.steps} The answer is {triplet.answer}", triplet.answer, question=triplet.question)
        assert own.status == "correct", (triplet, own)
        if triplet.answer != other.answer:
            accepted += verify(other.answer, triplet.answer, question=triplet.question).status == "correct"
    assert accepted < 0.02 * len(written)


def test_extracted_figures_stand_in_the_row_of_the_chunk(written: list[tuple[Chunk, Triplet]]) -> None:
    """Read from the text alone: the row that the evidence names, in the column of the year asked for."""
    checked = 0
    for chunk, triplet in written:
        if triplet.kind != "extraction" or " | " not in triplet.evidence[0]:
            continue
        table = chunk.text[: chunk.text.index(triplet.evidence[0])].rpartition("Fiscal years | ")[2]
        years = table.partition("\n")[0].split(" | ")
        year = re.findall(r"fiscal (\d{4})", triplet.question)[0]
        cell = triplet.evidence[0].split(" | ")[1:][years.index(year)]
        digits = re.findall(r"[\d,.]*\d", cell)
        assert digits == re.findall(r"[\d,.]*\d", triplet.answer), (triplet, cell)
        checked += 1
    assert checked > 50


def test_unanswerable_questions_ask_for_what_no_filing_states(written: list[tuple[Chunk, Triplet]]) -> None:
    everything = "\n".join("\n".join(pages(filing)) for filing in FILINGS).lower()
    kinds = set()
    for chunk, triplet in written:
        if triplet.kind != "unanswerable":
            continue
        assert triplet.answer == REFUSAL
        assert read_gold(triplet.answer).kind == "refusal"
        company = next(filing.company for filing in FILINGS if filing.name == chunk.document)
        filing = next(filing for filing in FILINGS if filing.name == chunk.document)
        asked_years = {int(year) for year in re.findall(r"fiscal (\d{4})", triplet.question)}
        if company.name not in triplet.question:
            named = re.search(r"(?:of|does) ([A-Z]\w+ [A-Z]\w+ [A-Z][\w.]+)", triplet.question)
            assert named
            assert named[1].lower() not in everything
            kinds.add("company")
        elif not asked_years & set(company.years):
            kinds.add("year")
        else:
            phrases = {fact.measure.phrase for section in filing.sections for fact in section.facts}
            stated = [phrase for phrase in phrases if f"the {phrase} of {company.name}" in triplet.question]
            assert not stated or asked_years - set(company.years), triplet
            kinds.add("measure")
    assert kinds == {"company", "year", "measure"}


def test_yes_and_no_are_even_and_everything_is_seeded(written: list[tuple[Chunk, Triplet]]) -> None:
    answers = [triplet.answer for _, triplet in written if triplet.kind == "yes_no"]
    assert 0.4 < answers.count("Yes") / len(answers) < 0.6
    chunk = chunks()[3]
    again = [asyncio.run(RuleWriter(FILINGS, {"extraction": 2}, seed).write(chunk)).triplets for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]
    assert again[0] == [t for c, t in written if c.id == chunk.id and t.kind == "extraction"]

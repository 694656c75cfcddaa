"""FinanceBench in its published modes: what a question is shown beside, and in which order, is the row's own."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from rayrl.data.filings import Filings, StoreSettings, pages_of
from rayrl.data.row import LeftOut, Row
from rayrl.data.set_options import SetOptions

Mode = Literal[
    "closed_book",
    "oracle",
    "oracle_reverse",
    "in_context",
    "in_context_reverse",
    "single_store",
    "shared_store",
    "evidence",
]
QUESTION_FIRST = ("oracle", "in_context")
OF_FILINGS = ("in_context", "in_context_reverse", "single_store", "shared_store")
NO_FILING = "its filing is not among options.documents"


class FinanceBenchOptions(StoreSettings, SetOptions):
    context: Mode = "oracle"
    """closed_book: the question alone; oracle: before the pages that hold the evidence; oracle_reverse: after them;
    in_context: before the whole filing; in_context_reverse: after it; single_store: after what retrieval finds in its
    filing; shared_store: after what it finds in all filings; evidence: after the cited passages."""
    documents: Path | None = None
    """Folder of the filings, which the modes of filings and stores need: DOC_NAME.pdf (or .html, .txt, …)."""
    top_k: int = Field(4, ge=1)
    """Chunks or pages that retrieval finds for a question."""

    @model_validator(mode="after")
    def complete(self) -> Self:
        if self.context not in OF_FILINGS or (self.documents is not None and self.documents.is_dir()):
            return self
        given = "is not set" if self.documents is None else f"({str(self.documents)!r}) is no folder"
        raise ValueError(
            f"documents {given}; context: {self.context} needs the folder of the filings, each by the name that the "
            "questions have for it, such as 3M_2018_10K.pdf (https://github.com/patronus-ai/financebench, pdfs/)"
        )

    @cached_property
    def filings(self) -> Filings:
        assert self.documents is not None
        return Filings(self.documents)


def financebench(row: Row, options: FinanceBenchOptions) -> Iterator[Row | LeftOut]:
    r"""`prompt_text` (the question, and beside it what `context` says, in its order), `question`, `answer`,
    `justification`, `company`, `document`, `pages` (of the evidence, from 0), `question_type`.

    There is no column of the text alone, which a template could put into another order; but of `context: evidence`, no
    published mode, there is `context`. Of stores, rows have `retrieved` ([document, page], best first) and `recall`,
    the share of the evidence's pages among these; None where the filing is no PDF with such a page.

    >>> published = {
    ...     "financebench_id": "financebench_id_1", "company": "Acme", "doc_name": "ACME_2018_10K",
    ...     "question_type": "metrics-generated", "question_reasoning": "Information extraction",
    ...     "domain_question_num": None, "question": "What was capex (in USD millions)?", "answer": "$15.00",
    ...     "justification": "The cash flow statement says so.", "dataset_subset_label": "OPEN_SOURCE",
    ...     "evidence": [{
    ...         "evidence_text": "Purchases of PP&E (15)", "doc_name": "ACME_2018_10K", "evidence_page_num": 59,
    ...         "evidence_text_full_page": "Cash flows in millions. Purchases of PP&E (15)",
    ...     }],
    ... }
    >>> next(financebench(published, FinanceBenchOptions()))
    {'prompt_text': 'Question: What was capex (in USD millions)?\n\nCash flows in millions. Purchases of PP&E (15)',
     'question': 'What was capex (in USD millions)?',
     'answer': '$15.00',
     'justification': 'The cash flow statement says so.',
     'company': 'Acme',
     'document': 'ACME_2018_10K',
     'pages': [59],
     'question_type': 'metrics-generated',
     'id': 'financebench_id_1'}
    """
    if options.context in OF_FILINGS and row["doc_name"] not in options.filings:
        yield LeftOut(NO_FILING)
        return
    text, found = _text(row, options)
    asked = f"Question: {row['question']}"
    parts = [asked, text] if options.context in QUESTION_FIRST else [text, asked]
    yield {
        "prompt_text": "\n\n".join(filter(None, parts)),
        "question": row["question"],
        "answer": row["answer"],
        "justification": row["justification"] or "",
        "company": row["company"],
        "document": row["doc_name"],
        "pages": [part["evidence_page_num"] for part in row["evidence"]],
        "question_type": row["question_type"],
        "id": row["financebench_id"],
        **({"context": text} if options.context == "evidence" else {}),
        **found,
    }


def _text(row: Row, options: FinanceBenchOptions) -> tuple[str, dict[str, Any]]:
    """What the question is shown beside, and the columns of what retrieval found."""
    match options.context:
        case "closed_book":
            return "", {}
        case "in_context" | "in_context_reverse":
            return options.filings.read([row["doc_name"]])[0].text, {}
        case "single_store" | "shared_store":
            return _retrieved(row, options)
    column = "evidence_text" if options.context == "evidence" else "evidence_text_full_page"
    return "\n\n".join(dict.fromkeys(part[column] for part in row["evidence"])), {}  # two passages can be on one page


def _retrieved(row: Row, options: FinanceBenchOptions) -> tuple[str, dict[str, Any]]:
    filings = options.filings
    names = [row["doc_name"]] if options.context == "single_store" else sorted(filings.files)
    found = filings.store(names, options).search(row["question"])[: options.top_k]
    pages = list(dict.fromkeys(page for chunk in found for page in pages_of(chunk)))
    columns = {"retrieved": [list(page) for page in pages], "recall": recall(evidence_pages(row), pages, filings)}
    return "\n\n".join(chunk.text for chunk in found), columns


def evidence_pages(row: Row) -> list[tuple[str, int]]:
    """(document, page) of a published row's evidence, each once; pages count from 0."""
    named = ((part.get("doc_name", row["doc_name"]), part["evidence_page_num"]) for part in row["evidence"])
    return list(dict.fromkeys(named))


def recall(evidence: list[tuple[str, int]], pages: list[tuple[str, int]], filings: Filings) -> float | None:
    """Share of the evidence's pages among `pages`; None where a filing of theirs is no PDF with that page."""
    if not evidence or not all(filings.has_page(*page) for page in evidence):
        return None
    return sum(page in pages for page in evidence) / len(evidence)

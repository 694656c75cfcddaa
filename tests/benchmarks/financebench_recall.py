"""How much of FinanceBench's evidence BM25 finds, without a model: recall@k of the evidence's pages, by store and unit.

    .venv/bin/python -m tests.benchmarks.financebench_recall --questions FILE --documents DIR

A page counts as found where one of the first k pages, or a chunk of the first k chunks, is on it. Questions whose
filing is not in the folder are left out and counted. Filings and indexes are kept in $RAYRL_CACHE, so a second run is
quicker.
"""

import argparse
import re
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from rayrl.data.filings import Filings, StoreSettings, pages_of
from rayrl.data.financebench import evidence_pages, recall
from rayrl.jsonl import read_jsonl

K = (1, 2, 4, 8, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True, help="FinanceBench's questions, .jsonl")
    parser.add_argument("--documents", type=Path, required=True, help="folder of the filings")
    parser.add_argument("--chunk-characters", type=int, default=1024)
    parser.add_argument("--chunk-overlap", type=int, default=30)
    asked = parser.parse_args()

    filings = Filings(asked.documents)
    questions = list(read_jsonl(asked.questions))
    here = [row for row in questions if row["doc_name"] in filings]
    started = time.perf_counter()
    documents = filings.read(filings.files)
    print(
        f"{len(here)} of {len(questions)} questions have their filing among {len(documents)} documents of "
        f"{sum(len(one.starts) for one in documents)} pages, read in {time.perf_counter() - started:.1f} s"
    )
    passages = [part for row in here for part in row["evidence"]]
    placed = sum(_fullest(part, filings) == part["evidence_page_num"] for part in passages)
    print(f"{placed} of {len(passages)} passages have most of their words on the page of their number, counted from 0")
    print(f"\n| store | unit | pieces | made in (s) | {' | '.join(f'recall@{k}' for k in K)} | questions |")
    print("|---|---|" + "---|" * (len(K) + 3))
    for unit in ("pages", "chunks"):
        settings = StoreSettings(unit=unit, chunk_characters=asked.chunk_characters, chunk_overlap=asked.chunk_overlap)
        for shared in (False, True):
            started = time.perf_counter()
            names = {row["doc_name"]: sorted(filings.files) if shared else [row["doc_name"]] for row in here}
            stores = {name: filings.store(pool, settings) for name, pool in names.items()}
            made = time.perf_counter() - started
            pieces = len(next(iter(stores.values())).pool) if shared else sum(len(one.pool) for one in stores.values())
            found: dict[int, list[float]] = {k: [] for k in K}
            for row in here:
                ranked = [pages_of(chunk) for chunk in stores[row["doc_name"]].search(row["question"])]
                for k in K:
                    share = recall(evidence_pages(row), [page for pages in ranked[:k] for page in pages], filings)
                    found[k] += [] if share is None else [share]
            cells = [f"{fmean(found[k]):.3f}" for k in K]
            kind = "shared" if shared else "single"
            print(f"| {kind} | {unit} | {pieces} | {made:.1f} | {' | '.join(cells)} | {len(found[K[0]])} |", flush=True)


def _fullest(part: dict[str, Any], filings: Filings) -> int:
    """The page, from 0, that has most of a passage's words."""
    (document,) = filings.read([part["doc_name"]])
    wanted = _words(part["evidence_text"])
    return max(
        range(len(document.starts)),
        key=lambda page: len(wanted & _words(document.text[slice(*document.page_spans[page])])),
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}|\d+(?:[.,]\d+)*", text.lower()))


if __name__ == "__main__":
    main()

"""How often the chunks of real filings contain the evidence of FinanceBench's questions.

    python tests/benchmarks/synth_evidence.py [--size 8000] [--overlap 400]

Takes the questions that cite a PDF of ../shared/data/financebench/pdfs. A passage of evidence is contained when one
chunk that includes its page holds at least 95 % of the passage's words and numbers, counted with repetition (lower
case, punctuation and blanks dropped; numbers without separators). Some passages have lost the blanks between words
("Costofgoodssold"): such a run of 10 letters or more also counts where the chunk's letters, without blanks, contain
it. A question counts when all its passages do.
"""

import argparse
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from rayrl.synth.chunks import Chunk, characters, cut  # noqa: E402
from rayrl.synth.documents.files import Document  # noqa: E402
from rayrl.synth.documents.pdf import read_pdf  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "financebench"
ENOUGH = 0.95


def words(text: str) -> Counter[str]:
    """Words and numbers of a text with their counts."""
    return Counter(re.findall(r"[a-z]+|\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d)", "", text.lower())))


def held(passage: str, chunk: str) -> float:
    """Share of the passage's words that the chunk has too."""
    wanted = words(passage)
    letters = re.sub(r"[^a-z]", "", chunk.lower())
    missing = wanted - words(chunk)
    run_together = sum(count for word, count in missing.items() if len(word) >= 10 and word in letters)
    return 1 - (missing.total() - run_together) / max(1, wanted.total())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=8000)
    parser.add_argument("--overlap", type=int, default=400)
    known = parser.parse_args()
    chunks: dict[str, list[Chunk]] = {}
    pages = 0
    started = time.monotonic()
    for pdf in sorted((DATA / "pdfs").glob("*.pdf")):
        texts = read_pdf(pdf, 300)
        pages += len(texts)
        chunks[pdf.stem] = list(cut(Document.of(pdf.stem, texts), known.size, known.overlap, characters))
    seconds = time.monotonic() - started
    found = questions = 0
    for line in (DATA / "questions.jsonl").read_text().splitlines():
        row = json.loads(line)
        passages = [item for item in row["evidence"] if item["doc_name"] in chunks]
        if not passages or len(passages) < len(row["evidence"]):
            continue
        questions += 1
        best = [
            max(
                (
                    held(item["evidence_text"], chunk.text)
                    for chunk in chunks[item["doc_name"]]
                    if chunk.page_start <= item["evidence_page_num"] + 1 <= chunk.page_end
                ),
                default=0.0,
            )
            for item in passages
        ]
        found += min(best) >= ENOUGH
        if min(best) < ENOUGH:
            print(row["financebench_id"], passages[0]["doc_name"], [round(share, 3) for share in best])
    total = sum(map(len, chunks.values()))
    print(f"{len(chunks)} PDFs, {pages} pages in {seconds:.1f} s, {total} chunks of at most {known.size} characters")
    print(f"evidence in a chunk of its page: {found}/{questions} = {found / questions:.1%}")


if __name__ == "__main__":
    main()

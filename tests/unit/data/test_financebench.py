"""FinanceBench in its modes on filings of our own: what a prompt holds, in which order, and what retrieval found."""

import json
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from rayrl.config import DatasetSettings, EvalConfig, PromptSettings, load_config, parse_overrides
from rayrl.data.filings import Filings
from rayrl.data.financebench import NO_FILING, OF_FILINGS, evidence_pages, recall
from rayrl.data.prompts import build_prompts
from rayrl.data.row import LeftOut, MissingColumn, Row
from rayrl.data.sources import iterate_rows
from rayrl.errors import ConfigError, DataError
from tests.benchmarks import financebench_recall
from tests.unit.data.test_registry import SHARED, written
from tests.unit.synth.documents.pdf_files import write_pdf

CONFIG = Path(__file__).resolve().parents[3] / "configs/eval/finance.yaml"
ACME = [
    "Acme at a glance: gadgets for every home and garden.",
    "Statement of cash flows of Acme in millions. Purchases of equipment (15)",
    "Risks. Weather and currencies move what Acme earns.",
]
ZENITH = ["Zenith sells telescopes.", "Zenith cash flows in millions. Purchases of equipment (88)"]
QUESTION = "What did Acme spend on purchases of equipment?"


def asked(number: int, document: str, question: str, *pages: int, text: str = "Purchases of equipment (15)") -> Row:
    passage = {"evidence_text": text, "doc_name": document, "evidence_text_full_page": f"A whole page. {text}"}
    return {
        "financebench_id": f"id_{number}",
        "company": document.split("_")[0],
        "doc_name": document,
        "question_type": "metrics-generated",
        "question": question,
        "answer": "$15.00",
        "justification": None,
        "evidence": [passage | {"evidence_page_num": page} for page in pages],
    }


def pdf(path: Path, pages: list[str]) -> Path:
    return write_pdf(path, [[(50, 700, page)] for page in pages])


@pytest.fixture(scope="module")
def filings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filings")
    pdf(folder / "ACME_2023_10K.pdf", ACME)
    pdf(folder / "ZENITH_2023_10K.pdf", ZENITH)
    (folder / "OMEGA_2023_8K.html").write_text("<p>Omega bought no equipment.</p>")
    return folder


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYRL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def questions(tmp_path: Path) -> str:
    rows = [
        asked(1, "ACME_2023_10K", QUESTION, 1),
        asked(2, "ZENITH_2023_10K", "And Zenith on purchases of equipment?", 1, 0),
        asked(3, "GONE_2023_10K", "And Gone?", 1),
        asked(4, "OMEGA_2023_8K", "Which equipment did Omega buy?", 0),
    ]
    return f"financebench:{written(tmp_path, 'questions.jsonl', *rows)}"


def read(source: str, **options: Any) -> list[Row | LeftOut]:
    return list(iterate_rows(DatasetSettings(source=source, options=options), "benchmarks.x.data"))


def first(source: str, **options: Any) -> Row:
    found = read(source, **options)[0]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("closed_book", "", ""),
        ("oracle", "", "A whole page. Purchases of equipment (15)"),
        ("oracle_reverse", "A whole page. Purchases of equipment (15)", ""),
        ("evidence", "Purchases of equipment (15)", ""),
        ("in_context", "", "\n\n".join(ACME)),
        ("in_context_reverse", "\n\n".join(ACME), ""),
        ("single_store", ACME[1], ""),
        ("shared_store", ACME[1], ""),
    ],
)
def test_each_mode_shows_what_it_says_in_its_order(
    mode: str, before: str, after: str, questions: str, filings: Path
) -> None:
    row = first(questions, context=mode, documents=str(filings), unit="pages", top_k=1)
    assert row["prompt_text"] == "\n\n".join(filter(None, [before, f"Question: {QUESTION}", after]))
    assert (row["question"], row["answer"], row["pages"]) == (QUESTION, "$15.00", [1])
    assert ("context" in row) == (mode == "evidence")
    assert ("retrieved" in row) == ("recall" in row) == mode.endswith("_store")


def test_a_template_that_would_choose_the_order_itself_is_refused(questions: str) -> None:
    prompt = PromptSettings(template="{context}\n\nQuestion: {question}")
    data = DatasetSettings(source=questions, options={"context": "oracle"})
    with pytest.raises(MissingColumn, match=r"\{context\}.*columns: prompt_text"):
        build_prompts(data, prompt, lambda chat, **_: chat[-1]["content"], lambda text: [1], "benchmarks.x.data")


@pytest.mark.parametrize("mode", OF_FILINGS)
def test_a_question_without_its_filing_is_left_out_and_counted(mode: str, questions: str, filings: Path) -> None:
    found = read(questions, context=mode, documents=str(filings))
    assert [row.reason for row in found if isinstance(row, LeftOut)] == [NO_FILING]
    assert [isinstance(row, LeftOut) for row in found] == [False, False, True, False]


def test_a_filing_longer_than_the_window_is_left_out_and_counted(questions: str, filings: Path) -> None:
    prompt = PromptSettings(template="{prompt_text}", max_tokens=120)
    data = DatasetSettings(source=questions, options={"context": "in_context", "documents": str(filings)})
    encode = lambda text: list(text.encode())  # noqa: E731
    found = build_prompts(data, prompt, lambda chat, **_: chat[-1]["content"], encode, "x")
    assert found.left_out == {"x: longer than 120 tokens": ["x-0", "x-1"], f"x: {NO_FILING}": ["x-2"]}
    assert [one.columns["document"] for one in found.prompts] == ["OMEGA_2023_8K"]


def test_rows_of_stores_say_which_pages_were_found_and_what_of_the_evidence(questions: str, filings: Path) -> None:
    acme, zenith, _, omega = read(questions, context="shared_store", documents=str(filings), unit="pages", top_k=1)
    assert isinstance(acme, dict)
    assert isinstance(zenith, dict)
    assert isinstance(omega, dict)
    assert (acme["retrieved"], acme["recall"]) == ([["ACME_2023_10K", 1]], 1.0)
    assert (zenith["retrieved"], zenith["recall"]) == ([["ZENITH_2023_10K", 1]], 0.5), "one of its two pages"
    assert omega["retrieved"] == [["OMEGA_2023_8K", 0]]
    assert omega["recall"] is None, "a page of HTML is no page of the PDF"
    own = first(questions, context="single_store", documents=str(filings), unit="pages", top_k=4)
    assert {document for document, _ in own["retrieved"]} == {"ACME_2023_10K"}


def test_a_chunk_counts_all_pages_that_it_is_on(questions: str, filings: Path) -> None:
    options = {"context": "single_store", "documents": str(filings), "top_k": 1, "chunk_characters": 4000}
    row = first(questions, **options)
    assert row["retrieved"] == [["ACME_2023_10K", page] for page in range(3)]
    assert row["recall"] == 1.0


def test_recall_is_the_share_of_the_evidences_pages(filings: Path) -> None:
    known = Filings(filings)
    evidence = [("ACME_2023_10K", 1), ("ACME_2023_10K", 2)]
    assert recall(evidence, [("ACME_2023_10K", 2), ("ACME_2023_10K", 0)], known) == 0.5
    assert recall(evidence, [("ZENITH_2023_10K", 1)], known) == 0.0
    assert recall(evidence, list(reversed(evidence)), known) == 1.0
    assert recall([("ACME_2023_10K", 3)], evidence, known) is None, "there is no such page"
    assert evidence_pages(asked(1, "A", "?", 4, 4, 5)) == [("A", 4), ("A", 5)]


@pytest.mark.parametrize("given", [{}, {"documents": "/nowhere/at/all"}])
def test_a_missing_folder_names_field_value_and_what_to_put_there(given: dict[str, str], questions: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(questions, context="in_context", **given)
    said = str(raised.value)
    assert said.startswith("benchmarks.x.data.options of financebench:")
    assert all(part in said for part in ("documents", "3M_2018_10K.pdf", *given.values()))


def test_a_filing_that_cannot_be_read_is_named(tmp_path: Path, questions: str) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "ACME_2023_10K.pdf").write_bytes(b"%PDF-1.4 broken")
    with pytest.raises(DataError, match=r"options\.documents: .*ACME_2023_10K\.pdf' cannot be read: .*remove it"):
        read(questions, context="single_store", documents=str(folder))


def test_one_override_gives_all_modes_their_folder_and_file(filings: Path) -> None:
    arguments = ["--benchmarks.financebench_*.data.options.documents", str(filings)]
    arguments += ["--benchmarks.financebench_*.data.source", "financebench:x.jsonl"]
    config = load_config(CONFIG, parse_overrides(arguments, EvalConfig), EvalConfig)
    of_it = {name: one.data for name, one in config.benchmarks.items() if name.startswith("financebench_")}
    assert len(of_it) == 7
    for name, data in of_it.items():
        assert data is not None
        assert data.source == "financebench:x.jsonl"
        assert data.options == {"context": name.removeprefix("financebench_"), "documents": str(filings)}
        assert config.benchmarks[name].prompt.template == "{prompt_text}"
    tatqa = config.benchmarks["tatqa"].data
    assert tatqa is not None
    assert tatqa.source == "tatqa"


def test_the_script_prints_recall_by_store_and_unit(
    tmp_path: Path, filings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "q.jsonl", asked(1, "ACME_2023_10K", QUESTION, 1), asked(2, "GONE", "?", 1))
    monkeypatch.setattr("sys.argv", ["recall", "--questions", file, "--documents", str(filings)])
    financebench_recall.main()
    said = capsys.readouterr().out
    assert "1 of 2 questions have their filing among 3 documents of 6 pages" in said
    assert "| single | pages | 3 |" in said
    assert said.count("| 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1 |") == 4


@pytest.mark.timeout(1500)
def test_on_published_filings_single_stores_beat_chance(tmp_path: Path) -> None:
    """A few small filings: the others take minutes to read."""
    folder, file = SHARED / "financebench/pdfs", SHARED / "financebench/questions.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    here = tmp_path / "pdfs"
    here.mkdir()
    for name in sorted({row["doc_name"] for row in rows}):
        path = folder / f"{name}.pdf"
        if path.exists() and path.stat().st_size < 500_000:
            (here / path.name).symlink_to(path)
    found = read(f"financebench:{file}", context="single_store", documents=str(here), unit="pages", top_k=1)
    kept = [row for row in found if isinstance(row, dict)]
    assert len(found) == 74
    assert len(kept) >= 5
    filings = Filings(here)
    draw = random.Random(0)
    chance = []
    for row in kept:
        pages = len(filings.read([row["document"]])[0].starts)
        picked = [(row["document"], draw.randrange(pages)) for _ in range(200)]
        evidence = [(row["document"], page) for page in row["pages"]]
        chance.append(fmean(recall(evidence, [page], filings) or 0.0 for page in picked))
    assert fmean(row["recall"] for row in kept) > fmean(chance)

"""Each filter removes what it is for, and nothing else; the split leaks nothing."""

import random
from dataclasses import replace

import pytest

from rayrl.errors import ConfigError, DataError
from rayrl.synth.chunks import Chunk
from rayrl.synth.filters.evidence import is_quoted, unsupported_figures
from rayrl.synth.filters.languages import detect_language
from rayrl.synth.filters.near_duplicates import NearDuplicates, SharedText, jaccard, shingles
from rayrl.synth.filters.triplet_filters import check_languages, review
from rayrl.synth.settings import FilterSettings, SplitSettings
from rayrl.synth.split import held_out
from rayrl.synth.triplets import REFUSAL, Triplet

TEXT = """Acme Corp. Statements of Income ($ in millions)
Fiscal years | 2023 | 2022
Net sales | $4,210 | $3,905
Net income | 310 | (95)
The gross margin was 41.5% in 2023. The company opened 47 stores."""
CHUNK = Chunk("acme#0", "acme", TEXT, 3, 4, 0, len(TEXT))
SALES = "Net sales | $4,210 | $3,905"
GOOD = Triplet("extraction", "What were the net sales of Acme Corp in fiscal 2023?", "$4,210 million", (SALES,))


def removed(triplet: Triplet, settings: FilterSettings | None = None) -> str | None:
    return next(iter(review([(CHUNK, triplet)], settings or FilterSettings(languages=["en"])))).removed


@pytest.mark.parametrize(
    ("answer", "evidence"),
    [
        ("$4.2 billion", (SALES,)),
        ("$4,210 million", ("net sales: $ 4,210",)),
        ("7.8%", (SALES,)),
        ("$305 million", (SALES,)),
        ("8,115", (SALES,)),
        ("$4,057.5 million", (SALES,)),
        ("7.4%", ("Net sales | $4,210", "Net income | 310")),
        ("-$95 million", ("Net income | 310 | (95)",)),
        ("1.08x", (SALES,)),
        ("0.0%", ("stores ... 47", "47 stores")),
        ("47 stores", ("The company opened 47 stores.",)),
    ],
)
def test_figures_that_stand_there_or_follow_are_kept(answer: str, evidence: tuple[str, ...]) -> None:
    assert removed(replace(GOOD, kind="numeric_reasoning", answer=answer, evidence=evidence)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"answer": "$4,120 million"}, "figure without support"),
        ({"answer": "9.1%"}, "figure without support"),
        ({"answer": "$4,210 million; $77 million"}, "figure without support"),
        ({"evidence": ("Net sales | $4,210 | $3,805",)}, "evidence not in the chunk"),
        ({"evidence": ("Net sales of Acme were high",)}, "evidence not in the chunk"),
        ({"evidence": ()}, "evidence not in the chunk"),
        ({"answer": REFUSAL}, "answer does not fit its class"),
        ({"answer": "?"}, "answer cannot be read"),
        ({"answer": "None"}, "answer cannot be read"),
        ({"answer": "divide(5, 0)"}, "answer cannot be read"),
        ({"answer": "add(1)"}, "answer cannot be read"),
        ({"answer": "Net sales. " * 500}, "answer cannot be read"),
        ({"kind": "unanswerable"}, "answer does not fit its class"),
        ({"kind": "yes_no"}, "answer does not fit its class"),
        ({"question": "What were net sales according to the passage above?"}, "question leans on the passage"),
        ({"question": "In this excerpt, what were net sales?"}, "question leans on the passage"),
        ({"question": "Based on the table above, what were net sales in 2023?"}, "question leans on the passage"),
        ({"question": "Wie hoch war der Umsatz der Acme Corp im Jahr 2023 und was ist die Marge?"}, "language"),
    ],
)
def test_what_is_unfit_is_removed_with_its_reason(changes: dict[str, object], reason: str) -> None:
    assert removed(GOOD) is None
    assert removed(replace(GOOD, **changes)) == reason  # type: ignore[arg-type]


PROSE = """Acme paid dividends of $5.2 million in 2022. The margin was 12.5% and it has 47 plants.
Its net loss was $3.1 million; sales fell 4.5% to 310 (in thousands).
Taxes were $4.5 million in 2022, $2.4 million in 2021, a rate of 21.5% and 20.0%."""


@pytest.mark.parametrize("evidence", [(), ("Acme paid dividends of $5.2 million in 2022.",), (PROSE.split("\n")[1],)])
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("$5.2 million", "$5.2 billion"),
        ("5.2", "5.2%"),
        ("$5,200 thousand", "$5,200 million"),
        ("$5,200,000", "-$5.2 million"),
        ("12.5%", "$12.5 million"),
        ("12.5", "$12.5"),
        ("1,250 basis points", "125 basis points"),
        ("47 plants", "47%"),
        ("-$3.1 million", "-$3.1 billion"),
        ("-4.5%", "4.5 billion"),
        ("$310 thousand", "$301 thousand"),
    ],
)
def test_a_figure_with_a_unit_stands_in_that_unit_only(right: str, wrong: str, evidence: tuple[str, ...]) -> None:
    assert unsupported_figures(right, PROSE, evidence) == []
    assert unsupported_figures(wrong, PROSE, evidence) == [wrong]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("$6.9 million", "$6.9 billion"), ("$2,100 thousand", "$2,100 million"), ("1.5%", "$1.5 million")],
)
def test_a_sum_or_difference_has_the_unit_of_its_parts(right: str, wrong: str) -> None:
    evidence = (PROSE.split("\n")[2],)
    assert unsupported_figures(right, PROSE, evidence) == []
    assert unsupported_figures(wrong, PROSE, evidence) == [wrong]


def test_questions_that_say_the_same_are_kept_once_and_years_make_a_difference() -> None:
    question = "What were the total net sales that Acme Corp reported to its shareholders in fiscal 2023?"
    other_year = question.replace("2023", "2022")
    again = question.replace("What were the", "what were  the").upper()
    triplets = [replace(GOOD, question=text) for text in (question, other_year, again)]
    judged = list(review(((CHUNK, triplet) for triplet in triplets), FilterSettings()))
    assert [one.removed for one in judged] == [None, None, "near-duplicate question"]
    assert judged[2].detail == question


def test_quotes_ignore_layout_but_not_words() -> None:
    assert is_quoted("Net sales $ 4,210 $ 3,905\nNet income", TEXT)
    assert is_quoted("Net sales ... 47 stores.", TEXT)
    assert not is_quoted("sales 4,21", TEXT)
    assert not is_quoted("...", TEXT)
    assert unsupported_figures("in 2019", TEXT, ()) in (["2019"], [])


def test_minhash_finds_what_jaccard_calls_near() -> None:
    draw = random.Random(3)
    vocabulary = [f"w{number}" for number in range(400)]
    near, found, expected = NearDuplicates(0.8), 0, 0
    for number in range(60):
        text = [draw.choice(vocabulary) for _ in range(120)]
        assert near.add(f"first {number}", " ".join(text)) is None
        for at in draw.sample(range(120), draw.choice((1, 2, 12))):
            text[at] = "changed"
        changed = " ".join(text)
        own = [shingles(changed), near._seen[-1][1]]
        is_near = jaccard(own[0], own[1]) >= 0.8
        expected += is_near
        if is_near:
            found += near.add("again", changed) == f"first {number}"
        else:
            assert near.add(f"other {number}", changed) is None
    assert expected > 20
    assert found == expected


@pytest.mark.parametrize("most", [10**6, 4000])
def test_documents_that_hold_half_of_another_are_alike_however_they_are_cut(most: int) -> None:
    draw = random.Random(5)

    def written(words: int) -> list[str]:
        return [f"w{draw.randrange(2000)}" for _ in range(words)]

    report, notes = written(4000), written(900)
    documents = {
        "report": report,
        "amended": [*written(150), *report],
        "excerpt": [*written(300), *report[1000:1600]],
        "quoting": [*written(3000), *report[:500]],
        "notes": notes,
        "notes, mended": [word if at % 100 else "mended" for at, word in enumerate(notes)],
        "single": ["one"],
    }
    shared = SharedText(most)
    for name, words in documents.items():
        shared.add(name, " ".join(words))
    pairs = {frozenset(pair) for pair in shared.pairs()}
    alike = {("report", "amended"), ("report", "excerpt"), ("amended", "excerpt"), ("notes", "notes, mended")}
    assert pairs == {frozenset(pair) for pair in alike}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("What was the net income of the company in 2023?", "en"),
        ("Wie hoch war der Gewinn von Siemens für das Jahr 2023?", "de"),
        ("Quel était le chiffre d'affaires de la société pour une année?", "fr"),
        ("¿Cuál fue el beneficio de la empresa en el año?", "es"),
        ("2023年の売上高はいくらですか", "other"),
        ("Net sales 4,210", None),
    ],
)
def test_languages(text: str, code: str | None) -> None:
    assert detect_language(text) == code


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"filters.languages: 'english' is none of en, de"):
        check_languages(FilterSettings(languages=["english"]))


def test_groups_and_documents_that_share_text_stay_on_one_side() -> None:
    names = [f"{company}_{year}.pdf" for company in "ABCDEFGH" for year in (2021, 2022)]
    settings = SplitSettings(test_fraction=0.25, group=r"^([^_]+)_")
    for seed in range(20):
        test = held_out(names, set(names), [("A_2021.pdf", "B_2022.pdf")], settings, seed)
        assert 2 <= len(test) <= 6
        sides = {name[0]: name in test for name in names}
        assert all(sides[name[0]] == (name in test) for name in names)
        assert sides["A"] == sides["B"]
        assert test == held_out(names[::-1], set(names), [("A_2021.pdf", "B_2022.pdf")], settings, seed)
    assert held_out(names, set(names), [], SplitSettings(test_fraction=0), 0) == set()
    with pytest.raises(DataError, match="belong together"):
        held_out(["a", "b"], {"a", "b"}, [("a", "b")], settings, 0)
    for seed in range(20):
        test = held_out("abcd", set("bcd"), [("b", "a"), ("c", "a")], SplitSettings(test_fraction=0.3), seed)
        assert test in ({"b", "c"}, {"d"})

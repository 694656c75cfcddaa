"""PDFs: columns are told from wide gaps in prose, along the text's own direction; raised glyphs are marks."""

from itertools import count
from pathlib import Path

import pytest

from rayrl.synth.documents.files import read_file
from rayrl.synth.settings import SynthDocuments
from tests.unit.synth.documents.pdf_files import Placed, write_pdf

TABLE: list[Placed] = [
    (100, 500, "Maturity"),
    (300, 500, "2024"),
    (400, 500, "2023"),
    (100, 480, "After five years"),
    (303, 480, "575"),
    (403, 480, "611"),
    (100, 460, "Total"),
    (295, 460, "5,089"),
    (392, 460, "(4,506"),
    (423, 460, ")"),
]
WIDTH = {**dict.fromkeys("ijltf.,I ", 2.8), **dict.fromkeys("mwMW", 8.5)}
"""About how wide Helvetica writes a letter at 10 points."""


def read(path: Path, texts: list[Placed], turned: int = 0, rotate: int = 0) -> list[str]:
    file = write_pdf(path / "a.pdf", [texts], turned=turned, rotate=rotate)
    return read_file(file, SynthDocuments()).texts[0].split("\n")


@pytest.mark.parametrize(
    ("turned", "rotate"),
    [(0, 0), (0, 90), (0, 270), (90, 0), (90, 90), (90, 180), (90, 270), (180, 0), (270, 0), (270, 90)],
)
def test_a_table_that_is_turned_reads_as_an_upright_one(tmp_path: Path, turned: int, rotate: int) -> None:
    assert read(tmp_path, TABLE, turned, rotate) == [
        "Maturity | 2024 | 2023",
        "After five years | 575 | 611",
        "Total | 5,089 | (4,506)",
    ]


def justified(words: str, y: int, gap: float) -> list[Placed]:
    placed: list[Placed] = []
    x = 50.0
    for word in words.split():
        placed.append((round(x), y, word))
        x += sum(WIDTH.get(letter, 5.6) for letter in word) + gap
    return placed


PROSE = [
    "Revenue for the year was $418 million and operating costs were",
    "$390 million, of which Tallis Rail Group paid $12 million",
    "to its suppliers in Norway. The board expects 2025 to be",
    "a year of lower prices and of higher volumes.",
]


@pytest.mark.parametrize("gap", [11, 14, 18, 25])
@pytest.mark.parametrize("lines", [PROSE, PROSE[:1], PROSE[1:2], PROSE[2:3]])
def test_justified_prose_is_not_cut_into_columns(tmp_path: Path, gap: float, lines: list[str]) -> None:
    placed = [piece for line, y in zip(lines, count(700, -14), strict=False) for piece in justified(line, y, gap)]
    assert read(tmp_path, placed) == lines


def test_prose_above_a_table_is_prose_and_the_table_keeps_its_columns(tmp_path: Path) -> None:
    placed = justified(PROSE[0], 540, 16) + justified(PROSE[3], 526, 16) + TABLE
    assert read(tmp_path, placed)[1:] == [
        PROSE[3],
        "Maturity | 2024 | 2023",
        "After five years | 575 | 611",
        "Total | 5,089 | (4,506)",
    ]


def test_columns_of_words_stay_apart_and_bullets_stay_with_their_text(tmp_path: Path) -> None:
    placed: list[Placed] = [
        (50, 700, "Ann Ode"),
        (150, 700, "Chair of the board"),
        (350, 700, "since 2019"),
        (50, 680, "Bo Lind"),
        (150, 680, "Director"),
        (350, 680, "since 2021"),
        (50, 600, "Form"),
        (100, 600, "Exhibit"),
        (50, 540, "\x95"),
        (70, 540, "Sales rose by $5 million"),
        (50, 400, "This sentence ends here."),
        (190, 400, "The next one begins after a wide gap"),
    ]
    assert read(tmp_path, placed) == [
        "Ann Ode | Chair of the board | since 2019",
        "Bo Lind | Director | since 2021",
        "Form | Exhibit",
        "• Sales rose by $5 million",
        "This sentence ends here. The next one begins after a wide gap",
    ]


@pytest.mark.parametrize("turned", [0, 90, 270])
def test_small_glyphs_above_the_line_are_marks_of_footnotes(tmp_path: Path, turned: int) -> None:
    placed: list[Placed] = [
        (100, 500, "Backlog"),
        (300, 500, "5,120"),
        (325, 504, "2", 6),
        (400, 500, "4,870"),
        (425, 504, "3,4", 6),
        (100, 480, "Rose to $640"),
        (158, 484, "(5)", 6),
        (170, 480, "million on 10"),
        (229, 484, "6", 6),
        (235, 480, "t"),
        (100, 460, "2", 6),
        (106, 456, "Excludes options."),
        (100, 440, "The figure 7"),
        (158, 440, "8", 6),
    ]
    assert read(tmp_path, placed, turned) == [
        "Backlog | 5,120 [2] | 4,870 [3][4]",
        "Rose to $640 million [5] on 10⁶ t",
        "[2] Excludes options.",
        "The figure 7 8",
    ]

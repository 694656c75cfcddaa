"""PDF -> text of its pages, in the file's own order, columns of a table kept apart. PDFium parses it, by pypdfium2.

Runs as a process of its own (`python -m rayrl.synth.documents.pdf FILE`): a hostile file that crashes or hangs PDFium
takes only that with it.
"""

import ctypes
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from rayrl.errors import DataError
from rayrl.synth.documents.pdf_columns import Line, Piece, texts
from rayrl.synth.documents.superscripts import mark_superscript, resolve_superscripts

COLUMN_GAP = 1.0
"""A gap wider than so many heights of a character may part columns."""
SMALL, RISE = 0.85, 0.15
"""A raised character is at most so high, and so much above the line, in heights of the line's."""
PASSWORD = "Incorrect password"


def read_pdf(path: Path, deadline_s: float) -> list[str]:
    """Text of each page; a page without any is empty.

    Raises:
        DataError: It is encrypted or broken, has no text at all (a scan), or takes longer than `deadline_s`.
    """
    command = [sys.executable, "-m", "rayrl.synth.documents.pdf", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=deadline_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise DataError(f"not read within {deadline_s:g} s (documents.deadline_s)") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise DataError(f"the PDF reader ended with status {done.returncode}: {''.join(last)[:200]}") from error
    if "problem" in answer:
        raise DataError(answer["problem"])
    pages: list[str] = answer["pages"]
    if not any(pages):
        raise DataError(f"none of its {len(pages)} pages has text: scanned? Run it through OCR first")
    return pages


class _Glyph(NamedTuple):
    """A character along its own direction of writing, which may be turned on the page. quarter: by how many right
    angles."""

    character: str
    quarter: int
    start: float
    end: float
    low: float
    height: float

    @property
    def base(self) -> float:
        """About where it stands on its line: what reaches below is a fifth."""
        return self.low + self.height / 5


def _page_text(page: Any, raw: Any) -> str:
    """PDFium's characters in the file's order, with its line breaks; wide gaps within a line become columns."""
    text = page.get_textpage()
    lines: list[list[tuple[str, _Glyph]]] = []
    blank = broken = False
    for index in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(text.raw, index)
        character = chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
        if character in ("\r", "\n"):
            broken = True
        elif character.isspace():
            blank = True
        elif character and character.isprintable():
            glyph = _glyph(text, raw, index, character)
            before = lines[-1][-1][1] if lines else None
            if before is None or glyph.quarter != before.quarter or (broken and not _goes_on(before, glyph)):
                lines.append([("", glyph)])
            else:
                lines[-1].append((" " if blank or broken else "", glyph))
            blank = broken = False
    text.close()
    return "\n".join(texts([_line(line) for line in lines]))


def _glyph(text: Any, raw: Any, index: int, character: str) -> _Glyph:
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(text.raw, index, ctypes.byref(box))
    left, right, low, high = box.left, box.right, box.bottom, box.top
    quarter = round(-raw.FPDFText_GetCharAngle(text.raw, index) / (math.pi / 2)) % 4  # PDFium counts clockwise
    if quarter:
        x, y = sorted((left, right)), sorted((low, high))
        (left, right), (low, high) = (
            (y, (-x[1], -x[0])),
            ((-x[1], -x[0]), (-y[1], -y[0])),
            ((-y[1], -y[0]), x),
        )[quarter - 1]
    return _Glyph(character, quarter, left, right, low, abs(high - low))


def _goes_on(before: _Glyph, after: _Glyph) -> bool:
    """PDFium also breaks a row whose cells are far apart: it goes on to the right at the same height."""
    apart = abs(after.low + after.height / 2 - before.low - before.height / 2)
    return apart <= before.height / 2 and after.start >= before.end - after.height / 4


def _line(glyphs: list[tuple[str, _Glyph]]) -> Line:
    """Glyphs, each with the blank before it, in pieces; small ones above the line are marked as raised."""
    if glyphs[0][1].quarter:  # PDFium has the words of a line that is upside down from right to left
        glyphs = sorted(glyphs, key=lambda one: one[1].start)
    height = sorted(glyph.height for _, glyph in glyphs)[len(glyphs) // 2]
    full = [glyph for _, glyph in glyphs if glyph.height > SMALL * height]
    line, beside, end, above = Line(height), full[0], -math.inf, 0.0
    for blank, glyph in glyphs:
        gap = glyph.start - end
        if glyph.height > SMALL * height:
            beside = glyph
        lifted = glyph.height <= SMALL * height and glyph.base - beside.base > RISE * height
        if not line.pieces or gap > COLUMN_GAP * above > 0:
            lifted = lifted and not line.pieces
            line.pieces.append(Piece("", glyph.start, glyph.end))
        elif blank and not (lifted and gap < height / 2):
            line.pieces[-1].text += blank
        line.pieces[-1].text += mark_superscript(glyph.character) if lifted else glyph.character
        line.pieces[-1].end = end = glyph.end
        above = glyph.height
    for piece in line.pieces:
        piece.text = resolve_superscripts(piece.text)
    return line


def _read(path: str) -> dict[str, Any]:
    import pypdfium2
    import pypdfium2.raw as raw

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if PASSWORD in str(error):
            return {"problem": "encrypted: it needs a password; save a copy without one"}
        return {"problem": f"no readable PDF ({error})"}
    pages = []
    for number in range(len(document)):
        try:
            page = document[number]
        except pypdfium2.PdfiumError as error:
            return {"problem": f"page {number + 1} cannot be read ({error})"}
        pages.append(_page_text(page, raw))
        page.close()
    return {"pages": pages}


if __name__ == "__main__":
    json.dump(_read(sys.argv[1]), sys.stdout)

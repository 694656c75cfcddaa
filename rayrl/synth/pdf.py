"""PDF -> text of its pages, in the file's own order, columns of a table kept apart. PDFium parses it, by pypdfium2.

Runs as a process of its own (`python -m rayrl.synth.pdf FILE`): a hostile file that crashes or hangs PDFium takes only
that with it.
"""

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rayrl.errors import DataError
from rayrl.synth.table import BETWEEN, whole_numbers

COLUMN_GAP = 1.0
"""A gap wider than so many heights of a character parts columns."""
PASSWORD = "Incorrect password"


def read_pdf(path: Path, deadline_s: float) -> list[str]:
    """Text of each page; a page without any is empty.

    Raises:
        DataError: It is encrypted or broken, has no text at all (a scan), or takes longer than `deadline_s`.
    """
    command = [sys.executable, "-m", "rayrl.synth.pdf", str(path)]
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


def _page_text(page: Any, raw: Any) -> str:
    """PDFium's characters in the file's order, with its line breaks; wide gaps within a line become columns."""
    text = page.get_textpage()
    box = raw.FS_RECTF()
    reference = ctypes.byref(box)
    lines: list[str] = []
    line: list[str] = []
    end, height, middle = 0.0, 0.0, 0.0  # of the character before
    blank = broken = False
    for index in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(text.raw, index)
        character = chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
        if character in ("\r", "\n"):
            broken = True
        elif character.isspace():
            blank = True
        elif character and character.isprintable():
            raw.FPDFText_GetLooseCharBox(text.raw, index, reference)
            now = (box.top + box.bottom) / 2
            # PDFium also breaks a row whose cells are far apart: the row goes on to the right at the same height.
            if broken and (abs(now - middle) > height / 2 or box.left < end):
                lines.append("".join(line))
                line = []
            elif line and box.left - end > COLUMN_GAP * height > 0:
                line.append(BETWEEN)
            elif line and (blank or broken):
                line.append(" ")
            line.append(character)
            end, height, middle = box.right, abs(box.top - box.bottom), now
            blank = broken = False
    lines.append("".join(line))
    text.close()
    return "\n".join(whole_numbers(line) for line in lines if line)


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

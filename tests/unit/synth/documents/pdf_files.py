"""Small PDF files, written by hand."""

from collections.abc import Sequence
from pathlib import Path

Placed = tuple[int, int, str] | tuple[int, int, str, int]
"""x, y, text, and its size where that is not 10."""


def write_pdf(
    path: Path, pages: Sequence[Sequence[Placed]], encrypted: bool = False, turned: int = 0, rotate: int = 0
) -> Path:
    """A PDF with texts at places; a page without any is what a scan without OCR looks like to a reader.

    turned: degrees counter-clockwise by which text is written on the page, around its middle. rotate: the page's own
    `/Rotate`, clockwise.
    """
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[turned // 90]
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for index, texts in enumerate(pages):
        stream = ""
        for x, y, text, *size in texts:
            shown = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            right, up = x - 300, y - 400
            place = f"{cos} {sin} {-sin} {cos} {300 + cos * right - sin * up} {400 + sin * right + cos * up}"
            stream += f"BT /F1 {size[0] if size else 10} Tf {place} Tm ({shown}) Tj ET\n"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Rotate {rotate} "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * index} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, places_of = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places_of.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(f"{at:010d} 00000 n \n" for at in places_of)
    key = "00" * 32
    security = (
        f" /Encrypt << /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >> /ID [<00> <00>]" if encrypted else ""
    )
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R{security} >>\nstartxref\n{table}\n%%EOF\n"
    path.write_bytes(out.encode("latin-1"))
    return path


STATEMENT: list[list[Placed]] = [
    [
        (50, 700, "Acme Corp"),
        (50, 680, "Fiscal years"),
        (300, 680, "2023"),
        (400, 680, "2022"),
        (50, 660, "Net sales"),
        (290, 660, "$"),
        (310, 660, "4,210"),
        (390, 660, "$"),
        (410, 660, "3,905"),
        (50, 640, "Net loss"),
        (310, 640, "(120"),
        (335, 640, ")"),
        (410, 640, "(95"),
        (432, 640, ")"),
    ],
    [],
    [(50, 700, "The company employs 12,400 people, most of them in Europe.")],
]

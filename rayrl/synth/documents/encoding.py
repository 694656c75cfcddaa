"""Bytes -> text: by the encoding that is set, else by what the file says of itself, else UTF-8."""

import codecs
import re

from rayrl.errors import DataError

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""In this order: UTF-32's mark begins with UTF-16's."""
_DECLARED = re.compile(
    rb"<meta\b[^>]*?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml\b[^>]*?\bencoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE
)
SEARCHED = 65536
"""How many bytes of a file may declare its encoding; those of a submission begin with its header."""
_AS_BROWSERS_DO = {
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "latin1", "latin-1", "l1", "ascii", "us-ascii"), "windows-1252"),
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16be", "unicode"), "utf-8"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    "x-sjis": "shift_jis",
}
"""What a page means that declares it: a declaration that can be read byte by byte is not in UTF-16."""


def decode(raw: bytes, encoding: str | None, page: bool) -> str:
    """Text of a file. page: whether it is HTML, which may declare its encoding (`<meta charset>`, `<?xml encoding>`).

    Where `encoding` is None, a mark of byte order comes first, then the declaration. Text beyond ASCII that is valid
    UTF-8 is UTF-8 whatever the page declares, as where a tool has saved it anew.

    Raises:
        DataError: It is no text in that encoding, or the encoding is unknown.
    """
    if encoding is not None:
        return _decoded(raw, encoding, f"{encoding} (documents.encoding)")
    for mark, name in _MARKS.items():
        if raw.startswith(mark):
            return _decoded(raw, name, f"{name}, which its first bytes say")
    declared = _DECLARED.search(raw[:SEARCHED]) if page else None
    if declared is None:
        return _decoded(raw, "utf-8", "utf-8 (documents.encoding)")
    name = (declared[1] or declared[2]).decode("ascii").lower()
    try:
        return _decoded(raw, "utf-8" if not raw.isascii() else _AS_BROWSERS_DO.get(name, name), name)
    except DataError:
        return _decoded(raw, _AS_BROWSERS_DO.get(name, name), f"{name}, which it declares; set documents.encoding")


def _decoded(raw: bytes, encoding: str, shown: str) -> str:
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(f"no text in {shown}: {error}") from error

"""A whole submission of EDGAR (`<SEC-DOCUMENT>`, `<DOCUMENT><TYPE>10-K<TEXT>`): its main document, and what else it
holds."""

import re
from collections import Counter
from dataclasses import dataclass
from html import unescape

from rayrl.errors import DataError

_SUBMISSION = re.compile(
    r"\s*(?:-----BEGIN PRIVACY-ENHANCED MESSAGE-----|<(?:(?:SEC|IMS)-DOCUMENT|SEC-HEADER|SUBMISSION)>"
    r"|<DOCUMENT>\s*<TYPE>)",
    re.IGNORECASE,
)
_DOCUMENT = re.compile(r"^[ \t]*<DOCUMENT>", re.IGNORECASE | re.MULTILINE)
_END = re.compile(r"</DOCUMENT>|</(?:SEC-DOCUMENT|SUBMISSION)>", re.IGNORECASE)
_TAG = re.compile(r"^[ \t]*<(TYPE|FILENAME)>[ \t]*([^\r\n<]*)", re.IGNORECASE | re.MULTILINE)
_TEXT = re.compile(r"<TEXT>(.*?)(?:</TEXT>|\Z)", re.IGNORECASE | re.DOTALL)
_WRAPPED = re.compile(r"\s*<(XBRL|XML|PDF|JSON|ZIP)>(.*?)(?:</\1>\s*)?\Z", re.IGNORECASE | re.DOTALL)
_BESIDE = re.compile(r"EX-.*|GRAPHIC|ZIP|EXCEL|XML|XBRL|JSON|PDF|COVER|CORRESP", re.IGNORECASE)
_UUENCODED = re.compile(r"^begin [0-7]{3,4} \S[^\n]*\n(?:[ -`]+\r?(?:\n|\Z))*(?:end[ \t]*\r?(?:\n|\Z))?", re.MULTILINE)
_PAGE = re.compile(r"^[ \t]*<PAGE>(?:[ \t]*\d+[ \t]*$)?", re.IGNORECASE | re.MULTILINE)
_MARKUP = re.compile(r"^[ \t]*<(?:S|C)>[ \t<>SC]*$|</?(?:TABLE|CAPTION|FN|S|C|R|F\d+)>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Submission:
    """main: the text of the main document, HTML or plain. left_out: kind -> how many other parts."""

    main: str
    left_out: Counter[str]


def is_submission(source: str) -> bool:
    """Whether a file begins as one does."""
    return bool(_SUBMISSION.match(source))


def read_submission(source: str) -> Submission:
    """The first document that is no exhibit, picture or data.

    Raises:
        DataError: It has none, or it is not text.
    """
    parts = [_END.split(part, maxsplit=1)[0] for part in _DOCUMENT.split(source)[1:]]
    tags = [{name.upper(): value.strip() for name, value in _TAG.findall(part.split("<TEXT>")[0])} for part in parts]
    types = [tag.get("TYPE", "") or "unknown" for tag in tags]
    main = next((at for at, kind in enumerate(types) if not _BESIDE.fullmatch(kind)), None)
    if main is None:
        held = ", ".join(dict.fromkeys(types)) or "no <DOCUMENT>"
        raise DataError(f"a submission without a main document: it holds {held}")
    body = _TEXT.search(parts[main])
    text = body[1] if body else ""
    wrapped = _WRAPPED.match(text)
    form = wrapped[1].upper() if wrapped else ""
    text, coded = strip_uuencoded(wrapped[2] if wrapped else text)
    if form not in ("", "XBRL") or (coded and not text.strip()):
        named = f"{types[main]} {tags[main].get('FILENAME', '')}".strip()
        raise DataError(f"a submission whose main document ({named}) is no text but {form or 'uuencoded'}")
    others = Counter(f"{kind} of a submission" for kind in types[:main] + types[main + 1 :])
    return Submission(text, others + Counter({"uuencoded part": coded}))


def strip_uuencoded(text: str) -> tuple[str, int]:
    """Text without uuencoded files, and how many they were."""
    return _UUENCODED.subn("", text)


def read_plain_text(source: str) -> str:
    """A main document that is no HTML, as before 2001: pages end at `<PAGE>`, the marks of its tables are left out."""
    return unescape(_MARKUP.sub("", _PAGE.sub("\f", source)))

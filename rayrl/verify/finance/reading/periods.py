"""What looks like a number in financial prose and is none: dates, fiscal periods, form names, notes, list marks."""

import re

MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_YEAR = r"(?:19|20)\d\d"
_PERIODS = [
    rf"{MONTH}\s*(?:\d{{1,2}}(?:st|nd|rd|th)?(?![\d.])\s*,?\s*)?'?(?:{_YEAR}|\d\d(?=\s*close))?\b",
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH},?\s*(?:{_YEAR})?\b",
    rf"\b{_YEAR}-\d\d-\d\d\b|\b\d{{1,2}}/\d{{1,2}}/(?:\d\d)?\d\d\b",
    rf"\b(?:FY|CY|fiscal(?:\s+years?)?|years?(?:\s+end(?:ed|ing)?)?)\s*'?(?:{_YEAR}"
    rf"|\d\d)(?:\s*[-/]\s*(?:FY)?\d{{2,4}})?\b(?![.,%]\d)",
    r"\b[QH][1-4](?:\s*[-/']?\s*(?:of\s+)?(?:FY|CY|fiscal)?\s*'?(?:\d{4}|\d\d))?\b"
    r"|\b[1-4][QH](?:\s*'?(?:FY)?\d{2,4})?\b",
    r"\b(?:10|20|8|6|11)-[KQF](?:/A)?\b|\b[Ff]orms?\s+\d+\b|\b\d{3}\([a-z]\)",
    r"\b(?:Notes?|Items?|[Pp]ages?|p\.|Tables?|Exhibits?|Sections?|Steps?|Parts?|Rules?|ASC|ASU|IFRS|IAS|Topic|Level"
    r"|Fortune|S&P|Chapter)\s+\d+(?:[.-]\d+)*[A-Za-z]?\b",
    r"\b\d+[- ](?:year|yr|month)s?[- ](?=average|mean|period|CAGR|compound|span|ended|note|term)",
    r"\b(?:\d+|three|six|nine|twelve)\s+(?:months?|weeks?|quarters?|years?)\s+end(?:ed|ing)\b",
    r"\b\d{1,2}\s+decimals?\b|\b\d{1,2}\s+(?:significant|decimal)\s+(?:places?|digits?|figures?)\b",
    r"^[ \t]*(?:\(?\d{1,2}[.)]|\d{1,2}:)(?=\s)",
    r"\b(?!to-)[A-Za-z]{1,12}-\d+(?:\.\d+)?\b(?!\s*(?:%|percent|million|billion))",
]
_PERIOD = re.compile("|".join(f"(?:{pattern})" for pattern in _PERIODS), re.MULTILINE)
_GLUED_NAME = re.compile(r"(?<![\w$.,])\d+[A-Za-z]\b")


def mask_periods(text: str, question: str = "") -> str:
    """`text` with periods, dates and references blanked out, every other character in its place.

    A name such as `3M` is blanked out too where the question has it.
    """
    masked = _PERIOD.sub(lambda match: " " * len(match.group()), text)
    names = set(_GLUED_NAME.findall(question))
    for name in names:
        masked = re.sub(rf"(?<![\w$.,]){re.escape(name)}\b", " " * len(name), masked)
    return masked

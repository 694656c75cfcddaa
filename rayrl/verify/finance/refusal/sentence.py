"""What one sentence says: that something is missing, that its reader should look elsewhere, or what is asked."""

import re
from functools import lru_cache

from rayrl.verify.finance.refusal.concession import answers_anyway
from rayrl.verify.finance.refusal.inability import INABILITY
from rayrl.verify.finance.refusal.openings import ACCESS, OPENINGS
from rayrl.verify.finance.refusal.rules import first_rule
from rayrl.verify.finance.refusal.silence import SILENCE

MAX_SENTENCE = 1000
MAX_HEADING = 100

_ASIDE = re.compile(
    r"(?<=[\d%])\s*\([^()]*\)|,\s+whose\b[^,;.]{0,80},"
    r"|,\s+(?:which|not|though|although|if)\b[^,;.]{0,80},"
    r"(?=\s+(?:is|was|are|were|amounts?|comes?|came|works?|equals|fell|rose)\b)",
    re.IGNORECASE,
)
_HOWEVER = re.compile(r",\s+(?:however|though|unfortunately|therefore),\s+", re.IGNORECASE)
_BASIS = re.compile(
    r"^\W*(?:as\s+of\s+(?:my|the)\s+(?:last|latest|knowledge)|based\s+(?:\w+\s+)?(?:up)?on|according\s+to|from|given|in"
    r"|per|judging\s+by|after|upon|as\s+per)\b[^,;]{0,200},\s*",
    re.IGNORECASE,
)
_ALL_THE_SAME = re.compile(
    r"\b(?:but|although|though|while|however|so)\b.*?(?:=|≈|\bgives\b|\byields\b|\bcomes?\s+to\b|\bworks?\s+out\b"
    r"|\bcomputed\s+as\b|\bcalculated\s+as\b|\bderived\s+as\b|\bI\s+used?\b).*?\d",
    re.IGNORECASE | re.DOTALL,
)
_REFERS = re.compile(
    r"^\W*(?:you\s+(?:can|could|may|might|will|would|should)\s+(?:need\s+to\s+)?"
    r"(?:find|look|check|consult|refer|review|obtain|see)\b"
    r"|(?:please\s+)?(?:consult|refer\s+to|check|review|visit|see\s+the\s+company)\b"
    r"|(?:one|you)\s+(?:should|would|can|could|must)\s+(?:look|review|consult|check|see)\b"
    r"|(?:it\s+is|it's)\s+best\s+to\b|I(?:'d|\s+would)?\s+(?:recommend|suggest|advise)\b)"
    r"|\bfor\s+(?:this|that|the|such|more|further)\b[^.;]{0,60},"
    r"\s*(?:please\s+)?(?:consult|refer|check|see|review|visit)\b",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:10-[KQ]|annual\s+reports?|filings?|websites?|SEC|EDGAR|investor\s+relations|(?:\w+\s+)?statements?|reports?|"
    r"balance\s+sheets?|sources?|databases?|news)\b",
    re.IGNORECASE,
)
_OFFERS = re.compile(r"^\W*let\s+me\s+know\s+the\b", re.IGNORECASE)
_BACKGROUND = re.compile(
    r"\b(?:is|are)\s+(?:typically\s+|usually\s+|generally\s+)?(?:calculated|computed|defined)\b"
    r"|\b(?:is|are)\s+(?:an?|one|the)\s+(?:[\w'-]+\s+){0,4}"
    r"(?:measures?|metrics?|ratios?|indicators?|compan(?:y|ies)|firms?|banks?|retailers?)\b"
    r"|^\W*the\s+formula\b|^(?:[\w'-]+\s+){1,5}(?:compares|measures|indicates|shows\s+how)\b"
    r"|\b\w+\s+is\s+\w+(?:\s+\w+){0,3}\s+(?:less|minus|divided\s+by|over)\b"
    r"|^\W*(?:you\s+(?:asked|ask|want)|the\s+question\s+asks|I(?:'ve|\s+have)?\s+(?:reviewed|looked|searched|read))",
    re.IGNORECASE,
)


def without_basis(text: str) -> str:
    """A sentence without `Based on the filing,` and the like before it."""
    return _BASIS.sub("", text)


def refers(text: str) -> bool:
    """Whether one sentence sends its reader elsewhere."""
    sends = (_REFERS.search(text) and _ELSEWHERE.search(text)) or _OFFERS.match(text)
    return bool(sends) and not answers_anyway(text, lambda clause: bool(_REFERS.search(clause)))


def is_heading(text: str) -> bool:
    """Whether a line only announces what follows."""
    return len(text) < MAX_HEADING and text.rstrip(" *_").endswith(":")


def is_background(text: str) -> bool:
    """Whether one sentence only explains what is asked, or repeats it."""
    return bool(_BACKGROUND.search(text)) and not missing(text)


def denies_access(text: str) -> str | None:
    """The rule by which one sentence says that its speaker cannot look things up."""
    rule = first_rule(ACCESS, text)
    return None if rule and answers_anyway(text, _says_missing) else rule


@lru_cache(maxsize=256)  # a verdict asks several times of each sentence
def missing(text: str) -> str | None:
    """The rule by which one sentence says that what is asked for is not to be had; None where it gives it anyway."""
    text = _HOWEVER.sub(" ", _ASIDE.sub("", text))
    rule = _rule(text)
    return None if rule is None or _ALL_THE_SAME.search(text) or answers_anyway(text, _says_missing) else rule


@lru_cache(maxsize=256)
def _rule(text: str) -> str | None:
    plain = without_basis(text)
    return first_rule(SILENCE, plain) or first_rule(INABILITY, plain) or first_rule((*OPENINGS, *ACCESS), text)


def _says_missing(text: str) -> bool:
    return _rule(text) is not None

"""Which triplets are fit to train on. Each that is not keeps the reason; nothing vanishes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rayrl.errors import ConfigError, DataError
from rayrl.synth.chunks import Chunk
from rayrl.synth.filters.evidence import is_quoted, squeeze, unsupported_figures
from rayrl.synth.filters.languages import LANGUAGES, detect_language
from rayrl.synth.filters.near_duplicates import NearDuplicates
from rayrl.synth.settings import FilterSettings
from rayrl.synth.triplets import Triplet
from rayrl.verify.finance.gold import read_gold
from rayrl.verify.text import to_ascii

REASONS = (
    "answer cannot be read",
    "answer does not fit its class",
    "question leans on the passage",
    "evidence not in the chunk",
    "figure without support",
    "language",
    "near-duplicate question",
)
_PASSAGE = (  # the passage, this given excerpt
    r"(?:the|this|that|these|given|provided|supplied)\s+(?:\w+\s+)?"
    r"(?:passage|excerpt|text|context|chunk|snippet|paragraph|extract)s?\b"
)
_PART_SHOWN = (  # the table above
    r"(?:table|section|paragraph|statement|figures?|information|document|data|text)s?\s+"
    r"(?:above|below|shown|provided|given)\b"
)
_SHOWN_PART = (  # the following table
    r"(?:above|aforementioned|following)\s+(?:table|section|paragraph|statement|figure|information|document|passage)"
)
_IN_PART = r"(?:in|from|by|per|to)\s+(?:the|this)\s+(?:(?:given|provided)\s+)?(?:table|document|page|section)\b"
_ACCORDING = (  # according to the filing,
    r"according\s+to\s+(?:the|this)\s+(?:given\s+|provided\s+)?"
    r"(?:information|table|document|data|filing|report|statement)\s*[,?]"
)
_SHOWN_HERE = r"(?:mentioned|described|listed|shown|stated)\s+(?:above|below|here)\b"  # as stated above
_LEANS = re.compile(
    rf"\b{_PASSAGE}|\b{_PART_SHOWN}|\b{_SHOWN_PART}|\b{_IN_PART}|\b{_ACCORDING}|\b{_SHOWN_HERE}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A triplet on its chunk. removed: one of `REASONS`, None where it is kept."""

    chunk: Chunk
    triplet: Triplet
    removed: str | None = None
    detail: str = ""


def check_languages(settings: FilterSettings) -> None:
    """Raises ConfigError for a language that is not known."""
    unknown = [name for name in settings.languages if name not in LANGUAGES]
    if unknown:
        raise ConfigError(f"filters.languages: {unknown[0]!r} is none of {', '.join(LANGUAGES)}")


def review(written: Iterable[tuple[Chunk, Triplet]], settings: FilterSettings) -> Iterator[Decision]:
    """Judges triplets one after another, in order: of near-duplicates the first is kept."""
    near = NearDuplicates(settings.near_duplicate)
    for chunk, triplet in written:
        reason, detail = _fault(chunk, triplet, settings) or ("", "")
        if not reason:
            earlier = near.add(triplet.question, triplet.question, _numbers(triplet))
            if earlier is not None:
                reason, detail = "near-duplicate question", earlier
        yield Decision(chunk, triplet, reason or None, detail)


def _numbers(triplet: Triplet) -> str:
    """Questions that differ in a year or a number are different questions, however alike their words."""
    return " ".join(sorted(re.findall(r"\d+(?:\.\d+)?", squeeze(triplet.question)))) + f" {triplet.answerable}"


def _fault(chunk: Chunk, triplet: Triplet, settings: FilterSettings) -> tuple[str, str] | None:
    question = to_ascii(triplet.question)
    try:
        gold = read_gold(triplet.answer)
    except DataError as error:
        return "answer cannot be read", str(error)
    if (gold.kind == "refusal") == triplet.answerable:
        return "answer does not fit its class", triplet.answer
    if triplet.kind == "yes_no" and gold.kind != "yes_no":
        return "answer does not fit its class", triplet.answer
    leans = _LEANS.search(question)
    if leans:
        return "question leans on the passage", leans[0]
    if settings.languages:
        found = detect_language(f"{triplet.question} {triplet.answer}")
        if found is not None and found not in settings.languages:
            return "language", found
    if not triplet.answerable:
        return None
    if not triplet.evidence:
        return "evidence not in the chunk", "none is quoted"
    for passage in triplet.evidence:
        if not is_quoted(passage, chunk.text):
            return "evidence not in the chunk", passage
    if settings.figures:
        figures = unsupported_figures(triplet.answer, chunk.text, triplet.evidence)
        if figures:
            return "figure without support", "; ".join(figures)
    return None

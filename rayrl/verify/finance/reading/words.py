"""Words of financial prose that carry meaning, stemmed a little."""

import re

_WORD = re.compile(r"[a-z][a-z&']*[a-z]|(?<![\w.])\d+(?:\.\d+)?(?![\w])")
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """
    a an the of in on at by for to from as is are was were be been being and or if it its this that these those with
    which what who whom how much many did does do done has have had not no yes any than then there their they we our
    you your us would could should will can may also such so per based using information provided data question answer
    given use used following round rounded decimal places two one units primarily shown clearly respond response
    please state explain why only into over under about between out more most other some all each both within during
    fiscal year years fy company companies
""",
    )
)
_SUFFIXES = (
    "ingly",
    "edly",
    "ations",
    "ation",
    "ings",
    "ing",
    "ments",
    "ment",
    "ies",
    "ied",
    "ed",
    "es",
    "s",
    "ly",
    "e",
    "y",
)


def stem(word: str) -> str:
    """`word` without its commonest endings: acquisitions -> acquisition -> acquisit."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


def content_words(text: str) -> frozenset[str]:
    """The stems of `text`'s words that say something."""
    return frozenset(stem(word) for word in _WORD.findall(text.lower()) if word not in _EMPTY)

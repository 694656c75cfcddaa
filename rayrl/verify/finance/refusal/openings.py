"""Answers that open with a refusal, and speakers who cannot look things up."""

from rayrl.verify.finance.refusal.rules import rules
from rayrl.verify.finance.refusal.vocabulary import SOURCE, THING, TOLD

_ANSWER = r"^\W*(?:(?:final )?answer\W+)?"

# fmt: off
OPENINGS = rules([
    ("unknown",
     rf"{_ANSWER}(?:unknown|indeterminate|undetermined|insufficient|inconclusive|unanswerable|n/a)(?=\W*$"
     rf"|\s*[,.;:(-])", "Unknown."),
    ("none available",
     rf"{_ANSWER}(?:none (?:available|given|provided|found)|nothing (?:was )?found|no (?:mention|data|answer"
     rf"|details|figures?|context|info(?:rmation)?))(?=\W*$|\s*[,.;:(-])", "No data."),
    ("no info on", rf"{_ANSWER}no info(?:rmation)? (?:on|about)\b", "No info on that"),
    ("not told", rf"{_ANSWER}not (?:{TOLD}|answerable)\b", "Not in the document"),
    ("unclear from", rf"{_ANSWER}un(?:clear|certain)(?=\W*$| (?:from|based|what|whether|how|given|in)\b)",
     "Unclear from the context"),
    ("information insufficient",
     rf"{_ANSWER}(?:{SOURCE}|{THING}) (?:is |are )?(?:insufficient|unavailable|missing|inadequate)\b",
     "Context insufficient"),
    ("no data found", rf"{_ANSWER}no (?:\w+ )?(?:{SOURCE}|{THING}) (?:found|available|provided|given)\b",
     "No context available."),
    ("sorry",
     r"^\W*(?:I(?:'m| am) (?:sorry|afraid)|I apologi[sz]e|apologies\b|sorry\b|regrettably\b).*?(?:\b(?:not|no"
     r"|nothing|neither|none|cannot|unable|cut off|lacks?|missing)\b|n't\b)", "Sorry, no figures for that year."),
    ("unfortunately",
     r"^\W*unfortunately\b(?!,? (?:the company|sales|margins?|revenues?|earnings|profits?"
     r"|growth)\b).*?(?:\b(?:not|no|nothing|neither|none|cannot|unable|cut off|lacks?|missing)\b|n't\b)",
     "Unfortunately I can't"),
])
ACCESS = rules([
    ("knowledge cutoff",
     r"\b(?:as an AI|as of my last (?:knowledge )?update|knowledge cut-?off)\b[^.]*\b(?:not"
     r"|n't)\b[^.]*\b(?:access|real-time|specific financial)\b", "As an AI, it is not for me to access them."),
    ("does not have access", r"\b(?:do(?:es)? not|doesn't|don't) have (?:the ability to |direct |real-time )*access\b",
     "The reader does not have access to it."),
    ("I have no access", r"\b(?:I|we) have no (?:\w+ )?access\b", "We have no live access."),
    ("my knowledge ends", r"\bmy (?:knowledge|training(?: data)?) (?:ends?|only|stops?|does not|doesn't)\b",
     "My knowledge ends in 2021"),
    ("beyond my knowledge", r"\bbeyond my (?:knowledge|training)\b", "That is beyond my training."),
])
# fmt: on

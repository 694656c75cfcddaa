"""Which language a text is in, by its commonest words: enough to keep or leave out, and no model to load."""

import re
from collections import Counter

_WORDS = {
    "en": "the of and to in is was what for how did which by that from are were does have than",
    "de": "der die das und ist war wie von mit für im den dem des ein eine nicht wurde hat welche",
    "fr": "le la les des et est une dans pour que qui du au aux quel quelle par sur ont été",
    "es": "el la los las y es una en para que del por con cuál qué fue se su como cómo",
    "it": "il la gli delle e è una nel per che di del con quale qual sono stato come nella dei",
    "pt": "o os as e é uma em para que do da dos das com qual foi não como no na",
    "nl": "de het een en is van voor dat met op wat welke zijn was niet hoe aan door bij naar",
}
_COMMON = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_OTHER_SCRIPT = re.compile(r"[\u0370-\u1fff\u3040-\ud7ff]")
LANGUAGES = tuple(_WORDS)


def detect_language(text: str) -> str | None:
    """A code of `LANGUAGES`, `other` for another script, None where too little says (a table, a name)."""
    letters = [character for character in text if character.isalpha()]
    if letters and sum(bool(_OTHER_SCRIPT.match(letter)) for letter in letters) > 0.3 * len(letters):
        return "other"
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = Counter({name: sum(word in common for word in words) for name, common in _COMMON.items()})
    (best, most), (_, second) = counts.most_common(2)
    return best if most >= 2 and most > second else None

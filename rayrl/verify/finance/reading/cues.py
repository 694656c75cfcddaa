"""Words by which a response announces its conclusion."""

import re

CONCLUDES = re.compile(
    r"^\W*(?:therefore|so|thus|hence|in\s+(?:conclusion|summary|short)|overall|finally|round(?:ed|ing)|consequently)\b"
    r"|\banswer\b[^.]{0,40}?(?:\bis\b|:|=)|\b(?:is|are)\s+therefore\b|\brounded\s+to\b|^\W*(?:final\s+)?answer\b",
    re.IGNORECASE,
)

r"""Financial text without LaTeX, before anything reads it: `$1{,}940$ million` -> `1,940 million`, `\$5` -> `$5`.

A dollar sign that opens or closes a formula goes, one before a price stays. Boxes, fractions and the signs of
arithmetic stay; an arrow from a calculation to its result is an equals sign. Every search is linear.
"""

import re

NESTED = 3

_FORMULA = re.compile(r"(?<![\\\w$])\$(?=[^\s)$])((?:[^$\\\n]|\\.){1,400})(?<![\s\\])\$(?![\d(]|\.\d|-\s?[\d$])")
_PROSE = re.compile(r"(?<!\\)\b[A-Za-z]{3,}\s+[A-Za-z]{2,}\b")
_DELIMITER = re.compile(r"[ \t]?(?:(?<!\\)\$\$|\\[()\[\]])[ \t]?")
_WORDS = re.compile(r"[ \t]?\\(?:text\w{0,6}|math\w{2,4}|mbox|operatorname)[ ]?\{([^{}]{0,400})\}[ \t]?")
_FIGURE = re.compile(r"[-+\d.,%\\$€£¥]+")
_SIGN = re.compile(r"\\(?:([$%#&])|(pounds|textsterling|euro|texteuro|yen|textyen|textdollar)(?![A-Za-z])(?:\{\})?)")
_SIGN_OF = {"pounds": "£", "textsterling": "£", "euro": "€", "texteuro": "€", "yen": "¥", "textyen": "¥"}
_GROUPED = re.compile(r"(?<=\d)(?:\\[,;: ]|\{\\,\}|~)(?=\d{3}(?!\d))")
_SPACE = re.compile(r"[ \t]?(?:\\[,;:> ]|(?<=[\d}])~(?=[ A-Za-z\\]))[ \t]?")
_LOOKS = re.compile(r"\\(?:!|(?:left|right|displaystyle)(?![A-Za-z])|(?:begin|end)\{[a-z*]{1,20}\})|\{\}|(?<=\s)&(?==)")
_POWER = re.compile(r"(?<=\d)\s?(?:\\times|\\cdot)\s*10\s?\^\s?\{?([+-]?\d{1,2})(?!\d)\}?")
_ARROW = re.compile(r"\\(?:to|implies|(?:[lL]ong)?[rR]ightarrow)(?![A-Za-z])|[→⇒⟶⟹]|(?<![-=<])[-=]>")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_LINE = re.compile(r"\\\\(?:\[\w{1,8}\])?")
_CONTINUED = re.compile(r"[ \t]?\n\s{0,20}=(?=\s)")
_WIDE = re.compile(r"\\q?quad(?![A-Za-z])")


def _is_formula(content: str) -> bool:
    """False for what stands between two prices: `$5 a share (or $`."""
    return not _PROSE.search(_WORDS.sub("", content)) and content.count("(") == content.count(")")


def _without_dollars(text: str) -> str:
    """`text` without the dollar signs around formulas."""
    parts, start, at = [], 0, 0
    while match := _FORMULA.search(text, at):
        at = match.start() + 1
        if _is_formula(match[1]):
            parts += [text[start : match.start()], match[1]]
            start = at = match.end()
    return "".join((*parts, text[start:]))


def _unwrapped(match: re.Match[str]) -> str:
    """Words between spaces; a figure where it stands, as in `-\\mathbf{3.2}\\%`."""
    content = match[1].strip()
    return match[0].replace(match[0].strip(), content) if _FIGURE.fullmatch(content) else f" {content} "


def unlatex(text: str) -> str:
    """`text` as it would be written without LaTeX; a line that goes on with `=` ends the one before it."""
    text = _without_dollars(_DELIMITER.sub(" ", text.replace("{,}", ",")))
    if "\\" in text:
        text = _WIDE.sub("  ", _LOOKS.sub("", _FRACTION.sub(r"\\frac", _LINE.sub("\n", text))))
        for _ in range(NESTED):
            text = _WORDS.sub(_unwrapped, text)
        text = _SPACE.sub(" ", _POWER.sub(r"e\1", _GROUPED.sub(",", text)))
        text = _SIGN.sub(lambda match: match[1] or _SIGN_OF.get(match[2], "$"), text)
    return _CONTINUED.sub(" =", _ARROW.sub("=", _GROUPED.sub(",", text)))

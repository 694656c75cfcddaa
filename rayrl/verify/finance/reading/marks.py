r"""What marks an answer: a box, a tag, hashes, bold face. A mark takes in what stands right beside it:
`-\boxed{1.5} billion` -> `\boxed{-1.5 billion}`.
"""

import re

from rayrl.verify.extract import HASHES, boxed
from rayrl.verify.finance.reading import currencies
from rayrl.verify.finance.reading.amounts import PERCENT
from rayrl.verify.finance.reading.scales import SCALE
from rayrl.verify.text import plain

_IN = r"\(?in\ (?:USD\ |US\ |\$)?(?:thousand|million|billion)s?(?:\ of\ (?:US\ )?dollars)?\)?"
_UNIT = rf"(?:{PERCENT}|x(?!\w)|{SCALE}(?:\ (?:{currencies.UNIT}))?|{currencies.UNIT}|{_IN})"
_BEFORE = rf"(?P<minus>(?<![\w)%])(?<![\d)%]\ )-)?(?P<sign>{currencies.SIGN})?\ ?"
_AFTER = rf"(?P<after>\ {{0,2}}{_UNIT})?"
_INNER = r"(?P<inner>[^{}]{0,200}(?:\{[^{}]{0,100}\}[^{}]{0,100}){0,4})"
_BOX = re.compile(rf"{_BEFORE}(?P<open>\\(?:boxed|fbox)\ ?\{{){_INNER}(?P<close>\}}){_AFTER}", re.VERBOSE)
_TAG = re.compile(rf"(?P<open><answer>)\s*(?P<inner>[^<]{{1,200}}?)\s*(?P<close></answer>){_AFTER}", re.VERBOSE)
_BOLD = re.compile(rf"(?<=\d)\*\*(?=\ ?{_UNIT})", re.VERBOSE)
_NAMED = re.compile(rf"{PERCENT}|{currencies.SIGN}", re.VERBOSE)


def _taken_in(match: re.Match[str]) -> str:
    part = {"minus": "", "sign": "", "after": "", **{name: text or "" for name, text in match.groupdict().items()}}
    sign = "" if _NAMED.search(part["inner"] + part["after"]) else part["sign"]
    return f"{part['open']}{part['minus']}{sign}{part['inner']}{part['after']}{part['close']}"


def with_neighbors(text: str) -> str:
    """`text`, free of LaTeX, with the sign, currency and unit beside each box, tag or bold number moved into it."""
    if "\\boxed" in text or "\\fbox" in text:
        text = _BOX.sub(_taken_in, text)
    if "<answer>" in text:
        text = _TAG.sub(_taken_in, text)
    return _BOLD.sub("", text)


def marked_part(response: str) -> str | None:
    """What stands in the last box, in the last `<answer>`, or after the last `####`."""
    box = boxed(response)
    if box is not None and box.strip():
        return plain(box)
    _, tag, after = response.rpartition("<answer>")
    content = after.partition("</answer>")[0].strip() if tag else ""
    lines = HASHES.findall(response) if not content else []
    return content or (lines[-1].strip() if lines else None)

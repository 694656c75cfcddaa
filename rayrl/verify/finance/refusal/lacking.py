"""Does one sentence say that an answer is not to be had? The ways in which English says so, one pattern each."""

import re
from functools import lru_cache

from rayrl.verify.finance.refusal.concession import answers_anyway

MAX_SENTENCE = 1000
MAX_HEADING = 100

_SOURCE = (
    r"(?:summary|articles?|messages?|prompts?|inputs?(?:\s+text)?|requests?|data\s*sets?|texts?|filings?|documents?|contexts?|information|excerpts?|extracts?|passages?|data|reports?|exhibits?|evidence|"
    r"statements?|materials?|details?|10-[KQ]|8-K|tables?|sources?|snippets?|pages?|graph|question|pieces|content|notes?|"
    r"sheets?|sections?|chunks?|search\s+results)"
)
_THING = (
    r"(?:discussions?|descriptions?|explanations?|information|data|details?|figures?|numbers?|values?|mention|reference|breakdown|disclosures?|answers?|"
    r"statements?)"
)
_TELL = (
    r"(?:provide|include|contain|mention|specify|give|disclose|state|offer|detail|address|cover|supply|present|report|show|"
    r"reveal|discuss|say|tell|break\s+(?:\w+\s+)?(?:out|down)|list|pertain|relate|quantify|allow|permit|help|enable|explain|describe|publish|hold|go\s+into|elaborate|deal\s+with|touch\s+(?:up)?on|comment\s+on|clarify|refer"
    r"|indicate\s+(?:what|how|who|when|why|where|which|whether))"
)
_TELLS = (
    r"(?:contain|include|give|provide|show|provides|includes|contains|mentions|specifies|gives|discloses|states|offers|details|addresses|covers|supplies|"
    r"presents|reports|shows|reveals|indicates|discusses|says|tells|talks|lists|has|have|makes|make)"
)
_FIND = (
    r"(?:determined?|calculated?|answer(?:ed)?|provided?|assess(?:ed)?|computed?|find|found|derived?|given?|estimated?"
    r"|confirm(?:ed)?|located?|identif(?:y|ied)|extract(?:ed)?|evaluated?|verif(?:y|ied)|access(?:ed)?|judged?|tell|told"
    r"|ascertain(?:ed)?|establish(?:ed)?|deduced?|inferr?(?:ed)?|quantif(?:y|ied)|measured?|work(?:ed)?\s+(?:(?:it|this|that)\s+)?out|do|done|complete|get|read|make|read\s+from"
    r"|obtain(?:ed)?|retrieved?|see|compared?|analy[sz]ed?|draw|drawn|made|browse|perform(?:ed)?|know)"
)
_TOLD = (
    r"(?:provided|specified|mentioned|available(?!\s+in\s+(?:time|sufficient|enough))|disclosed|given|contained|present|computable|known|said|stated|found|shown|listed|"
    r"detailed|reported|published|determinable|calculable|supplied|broken\s+(?:out|down)|attached|discussed|addressed|"
    r"covered(?!,?\s+(?:with\b|by\s+(?!the|this|these)))|indicated|revealed|released|told|named\s+(?:in|by)\b|quantified|made\s+(?:public|available)|there\b|feasible|"
    rf"possible(?!\s+to\s+(?!{_FIND}|say|help|assist))|included(?!\s+in\s+(?!(?:the|this|these|that|what|your)\s+(?:\w+\s+){{0,2}}{_SOURCE}))|"
    rf"(?:part\s+of|in|among|within)\s+(?:the|what|this|that|my|your)\s+(?:\w+\s+)?(?:{_SOURCE}|was)\b)"
)
_GIVEN_SOURCE = rf"(?:the|this|these|those|any|your|my|what)\s+(?:\w+\s+){{0,2}}?{_SOURCE}\b"
_IN = r"(?:[^.;]|(?<=\d)\.(?=\d))"
_ADVERBS = r"(?:\w+\s+){0,2}?"
_CANNOT = r"(?:cannot|can\s+not|can't|could\s+not|couldn't)"
_NEGATED = r"(?:(?:does|do|did|would|will)(?:\s+not|n't)|fails?\s+to|failed\s+to)"
_SPEAKER = r"(?:(?:\b(?:I|we|you|one|and|so|therefore|thus|hence|it|they)\b|^|,)\W{0,3})"

_LACKING = re.compile(
    rf"""
    # the source is silent
    \b{_SOURCE}\b{_IN}{{0,120}}?\b(?:
        {_NEGATED}\s+{_ADVERBS}(?:{_TELL}|appear\s+(?:in|on)|(?:appear|seem)\s+to\s+(?:\w+\s+)?{_TELL}|have\s+{_ADVERBS}{_THING})
        |lacks?\b|(?:is|are)\s+(?:{_ADVERBS}(?:missing|insufficient|inadequate|absent|silent|cut\s+off|truncated|incomplete)
            |not\s+sufficient)
        |(?:has|have)\s+been\s+cut\s+off|{_TELLS}\s+(?:no\b|nothing\b|neither\b|none\s+of\b)
        |{_TELLS}\b{_IN}{{0,60}}\bonly\W*$|(?:omits?|leaves?\s+out|skips?|ends?\s+before|(?:is|are)\s+too\s+(?:short|brief|limited|vague|general|narrow|few))\b
        |{_TELLS}\b{_IN}{{0,80}}\b(?:but|and)\s+no\b
    )
    |(?:\bthe\s+(?:company|firm|group|issuer|bank|\w+)|\bmanagement|\bthey)\s+{_NEGATED}\s+{_ADVERBS}
        (?:disclose|break\s+(?:\w+\s+)?(?:out|down)|reveal|specify|publish|quantify|provide\s+(?:this|that|the|such|any|these)\s+(?:\w+\s+)?{_THING})\b
    |\byou\s+(?:did\s+not|didn't|have\s+not|haven't)\s+(?:told|tell|provide|supplied|supply|attach|share|given?|include|upload)(?:d|ed)?\b
    |\b{_NEGATED}\s+report\b[^.]{{0,60}}\bseparately\b
    |\b(?:it|they)\s+{_NEGATED}\s+{_ADVERBS}(?:say|tell|specify|touch|mention|discuss|go\s+into|address|state)\b|\bit\s+(?:says|gives|contains|provides)\s+(?:nothing|no)\b
    |\bneither\s+(?:of\s+\w+\s+)?(?:is|are|was|were)\s+{_TOLD}
    |\bno\s+(?:context|documents?|text|file|table|filing|source|excerpt|evidence)\s+(?:was|were|has\s+been)\s+{_TOLD}
    |\b(?:nothing|none|nowhere|neither)\b{_IN}{{0,40}}\b{_SOURCE}\b{_IN}{{0,80}}?\b(?:{_TELL}|{_TELLS}|{_TOLD})\b
    |\bI\s+(?:don't|do\s+not)\s+(?:think|believe|see)\b{_IN}{{0,80}}\b(?:{_SOURCE}|answer|{_THING})\b
    # what is asked for is not there
    |\bno\s+{_ADVERBS}(?:information|data|details?|breakdown|disclosures?)\b[^.]{{0,60}}
        \b(?:about|on|regarding|of|for|to|available|provided|given|related|found|by|in)\b
    |\bno\s+{_ADVERBS}(?:mention|reference|discussion|description|explanation)\s+(?:is|was|of|to)\b(?!\s+any\b)
    |\bno\s+{_ADVERBS}(?:mention|references?|figures?|numbers?|values?|amounts?|lines?|{_THING})\b{_IN}{{0,80}}\b(?:in|from|within)\s+{_GIVEN_SOURCE}
    |\b(?:find|found|see|saw|locate[d]?)\s+no\b|\bnever\s+{_ADVERBS}(?:{_TELLS}|{_TOLD})\b
    |\b{_NEGATED}\s+{_ADVERBS}{_TELL}\s+the\s+(?:relevant|necessary|required|requested|needed)\b
    |\b{_NEGATED}\s+{_ADVERBS}{_TELL}\b{_IN}{{0,80}}\b(?:in|within)\s+{_GIVEN_SOURCE}
    |\b(?:but|yet)\s+(?:it\s+)?{_NEGATED}\s+{_ADVERBS}{_TELL}\b
    |\b(?:has|have)(?:\s+not|n't)\s+{_ADVERBS}(?:provided|disclosed|given|specified|included|published|detailed|quantified)\s+(?:the|this|that|these)\b
    |\bbut\s+not\s+(?:the\s+one|that|those|for|in)\b|\bnothing\s+(?:is|was)\s+{_TOLD}|\bnothing\s+(?:is|was)\s+said\b
    |\bif\b{_IN}{{0,60}}\b(?:were|was|had\s+been)\s+(?:known|given|provided|available|included)\b
    |\b(?:there(?:'s|\s+is|\s+was)|but|{_TELLS}|find|found)\s+nothing\s+(?:in\s+\w+\s+)?(?:on|about|for|regarding|of\s+the\s+sort)\b|\b(?:falls?|fell)\s+short\s+of\b|\b{_SOURCE}\s+(?:stops?|ends?)\s+(?:at|in)\b
    |\b(?:outside|beyond)\s+(?:of\s+)?(?:the\s+scope|what|the\s+\w*\s*{_SOURCE})\b|\b(?:must|will|has\s+to|remains?)\s+(?:remain\s+)?(?:unanswered|open)\b
    |\bno\s+(?:\w+\s+)?(?:reasons?|explanations?|details|specifics|causes?|drivers?)\s+(?:is|are|was|were)\s+{_TOLD}
    |\b(?:has|have)(?:\s+not|n't)\s+(?:given|provided|offered)\s+(?:an?|any)\s+(?:reasons?|explanations?|details?|breakdown)\b
    |\bneither\b{_IN}{{0,80}}\bnor\b{_IN}{{0,80}}\b(?:is|are|was|were)\s+{_TOLD}
    |\bno\s+(?:such|relevant|specific|matching)\s+{_THING}\b
    |\bno\s+{_ADVERBS}(?:answer|conclusion|figure|calculation|\w+\s+ratio)\b[^.]{{0,20}}\b(?:can|could|is\s+(?:possible|given))\b
    |(?:(?<!has)(?<!have)(?<!had)(?<!did)(?<!does)(?<!do)(?:\s+not|n't)|(?:\bnot|n't)\s+(?:yet\s+)?been)\s+{_ADVERBS}{_TOLD}
    |(?:\bnot|n't)\s+something\s+(?:that\s+)?(?:I|we|is|the)\b|\bthere\s+is\s+nothing\s+(?:about|on|regarding)\b|\b(?:irrelevant|not\s+relevant|unrelated)\s+to\s+(?:the|this|your)\s+question\b|\bno\s+evidence\b[^.]{{0,60}}\bto\s+(?:determine|answer|assess)\b
    |\b(?:has|have)(?:\s+not|n't)\s+yet\s+(?:published|reported|disclosed|released)\b
    |\b(?:is|are|was|were)\s+(?:\w+\s+)?(?:missing|absent|unavailable|undisclosed)\b
    |\b(?:undisclosed|unspecified|unreported)\s*\W*$|\b(?:is|are|remains?)\s+{_ADVERBS}(?:unknown|unclear|undisclosed|unspecified|undetermined|indetermina(?:te|ble))\b
    |\bit(?:'s|\s+is)\s+(?:un|not\s+(?:\w+\s+)?)(?:clear|certain|known)\b[^.]{{0,60}}\b(?:from|based|what|how|which|whether|if)\b
    # an answer is not possible
    |\b{_CANNOT}\s+{_ADVERBS}be\s+(?:\w+\s+)?{_FIND}\b
    |{_SPEAKER}(?:am\s+|are\s+|is\s+)?(?:\w+ly\s+)?{_CANNOT}\s+{_ADVERBS}{_FIND}\b
    |\b{_CANNOT}\s+{_ADVERBS}(?:determine|calculate|answer|compute|assess|ascertain|(?:assist|help)\s+(?:you\s+)?with)\b
    |(?:(?:\b(?:I|we|you|it|I'm|am|are|be|currently)\s+(?:was\s+|were\s+)?{_ADVERBS}|^\W*|,\s*)(?:unable|not\s+able)
        |(?:\b(?:it|is|be|makes?)\s+|(?:it|that)'s\s+|^\W*|,\s*){_ADVERBS}(?:impossible|not\s+possible|not\s+feasible))\s+to\s+(?:\w+\s+)?(?:{_FIND}|say|assist|help)\b
    |\b(?:it(?:'s|\s+is|\s+would\s+be)?|makes\s+it)\s+{_ADVERBS}(?:difficult|hard)\s+to\s+(?:\w+\s+)?(?:{_FIND}|say)\b
    |\b(?:calculation|answer|determination|assessment|conclusion|comparison)\s+(?:is|would\s+be)\s+(?:\w+\s+)?impossible\b
    |\b{_CANNOT}\s+{_ADVERBS}be\s+(?:used|concluded)\b{_IN}{{0,20}}\b(?:to|from|based|whether)\b
    |\b(?:would|will)\s+be\s+(?:inaccurate|speculative|misleading|irresponsible|inappropriate|premature|unwise|wrong|guessing)\s+(?:to|for)\b(?!\s+(?:say|claim|state|suggest|assert)\s+that\b)
    |\bno\s+(?:\w+\s+){{1,3}}(?:can|could)\s+be\s+(?:{_FIND}|offered|reached)\b
    |\bno\s+(?:basis|means)\s+(?:on|for|to|of|by)\b|\bnot\s+(?:touch(?:ed)?\s+(?:up)?on|in\s+a\s+position\s+to|privy\s+to)\b
    |\b(?:unanswerable|incalculable|indetermina(?:te|ble))\b|\b(?:wrong|(?:from|for|about|on)\s+(?:a|another|some)\s+(?:different|other)?)\s*{_SOURCE}\b|\b(?:about|for|from|to)\s+(?:a\s+different|another)\s+(?:company|firm|year|period|subject|topic)\b
    |\bwhat(?:'s|\s+is)\s+missing\b|\b(?:ends?|stops?|breaks?\s+off|cuts?\s+off)\s+(?:abruptly|before|short)\b
    |\bthe\s+user\s+(?:would|must|should|needs?)\b|\bit\s+(?:doesn't|does\s+not)\W*$
    |\byou(?:'ll|\s+will)\s+(?:need|have)\s+to\s+(?:provide|share|send|consult|check|refer|look|supply|obtain|find)\b
    |{_SPEAKER}{_CANNOT}\s+(?:say|tell|answer)\W*$
    |\bno\s+way\s+(?:for\s+me\s+)?(?:to|of)\s+(?:{_FIND}|\w+ing)\b
    |\b(?:I|we|one)\s+{_CANNOT}\s+say\s+(?:for\s+(?:sure|certain)|with\s+certainty|whether|how|what|which|why|who|when|by)
    |\b(?:would|will)\s+be\s+(?:a\s+guess|guesswork|speculati\w+)\b
    |\b(?:I|we)\s+(?:do(?:\s+not|n't)|cannot|can't)\s+(?:have|know|access|find|provide|retrieve|see\s+(?:it|this|that|the|any\s+(?:information|data|mention|figures?)))\b
    |\b(?:I|we)\s+(?:currently\s+)?(?:lack|am\s+missing|are\s+missing|(?:do\s+not|don't)\s+possess)\b
    |\b(?:I|we)\s+have\s+no\s+(?:\w+\s+){{0,2}}?(?:information|data|access|knowledge|record|details)\b
    |\b(?:I\s+am|I'm|we\s+are|we're)\s+not\s+(?:sure|certain|aware)\b
    |\bwithout\s+(?:\w+\s+){{0,4}}(?:information|data|figures|documents|context|details|statements?|sheets?)\b[^.]*
        \b(?:cannot|can't|not\s+possible|unable|impossible)
    # more is needed
    |\b(?:I|we|you|one)\s*(?:'d|would)\s+(?:\w+\s+)?(?:need|require)\b(?!\s+to\s+(?:calculate|compute|divide|subtract|add)\b)(?!\s+\$?\d[\d.,]*\s+(?:\w+\s+)?(?:years|months|days|times|shares|more|[mb]illion)\b)
    |\b(?:I|we|you|one)\s*(?:'d|would)\s+have\s+to\s+(?:\w+\s+)?(?:look|find|check|consult|refer|see|obtain|know|have|locate|review)\b
    |\bI\s+(?:would\s+)?(?:need|require)\b|\bI(?:'d|\s+would)\s+(?:want|have|like)\s+to\s+see\b|\b(?:we're|we\s+are|I'm|I\s+am)\s+missing\b
    |\bwould\s+(?:be\s+(?:necessary|needed|required)\s+to\s+(?:have|know|see|consult|review)|(?:have|need)\s+to\s+be\s+(?:consulted|reviewed|checked))\b
    |\b(?:answering|computing|calculating|determining|assessing)\b{_IN}{{0,60}}\b(?:would\s+)?requires?\b
    |(?:\bnot|n't)\s+(?:\w+\s+)?(?:enough|sufficient)\s+(?:\w+\s+)?(?:information|data|context|details?|here)
    |(?:\bnot|n't)\s+(?:enough|sufficient)\s+(?:\w+\s+)?(?:to|for)\b
    |\b(?:insufficient|inadequate|too\s+little|lack\s+of|lacking)\s+{_ADVERBS}(?:information|data|context|details?|figures?)
    |\b(?:more|additional|further|specific)\s+(?:\w+\s+){{0,2}}(?:information|data|context|details?)\s+
        (?:is|are|would\s+be)\s+(?:needed|required|necessary)
    |\b(?:if|once|please)\s+(?:you\s+)?(?:can\s+|could\s+)?(?:provide|share|supply|upload|paste|attach|send|give\s+me)\b
    |\b{_SOURCE}\s+only\s+(?:has|have|gives|holds)\b
    |\b(?:could|can|would)\s+you\s+(?:please\s+)?(?:provide|share|supply|upload|paste|attach)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ASIDE = re.compile(
    r"(?<=[\d%])\s*\([^()]*\)|,\s+(?:which|not|though|although|if)\b[^,;.]{0,80},(?=\s+(?:is|was|are|were|amounts?|comes?|came|works?|equals|fell|rose)\b)|,\s+whose\b[^,;.]{0,80},",
    re.IGNORECASE,
)
_HOWEVER = re.compile(r",\s+(?:however|though|unfortunately|therefore),\s+", re.IGNORECASE)
_BASIS = re.compile(
    r"^\W*(?:as\s+of\s+(?:my|the)\s+(?:last|latest|knowledge)|based\s+(?:\w+\s+)?(?:up)?on|according\s+to|from|given|in|per|judging\s+by|after|upon|as\s+per)\b[^,;]{0,200},\s*",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"^\W*(?:(?:final\s+)?answer\W+)?(?:(?:unknown|indeterminate|undetermined|insufficient|inconclusive|none\s+(?:available|given|provided|found)|unanswerable|n/a|nothing\s+(?:was\s+)?found|no\s+(?:mention|data|answer|details|figures?|context|info(?:rmation)?))(?=\W*$|\s*[,.;:(-])|no\s+info(?:rmation)?\s+(?:on|about)\b|not\s+(?:{_TOLD}|answerable)\b"
    rf"|un(?:clear|certain)(?=\W*$|\s+(?:from|based|what|whether|how|given|in)\b)|un(?:available|specified|disclosed)(?=\W*$|\s+(?:in|from|by)\b)|(?:{_SOURCE}|{_THING})\s+(?:is\s+|are\s+)?(?:insufficient|unavailable|missing|inadequate)\b"
    rf"|no\s+(?:\w+\s+)?(?:{_SOURCE}|{_THING})\s+(?:found|available|provided|given)\b)",
    re.IGNORECASE,
)
_APOLOGY = re.compile(
    r"^\W*(?:I\s+don't\s+know|I\s+do\s+not\s+know"
    r"|(?:I(?:'m|\s+am)\s+(?:sorry|afraid)|I\s+apologi[sz]e|apologies\b|sorry\b|unfortunately\b(?!,?\s+(?:the\s+company|sales|margins?|revenues?|earnings|profits?|growth)\b)|regrettably\b)"
    r".*?(?:\b(?:not|no|nothing|neither|none|cannot|unable|cut\s+off|lacks?|missing)\b|n't\b))",
    re.IGNORECASE | re.DOTALL,
)
_NO_ACCESS = re.compile(
    r"\b(?:as\s+an\s+AI|as\s+of\s+my\s+last\s+(?:knowledge\s+)?update|knowledge\s+cut-?off)\b[^.]*\b(?:not|n't)\b[^.]*\b(?:access|real-time|specific\s+financial)\b"
    r"|\b(?:do(?:es)?\s+not|doesn't|don't)\s+have\s+(?:the\s+ability\s+to\s+|direct\s+|real-time\s+)*access\b"
    r"|\b(?:I|we)\s+have\s+no\s+(?:\w+\s+)?access\b|\bmy\s+(?:knowledge|training(?:\s+data)?)\s+(?:ends?|only|stops?|does\s+not|doesn't)\b"
    r"|\bbeyond\s+my\s+(?:knowledge|training)\b",
    re.IGNORECASE,
)
_ALL_THE_SAME = re.compile(
    r"\b(?:but|although|though|while|however|so)\b.*?(?:=|≈|\bgives\b|\byields\b|\bcomes?\s+to\b|\bworks?\s+out\b|\bcomputed\s+as\b"
    r"|\bcalculated\s+as\b|\bderived\s+as\b|\bI\s+used?\b).*?\d|\d.*,\s*so\b[^.;]*\b(?:is|was|are|were)\b.*?\d|\b(?:since|as|because)\b.*,\s*I\s+used?\b",
    re.IGNORECASE | re.DOTALL,
)


_REFERS = re.compile(
    r"^\W*(?:you\s+(?:can|could|may|might|will|would|should)\s+(?:need\s+to\s+)?(?:find|look|check|consult|refer|review|obtain|see)\b"
    r"|(?:please\s+)?(?:consult|refer\s+to|check|review|visit|see\s+the\s+company)\b"
    r"|(?:one|you)\s+(?:should|would|can|could|must)\s+(?:look|review|consult|check|see)\b|(?:it\s+is|it's)\s+best\s+to\b"
    r"|I(?:'d|\s+would)?\s+(?:recommend|suggest|advise)\b)"
    r"|\bplease\s+(?:also\s+)?(?:consult|refer|check|see|review|visit)\b"
    r"|\bfor\s+(?:this|that|the|such|more|further)\b[^.;]{0,60},\s*(?:please\s+)?(?:consult|refer|check|see|review|visit)\b"
    r"|\b(?:can|may|might|will|would|should)\s+(?:\w+\s+)?be\s+(?:found|obtained|located|available)\b"
    r"|^\W*(?:for|to\s+(?:get|obtain|find))\b[^.;]{0,60},\s*(?:it\s+is\s+best\s+to|(?:one|you)\s+(?:should|would|can|could|must))\b",
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
    r"|\b(?:is|are)\s+(?:an?|one|the)\s+(?:[\w'-]+\s+){0,4}(?:measures?|metrics?|ratios?|indicators?|compan(?:y|ies)|firms?|banks?|retailers?)\b"
    r"|^\W*the\s+formula\b"
    r"|^(?:[\w'-]+\s+){1,5}(?:compares|measures|indicates|shows\s+how)\b|\b\w+\s+is\s+\w+(?:\s+\w+){0,3}\s+(?:less|minus|divided\s+by|over)\b"
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
    return bool(_BACKGROUND.search(text)) and not lacks(text)


def denies_access(text: str) -> bool:
    """Whether one sentence says that its speaker cannot look things up."""
    return bool(_NO_ACCESS.search(text)) and not answers_anyway(text, _says)


@lru_cache(maxsize=256)  # a verdict asks several times of each sentence
def lacks(text: str) -> bool:
    """Whether one sentence says that what is asked for is not to be had, and does not give it all the same."""
    text = _ASIDE.sub("", text)
    text = _HOWEVER.sub(" ", text)
    return _says(text) and not _ALL_THE_SAME.search(text) and not answers_anyway(text, _says)


@lru_cache(maxsize=256)
def _says(text: str) -> bool:
    return bool(
        _LACKING.search(_BASIS.sub("", text)) or _BARE.match(text) or _APOLOGY.search(text) or _NO_ACCESS.search(text)
    )

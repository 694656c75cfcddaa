"""Words of the rules for refusals. A blank stands for any white space, as in the rules."""

SOURCE = (
    r"(?:summary|articles?|messages?|prompts?|inputs?(?: text)?|requests?|data\s*sets?|texts?|filings?|documents?"
    r"|contexts?|information|excerpts?|extracts?|passages?|data|reports?|exhibits?|evidence|statements?|materials?"
    r"|details?|10-[KQ]|8-K|tables?|sources?|snippets?|pages?|graph|question|pieces|content|notes?|sheets?|sections?"
    r"|chunks?|search results)"
)
THING = (
    r"(?:discussions?|descriptions?|explanations?|information|data|details?|figures?|numbers?|values?|mention|reference"
    r"|breakdown|disclosures?|answers?|statements?)"
)
TELL = (
    r"(?:provide|include|contain|mention|specify|give|disclose|state|offer|detail|address|cover|supply|present|report"
    r"|show|reveal|discuss|say|tell|break (?:\w+ )?(?:out|down)|list|pertain|relate|quantify|allow|permit|help|enable"
    r"|explain|describe|publish|hold|go into|elaborate|deal with|touch (?:up)?on|comment on|clarify|refer"
    r"|indicate (?:what|how|who|when|why|where|which|whether))"
)
TELLS = (
    r"(?:contain|include|give|provide|show|provides|includes|contains|mentions|specifies|gives|discloses|states|offers"
    r"|details|addresses|covers|supplies|presents|reports|shows|reveals|indicates|discusses|says|tells|talks|lists|has"
    r"|have|makes|make)"
)
FIND = (
    r"(?:determined?|calculated?|answer(?:ed)?|provided?|assess(?:ed)?|computed?|find|found|derived?|given?|estimated?"
    r"|confirm(?:ed)?|located?|identif(?:y|ied)|extract(?:ed)?|evaluated?|verif(?:y|ied)|access(?:ed)?|judged?|tell"
    r"|told|ascertain(?:ed)?|establish(?:ed)?|deduced?|inferr?(?:ed)?|quantif(?:y|ied)|measured?"
    r"|work(?:ed)? (?:(?:it|this|that) )?out|do|done|complete|get|read|make|read from|obtain(?:ed)?|retrieved?|see"
    r"|compared?|analy[sz]ed?|draw|drawn|made|browse|perform(?:ed)?|know)"
)
_INCLUDED = rf"included(?! in (?!(?:the|this|these|that|what|your) (?:\w+ ){{0,2}}{SOURCE}))"
_COVERED = r"covered(?!,? (?:with\b|by (?!the|this|these)))"
_PART = rf"(?:part of|in|among|within) (?:the|what|this|that|my|your) (?:\w+ )?(?:{SOURCE}|was)\b"
TOLD = (
    r"(?:provided|specified|mentioned|available(?! in (?:time|sufficient|enough))|disclosed|given|contained|present"
    r"|computable|known|said|stated|found|shown|listed|detailed|reported|published|determinable|calculable|supplied"
    rf"|broken (?:out|down)|attached|discussed|addressed|{_COVERED}|indicated|revealed|released|told"
    r"|named (?:in|by)\b|quantified|made (?:public|available)|there\b|feasible"
    rf"|possible(?! to (?!{FIND}|say|help|assist))|{_INCLUDED}|{_PART})"
)
THE_SOURCE = rf"(?:the|this|these|those|any|your|my|what) (?:\w+ ){{0,2}}?{SOURCE}\b"
COMPANY = r"(?:\bthe (?:company|firm|group|issuer|bank|\w+)|\bmanagement|\bthey)"
ADVERBS = r"(?:\w+ ){0,2}?"
CANNOT = r"(?:cannot|can not|can't|could not|couldn't)"
NEGATED = r"(?:(?:does|do|did|would|will)(?: not|n't)|fails? to|failed to)"
SPEAKER = r"(?:(?:\b(?:I|we|you|one|and|so|therefore|thus|hence|it|they)\b|^|,)\W{0,3})"


def near(characters: int) -> str:
    """At most so many characters of one clause."""
    return rf"(?:[^.;]|(?<=\d)\.(?=\d)){{0,{characters}}}"


SOURCE_THEN = rf"\b{SOURCE}\b{near(120)}?\b"

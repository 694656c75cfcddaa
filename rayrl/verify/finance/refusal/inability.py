"""An answer is not possible, the speaker has nothing to go by, or more is needed."""

from rayrl.verify.finance.refusal.rules import rules
from rayrl.verify.finance.refusal.vocabulary import ADVERBS, CANNOT, FIND, SOURCE, SPEAKER, near

# fmt: off
_IMPOSSIBLE = [
    ("cannot be found", rf"\b{CANNOT} {ADVERBS}be (?:\w+ )?{FIND}\b", "EPS can't be computed"),
    ("I cannot find", rf"{SPEAKER}(?:am |are |is )?(?:\w+ly )?{CANNOT} {ADVERBS}{FIND}\b", "I couldn't find it"),
    ("cannot determine",
     rf"\b{CANNOT} {ADVERBS}(?:determine|calculate|answer|compute|assess|ascertain|(?:assist|help) (?:you )?with)\b",
     "I can't help with that"),
    ("I am unable to",
     rf"(?:\b(?:I|we|you|it|I'm|am|are|be|currently) (?:was |were )?{ADVERBS}|^\W*|,\s*)(?:unable|not able) to"
     rf" (?:\w+ )?(?:{FIND}|say|assist|help)\b", "Unable to determine"),
    ("it is impossible to",
     rf"(?:\b(?:it|is|be|makes?) |(?:it|that)'s |^\W*|,\s*){ADVERBS}(?:impossible|not possible|not feasible) to"
     rf" (?:\w+ )?(?:{FIND}|say|assist|help)\b", "it's impossible to calculate the ratio"),
    ("it is difficult to",
     rf"\b(?:it(?:'s| is| would be)?|makes it) {ADVERBS}(?:difficult|hard) to (?:\w+ )?(?:{FIND}|say)\b",
     "It's hard to say without the income statement."),
    ("cannot be used to", rf"\b{CANNOT} {ADVERBS}be (?:used|concluded)\b{near(20)}\b(?:to|from|based|whether)\b",
     "It cannot be concluded from the information given whether the company's liquidity improved."),
    ("would be speculative",
     r"\b(?:would|will) be (?:inaccurate|speculative|misleading|irresponsible|inappropriate|premature|unwise"
     r"|wrong|guessing) (?:to|for)\b(?! (?:say|claim|state|suggest|assert) that\b)",
     "Without additional details it would be inappropriate to give a number."),
    ("no ratio can be found", rf"\bno (?:\w+ ){{1,3}}(?:can|could) be (?:{FIND}|offered|reached)\b",
     "no ratio can be computed."),
    ("no basis for", r"\bno (?:basis|means) (?:on|for|to|of|by)\b",
     "Consequently, I have no basis on which to answer a question on FY2022."),
    ("not in a position to", r"\bnot (?:touch(?:ed)? (?:up)?on|in a position to|privy to)\b",
     "I'm not in a position to answer"),
    ("unanswerable", r"\b(?:unanswerable|incalculable|indetermina(?:te|ble))\b", "Unanswerable from the context."),
    ("wrong source", rf"\b(?:wrong|(?:from|for|about|on) (?:a|another|some) (?:different|other)?)\s*{SOURCE}\b",
     "Perhaps it's on another page"),
    ("about another company",
     r"\b(?:about|for|from|to) (?:a different|another) (?:company|firm|year|period|subject|topic)\b",
     "The context refers to a different company"),
    ("what is missing", r"\bwhat(?:'s| is) missing\b", "What's missing is the cost of sales."),
    ("ends abruptly", r"\b(?:ends?|stops?|breaks? off|cuts? off) (?:abruptly|before|short)\b",
     "The text cuts off before stating the amount."),
    ("the user would", r"\bthe user (?:would|must|should|needs?)\b", "The user would need to supply the 10-K"),
    ("it does not", r"\bit (?:doesn't|does not)\W*$",
     "If the context included net income, we could calculate it; it doesn't."),
    ("you will have to look",
     r"\byou(?:'ll| will) (?:need|have) to (?:provide|share|send|consult|check|refer|look|supply|obtain|find)\b",
     "You will have to consult the company's proxy statement."),
    ("I cannot say", rf"{SPEAKER}{CANNOT} (?:say|tell|answer)\W*$",
     "Without the actual filing in front of me, I can't say"),
    ("no way to find", rf"\bno way (?:for me )?(?:to|of) (?:{FIND}|\w+ing)\b",
     "I have no way to verify the FY2022 figures"),
    ("cannot say for sure",
     rf"\b(?:I|we|one) {CANNOT} say (?:for (?:sure|certain)|with certainty|whether|how|what|which|why|who|when|by)",
     "I can't say how it changed"),
    ("would be a guess", r"\b(?:would|will) be (?:a guess|guesswork|speculati\w+)\b",
     "Any attempt to calculate the ratio would be speculative in the absence of the balance sheet"),
]
_SPEAKER = [
    ("I do not have",
     r"\b(?:I|we) (?:do(?: not|n't)|cannot|can't) (?:have|know|access|find|provide|retrieve|see (?:it|this|that"
     r"|the|any (?:information|data|mention|figures?)))\b", "I don't have that."),
    ("I lack", r"\b(?:I|we) (?:currently )?(?:lack|am missing|are missing|(?:do not|don't) possess)\b",
     "I lack the information"),
    ("I have no information",
     r"\b(?:I|we) have no (?:\w+ ){0,2}?(?:information|data|access|knowledge|record|details)\b",
     "I have no access to that report."),
    ("I am not sure", r"\b(?:I am|I'm|we are|we're) not (?:sure|certain|aware)\b", "I'm not sure"),
    ("without data it is impossible",
     r"\bwithout (?:\w+ ){0,4}(?:information|data|figures|documents|context|details|statements?"
     r"|sheets?)\b[^.]*\b(?:cannot|can't|not possible|unable|impossible)",
     "Without the statements, any comparison is impossible."),
]
_NEEDED = [
    ("one would need",
     r"\b(?:I|we|you|one)\s*(?:'d|would) (?:\w+ )?(?:need|require)\b(?! to (?:calculate|compute|divide|subtract"
     r"|add)\b)(?! \$?\d[\d.,]* (?:\w+ )?(?:years|months|days|times|shares|more|[mb]illion)\b)",
     "I'd need the numbers"),
    ("one would have to look",
     r"\b(?:I|we|you|one)\s*(?:'d|would) have to (?:\w+ )?(?:look|find|check|consult|refer|see|obtain|know|have"
     r"|locate|review)\b", "You'd have to check the 10-K"),
    ("I need", r"\bI (?:would )?(?:need|require)\b", "I need more details."),
    ("I would want to see", r"\bI(?:'d| would) (?:want|have|like) to see\b",
     "To answer accurately, I'd want to see the statement of financial position"),
    ("I am missing", r"\b(?:we're|we are|I'm|I am) missing\b", "We're missing the cost of goods sold for FY2019."),
    ("would have to be consulted",
     r"\bwould (?:be (?:necessary|needed|required) to (?:have|know|see|consult|review)|(?:have|need) to be"
     r" (?:consulted|reviewed|checked))\b", "It would be necessary to see the full report."),
    ("answering requires",
     rf"\b(?:answering|computing|calculating|determining|assessing)\b{near(60)}\b(?:would )?requires?\b",
     "Answering this would require the company's cash flow statement"),
    ("not enough information",
     r"(?:\bnot|n't) (?:\w+ )?(?:enough|sufficient) (?:\w+ )?(?:information|data|context|details?|here)",
     "Not enough information."),
    ("not enough to", r"(?:\bnot|n't) (?:enough|sufficient) (?:\w+ )?(?:to|for)\b",
     "is not enough for the quick ratio."),
    ("insufficient information",
     rf"\b(?:insufficient|inadequate|too little|lack of|lacking) {ADVERBS}(?:information|data|context|details?"
     rf"|figures?)", "insufficient data."),
    ("more information is needed",
     r"\b(?:more|additional|further|specific) (?:\w+ ){0,2}(?:information|data|context|details?) (?:is|are|would"
     r" be) (?:needed|required|necessary)", "More context is needed."),
    ("if you provide",
     r"\b(?:if|once|please) (?:you )?(?:can |could )?(?:provide|share|supply|upload|paste|attach|send|give me)\b",
     "If you can share it"),
    ("source only has", rf"\b{SOURCE} only (?:has|have|gives|holds)\b", "the context only has one of them"),
]
# fmt: on

INABILITY = rules([*_IMPOSSIBLE, *_SPEAKER, *_NEEDED])

"""Questions with certain answers on invented filings, from the sections that a chunk holds whole."""

import random
from collections.abc import Iterator
from dataclasses import replace

from rayrl.synth.chunks import Chunk
from rayrl.synth.rules import answerable, unanswerable
from rayrl.synth.rules.filings import Filing
from rayrl.synth.rules.matter import Matter, Unfit
from rayrl.synth.settings import QuestionClass
from rayrl.synth.triplets import Outcome, Triplet

_MAKERS = answerable.MAKERS | {"unanswerable": unanswerable.MAKERS}


class RuleWriter:
    """Writes up to `classes[kind]` questions of each class on a chunk of one of `filings`; none on other documents."""

    def __init__(self, filings: list[Filing], classes: dict[QuestionClass, int], seed: int) -> None:
        self._filings = {filing.name: filing for filing in filings}
        self._classes, self._seed = classes, seed

    async def write(self, chunk: Chunk) -> Outcome:
        filing = self._filings.get(chunk.document)
        sections = [s for s in filing.sections if s.facts and s.text in chunk.text] if filing else []
        triplets: list[Triplet] = []
        for kind, count in self._classes.items():
            draw = random.Random(f"{self._seed}/{chunk.id}/{kind}")
            if filing and sections and count:
                made = {t.question: t for t in _questions(kind, Matter(filing, sections, draw), 4 * count)}
                triplets += list(made.values())[:count]
        return Outcome(triplets, [])


def _questions(kind: QuestionClass, matter: Matter, tries: int) -> Iterator[Triplet]:
    """Draws `tries` times; a draw for which the sections have no matter yields nothing."""
    for _ in range(tries):
        try:
            triplet = matter.draw.choice(_MAKERS[kind])(matter)
        except Unfit:
            continue
        yield replace(triplet, kind=kind)

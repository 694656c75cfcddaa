"""Our maths verifier against math-verify alone, on pairs made from published golds in many wrappings and notations.

    python -m tests.benchmarks.against_math_verify --data ../shared/data/maths [--every 1] [--differences FILE]

Prints how often both say the same, what each says of right and wrong responses, and, by wrapping, where they differ.
math-verify gets the gold as `$gold$`.
"""

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rayrl.verify import maths
from tests.benchmarks.maths_pairs import Pair, pairs


@dataclass(frozen=True, slots=True)
class Judged:
    """A pair with both verdicts: whether each holds the response for correct."""

    pair: Pair
    ours: bool
    theirs: bool
    status: str


def judge(rows: Iterable[Pair]) -> list[Judged]:
    """Both verdicts on each pair."""
    import math_verify

    for name in ("math_verify", "latex2sympy2_extended"):
        logging.getLogger(name).setLevel(logging.ERROR)
    golds: dict[str, list[object]] = {}
    judged = []
    for pair in rows:
        if pair.gold not in golds:
            golds[pair.gold] = math_verify.parse(f"${pair.gold}$", parsing_timeout=None)
        answer = math_verify.parse(pair.response, parsing_timeout=None)
        theirs = bool(math_verify.verify(golds[pair.gold], answer, timeout_seconds=None))
        status = maths.verify(pair.response, pair.gold).status
        judged.append(Judged(pair, status == "correct", theirs, status))
    return judged


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Our maths verifier against math-verify alone")
    parser.add_argument("--data", type=Path, required=True, help="folder with minerva_math.jsonl and the others")
    parser.add_argument("--every", type=int, default=1, help="take each N-th gold only")
    parser.add_argument("--differences", type=Path, help="write each difference as a line of JSON")
    known = parser.parse_args(arguments)
    started = time.perf_counter()
    judged = judge(pairs(known.data, known.every))
    differ = [row for row in judged if row.ours != row.theirs]
    alike = 1 - len(differ) / len(judged)
    print(f"{len(judged)} pairs in {time.perf_counter() - started:.0f} s, {alike:.2%} judged alike\n")
    print("| response | math-verify | ours | pairs |\n|---|---|---|---:|")
    word = {True: "correct", False: "not"}
    for (right, theirs, ours), count in sorted(
        Counter((row.pair.right, row.theirs, row.ours) for row in judged).items()
    ):
        print(f"| {'right' if right else 'wrong'} | {word[theirs]} | {word[ours]} | {count} |")
    print("\n| wrapping | where they differ |\n|---|---:|")
    for wrapping, count in Counter(row.pair.wrapping for row in differ).most_common():
        print(f"| {wrapping} | {count} |")
    if known.differences:
        lines = (json.dumps(asdict(row), ensure_ascii=False) for row in differ)
        known.differences.write_text("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())

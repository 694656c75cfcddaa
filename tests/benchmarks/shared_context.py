"""A context of 2k tokens with four questions: an update over one tree against the same examples as rows of their own.

    python -m tests.benchmarks.shared_context [--contexts 1] [--context 2048] [--questions 4] [--rounds 1] [--threads 2]

The embedded model in bfloat16, questions of 24 tokens, answers of 16 that bear the loss. Seconds are of a whole update.
"""

import argparse
import random
import time
from collections.abc import Sequence

import torch

from rayrl.config import FreezeSettings, LearnerSettings, ModelSettings
from rayrl.learner.batch import Tree, sft_tree
from rayrl.learner.learner import Learner
from rayrl.learner.objectives import sft_objective
from rayrl.models import EMBEDDED, resolve_model
from rayrl.types import Example

QUESTION, ANSWER = 24, 16


def examples(context: int, questions: int, draw: random.Random) -> list[Example]:
    """The questions of one context; token ids are random."""
    tokens = lambda count: [draw.randrange(100, 49000) for _ in range(count)]  # noqa: E731
    shared = tokens(context)
    masks = [False] * (context + QUESTION) + [True] * ANSWER
    return [Example("", shared + tokens(QUESTION + ANSWER), masks) for _ in range(questions)]


def seconds(learner: Learner, trees: Sequence[Tree]) -> tuple[float, float, float]:
    """(wall clock, processor) seconds of an update, and its loss."""
    started = time.monotonic(), time.process_time()
    metrics = learner.update(trees, sft_objective())
    return time.monotonic() - started[0], time.process_time() - started[1], metrics["train/loss"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contexts", type=int, default=1)
    parser.add_argument("--context", type=int, default=2048, help="tokens")
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    draw = random.Random(0)
    groups = [examples(arguments.context, arguments.questions, draw) for _ in range(arguments.contexts)]
    ways = {
        "one tree a context": [sft_tree(group) for group in groups],
        "plain rows": [sft_tree([example]) for group in groups for example in group],
    }
    settings = LearnerSettings(learning_rate=1e-9, microbatch_tokens=4096)  # the rate is too small to move a loss
    model = ModelSettings(path=resolve_model(EMBEDDED))
    learner = Learner(model, settings, FreezeSettings(), 1.0, 100, 0, torch.device("cpu"))
    seconds(learner, ways["one tree a context"])  # the first update makes the optimiser's state and touches memory anew
    found = {name: min(seconds(learner, trees) for _ in range(arguments.rounds)) for name, trees in ways.items()}
    print("| layout | tokens | seconds | processor seconds | loss |\n|---|---|---|---|---|")
    for name, (wall, processor, loss) in found.items():
        tokens = sum(tree.tokens for tree in ways[name])
        print(f"| {name} | {tokens} | {wall:.1f} | {processor:.1f} | {loss:.4f} |")
    shared, plain = found.values()
    ratio = [sum(tree.tokens for tree in trees) for trees in ways.values()]
    print(
        f"tokens {ratio[1] / ratio[0]:.2f} x, time {plain[0] / shared[0]:.2f} x, processor {plain[1] / shared[1]:.2f} x"
    )


if __name__ == "__main__":
    main()

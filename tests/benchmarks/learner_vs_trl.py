"""Forward + backward of the embedded model on CPU: this learner, transformers' plain padded rows, TRL's trainers.

    python -m tests.benchmarks.learner_vs_trl [--shapes a b c] [--contenders rayrl plain trl …] [--rounds 2]

Each contender runs in a process of its own, one after the other, so that its peak memory is its own. Tokens are those
of the rows without padding, the same number for all, however often a contender computes them. trl: its defaults
(bfloat16 autocast, activation checkpointing); trl_tuned: without checkpointing; trl_packed: that with packed rows (SFT
alone). Install the `benchmark` extra for these.
The ratio is of processor seconds, which other work on the machine changes least, most of all with `--threads 1`.
"""

import argparse
import json
import os
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.against_trl import Row
from tests.benchmarks.child import last_line

GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "train.jsonl"
SHAPES = {
    "a": "GRPO, 64-token prompt, 8 x 64 completions",
    "b": "GRPO, 1024-token context, 8 x 32 completions",
    "c": "SFT, 16 GSM8K examples",
}
CONTENDERS = ["rayrl", "plain", "trl", "trl_tuned", "trl_packed"]


def rows_of(shape: str, folder: str) -> list[Row]:
    """(prompt, completion) token ids."""
    if shape == "c":
        from transformers import AutoTokenizer

        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        rows = []
        for line in GSM8K.read_text().splitlines()[:16]:
            item = json.loads(line)
            question = [{"role": "user", "content": item["question"]}]
            text = tokenizer.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
            encode = lambda part: tokenizer.encode(part, add_special_tokens=False)  # noqa: E731
            rows.append((encode(text), [*encode(item["answer"]), tokenizer.eos_token_id]))
        return rows
    generator = random.Random(0)
    prompt_tokens, tokens = (64, 64) if shape == "a" else (1024, 32)
    prompt = [generator.randrange(100, 49000) for _ in range(prompt_tokens)]
    return [(prompt, [generator.randrange(100, 49000) for _ in range(tokens)]) for _ in range(8)]


def rayrl_step(folder: str, rows: list[Row], supervised: bool) -> Callable[[], float]:
    import torch

    from rayrl.config import FreezeSettings, LearnerSettings, ModelSettings, ObjectiveSettings
    from rayrl.learner.batch import Segment, Tree, make_batch, sft_tree
    from rayrl.learner.learner import Learner
    from rayrl.learner.objectives import grpo_objective, sft_objective, weigh
    from rayrl.types import Example

    learner = Learner(ModelSettings(path=folder), LearnerSettings(), FreezeSettings(), 1.0, 1, 0, torch.device("cpu"))
    if supervised:
        objective = sft_objective()
        trees = [sft_tree([Example("", p + c, [False] * len(p) + [True] * len(c))]) for p, c in rows]
    else:
        objective = grpo_objective(ObjectiveSettings(), len(rows[0][1]))
        prompt = rows[0][0]
        completions = [
            Segment(c, [True] * len(c), 0, (-1.0) ** index, [-10.0] * len(c)) for index, (_, c) in enumerate(rows)
        ]
        trees = [Tree([Segment(prompt, [False] * len(prompt)), *completions])]
    trees = weigh(trees, objective.normalizer, objective.max_tokens)

    def step() -> float:
        batch = make_batch(trees, range(len(trees)))
        loss, _ = objective.loss(learner.policy(batch, 1.0).logprobs, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        learner.optimizer.zero_grad()
        return float(loss.detach())

    return step


def plain_step(folder: str, rows: list[Row]) -> Callable[[], float]:
    """What one would write first: rows padded to the longest, all logits, cross-entropy; the model in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    longest = max(len(p) + len(c) for p, c in rows)
    ids = torch.tensor([p + c + [0] * (longest - len(p) - len(c)) for p, c in rows])
    labels = torch.full_like(ids, -100)
    mask = torch.zeros_like(ids)
    for index, (p, c) in enumerate(rows):
        labels[index, len(p) : len(p) + len(c)] = torch.tensor(c)
        mask[index, : len(p) + len(c)] = 1

    def step() -> float:
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        model.zero_grad()
        return float(loss.detach())

    return step


def child(contender: str, shape: str, rounds: int, threads: int) -> None:
    """Prints one line of JSON: seconds of the fastest round, tokens, peak memory."""
    import torch

    from rayrl.models import EMBEDDED, resolve_model
    from tests.benchmarks import against_trl

    torch.set_num_threads(threads)
    folder = resolve_model(EMBEDDED)
    rows = rows_of(shape, folder)
    if contender == "rayrl":
        step = rayrl_step(folder, rows, supervised=shape == "c")
    elif contender == "plain":
        step = plain_step(folder, rows)
    else:
        tuned = contender != "trl"
        if shape == "c":
            step = against_trl.sft_step(folder, rows, tuned, packed=contender == "trl_packed")
        else:
            step = against_trl.grpo_step(folder, rows, tuned)
    times = []
    for _ in range(rounds):
        started = time.monotonic(), time.process_time()
        step()
        times.append((time.process_time() - started[1], time.monotonic() - started[0]))
    processor, seconds = min(times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    tokens = sum(len(p) + len(c) for p, c in rows)
    result = {"processor": processor, "seconds": seconds, "tokens": tokens, "peak": peak, "load": os.getloadavg()[0]}
    print(json.dumps(result))


def measure(shape: str, contender: str, rounds: int, threads: int) -> dict[str, float]:
    """What `child` prints, of a process of its own. Raises RuntimeError where it fails."""
    options = ["--child", contender, shape, "--rounds", str(rounds), "--threads", str(threads)]
    found: dict[str, float] = last_line("tests.benchmarks.learner_vs_trl", *options)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--child", nargs=2)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child, arguments.rounds, arguments.threads)
        return
    print("| shape | contender | tokens/s | per processor second | slower than rayrl | peak GB | load |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for shape in arguments.shapes:
        first: dict[str, float] | None = None
        for contender in arguments.contenders:
            if contender == "trl_packed" and shape != "c":
                continue
            try:
                result = measure(shape, contender, arguments.rounds, arguments.threads)
            except RuntimeError as error:
                print(f"| {SHAPES[shape]} | {contender} | failed: {str(error).splitlines()[-1]} | | | | |")
                continue
            first = first or result
            tokens, processor = result["tokens"], result["processor"]
            print(
                f"| {SHAPES[shape]} | {contender} | {tokens / result['seconds']:.0f} | {tokens / processor:.0f} "
                f"| {processor / first['processor']:.2f} x | {result['peak']:.2f} | {result['load']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

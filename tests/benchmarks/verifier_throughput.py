"""Verdicts a second: the pool against plain math-verify in one process, on the same labelled GSM8K solutions.

    python tests/benchmarks/verifier_throughput.py --data ../shared/data/labelled [--processes 2] [--rows 2692]

The passes alternate, three of each, and the medians are compared, so that other work on the machine touches both. The
ratio is what counts: a rate is this machine's at this hour.
"""

import argparse
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rayrl.verify import maths
from rayrl.verify.workers.jobs import Check
from rayrl.verify.workers.pool import WorkerPool

PASSES = 3
WARM_UP = 50


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def plain(rows: Sequence[dict[str, Any]]) -> list[bool]:
    """math-verify as its README shows it, without its SIGALRM time-outs."""
    import math_verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)
    return [
        bool(
            math_verify.verify(
                math_verify.parse(row["gold"], parsing_timeout=None),
                math_verify.parse(row["response"], parsing_timeout=None),
                timeout_seconds=None,
            )
        )
        for row in rows
    ]


def measure(rows: Sequence[dict[str, Any]], processes: int) -> dict[str, float]:
    """Median verdicts a second of math-verify, of our verifier in this process, and of the pool."""
    checks = [Check("maths", row["response"], row["gold"]) for row in rows]
    took: dict[str, list[float]] = {"math-verify": [], "one process": [], "pool": []}
    with WorkerPool(processes, deadline_s=10.0, memory_limit_mb=2048) as pool:
        plain(rows[:WARM_UP])
        pool.submit_all(checks[:WARM_UP]).result()
        for _ in range(PASSES):
            took["math-verify"].append(seconds(lambda: plain(rows)))
            took["one process"].append(seconds(lambda: [maths.verify(c.response, c.gold) for c in checks]))
            took["pool"].append(seconds(lambda: pool.submit_all(checks).result()))
    return {name: len(rows) / statistics.median(times) for name, times in took.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verdicts a second of the pool and of math-verify")
    parser.add_argument("--data", type=Path, required=True, help="folder with gsm8k_solutions.jsonl")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", type=int)
    known = parser.parse_args(arguments)
    lines = (known.data / "gsm8k_solutions.jsonl").read_text().splitlines()[: known.rows]
    rates = measure([json.loads(line) for line in lines], known.processes)
    base = rates["math-verify"]
    print(f"{len(lines)} GSM8K solutions, pool of {known.processes} processes, load {os.getloadavg()[0]:.1f}\n")
    print("| what | verdicts/s | ratio |\n|---|---:|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} | {rate / base:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

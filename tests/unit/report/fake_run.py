"""Run directories as a training run would leave them: synthetic numbers, real file formats."""

import json
import random
from pathlib import Path
from typing import Any

import yaml

from rayrl.metrics import MetricsLog

CONFIG = {
    "run": {"name": "demo", "seed": 42},
    "model": {"path": "embedded:smollm2-135m", "compute_dtype": "bfloat16"},
    "train_data": {"source": "reasoning_gym:chain_sum", "options": {"max_terms": 3}, "size": 2000},
    "eval_data": {"source": "reasoning_gym:chain_sum", "size": 200, "seed": 1},
    "rewards": [{"function": "maths", "weight": 1.0}],
    "objective": {"name": "dr_grpo", "clip_low": 0.2},
    "learner": {"learning_rate": 2e-5},
    "steps": 20,
    "prompts_per_step": 16,
    "group_size": 8,
}
INJECTION = "</pre><script>alert('owned')</script><img src=x onerror=alert(1)> & \u202e evil \x1b[31m \ud800"
REASONING = (
    "To find the sum, add the terms from left to right. First 7 + 4 = 11. Then 11 - 3 = 8. "
    "So the final answer is $\\boxed{8}$, which we can check by adding them in another order."
)


def write_run(folder: Path, *, steps: int = 20, evals: tuple[int, ...] = (0, 10, 20), **options: Any) -> Path:
    """A run directory `folder`. Options: end ("finished", …, None), stale (True: asynchronous), problems (held out)."""
    rng = random.Random(7)
    folder.mkdir(parents=True)
    (folder / "rollouts").mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False), encoding="utf-8")
    with MetricsLog(folder / "metrics.jsonl") as log:
        for step in range(steps + 1):
            if step:
                log.append("step", step, step_values(step, rng, stale=options.get("stale", False)))
                _write(folder / f"rollouts/step_{step:06d}.jsonl", training_rows(step, rng))
            if step in evals:
                rows = eval_rows(step, options.get("problems", 200))
                correct, unscored = sum(row["score"] == 1.0 for row in rows), sum(row["score"] is None for row in rows)
                total = len(rows) - unscored
                values = {"eval/correct": correct, "eval/total": total, "eval/unscored": unscored}
                values |= {"eval/accuracy": correct / total, "eval/mean_tokens": 6.2, "elapsed_s": 40 + 23.0 * step}
                log.append("eval", step, values)
                _write(folder / f"rollouts/eval_{step:06d}.jsonl", rows)
        end = options.get("end", "finished")
        if end:
            log.append("event", steps, {"event": end, "detail": "" if end == "finished" else "SIGINT at step end"})
    return folder


def step_values(step: int, rng: random.Random, *, stale: bool) -> dict[str, float]:
    reward = 0.22 + 0.2 * (1 - 0.9**step) + rng.gauss(0, 0.02)
    tokens = round(128 * (6 + 4 * 0.9**step + rng.random()))
    phases = {"generate": 6.5 + rng.random(), "verify": 0.4, "train": 13.5 + rng.random(), "sync": 0.45}
    longest = max(phases.values()) + 1 if stale else sum(phases.values()) + 0.3
    return {
        "elapsed_s": 40 + 22.0 * step,
        "reward/mean": reward,
        "reward/ci_low": reward - 0.06,
        "reward/ci_high": reward + 0.06,
        "group/zero_variance_frac": 0.3 + 0.1 * rng.random(),
        "generate/completion_tokens": tokens,
        "generate/tokens_per_s": tokens / phases["generate"],
        "generate/truncated_frac": 0.08 * 0.85**step,
        "verify/correct_frac": reward,
        "verify/timeout_frac": 0.004 * (step % 4 == 0),
        "verify/error_frac": 0.0,
        "verify/unparseable_frac": 0.15 * 0.9**step,
        **{f"time/{phase}_s": seconds for phase, seconds in phases.items()},
        "time/step_s": longest,
        "train/loss": rng.gauss(0, 0.01),
        "train/grad_norm": 0.8 + 0.3 * rng.random(),
        "train/learning_rate": 2e-5,
        "policy/entropy_mean": 0.9 * 0.97**step,
        "policy/staleness_max": 2.0 if stale and step > 1 else 0.0,
        "policy/staleness_mean": 0.8 if stale and step > 1 else 0.0,
        "sync/logprob_diff_mean": 0.08 + 0.02 * rng.random(),
        "memory/peak_gb": 2.0 + 0.05 * step,
        "memory/estimate_gb": 3.4,
    }


def eval_rows(step: int, problems: int) -> list[dict[str, Any]]:
    """Held-out rows: accuracy grows with the step; item 2's completion is hostile, item 3's gold does not parse."""
    rng = random.Random(step)
    rows = []
    for item in range(problems):
        right = random.Random(item).random() < 0.235 + 0.008 * step + 0.5 * (rng.random() - 0.5)
        answer = 8 if right else rng.randint(-9, 30)
        completion = REASONING if item % 5 == 0 else f"The final answer is {answer}."
        status, score = ("correct", 1.0) if right else ("incorrect", 0.0)
        if not right and rng.random() < 0.15:
            status, completion = "unparseable", "I am not sure how to say. " * rng.randint(1, 200)
        if item == 2:
            completion = INJECTION
        row = {
            "prompt_id": f"chain_sum-{item}",
            "prompt": f"State the final answer to the following arithmetic problem: {item} + 4 - 3 =",
            "gold": "8",
            "completion": completion,
            "score": score,
            "status": status,
            "extracted": None if status == "unparseable" else str(answer),
            "reason": "no number in the completion" if status == "unparseable" else "",
        }
        if item == 3:
            row |= {"score": None, "status": "error", "extracted": None, "reason": "gold does not parse"}
        rows.append(row)
    return rows


def training_rows(step: int, rng: random.Random) -> list[dict[str, Any]]:
    rows = []
    for prompt in range(4):
        for _ in range(8):
            right = rng.random() < 0.4
            row = {"step": step, "prompt_id": f"train-{prompt}", "prompt": f"{prompt} + 3 + 5 =", "gold": "8"}
            row |= {"completion": "8" if right else "The sum is 11.", "reward": float(right), "tokens": 5}
            row |= {"status": "correct" if right else "incorrect", "extracted": "8" if right else "11", "reason": ""}
            rows.append(row | {"finish_reason": "stop"})
    return rows


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

"""Study directories as `rayrl study` leaves them: synthetic numbers, real file formats."""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rayrl.metrics import MetricsLog
from rayrl.rollout_row import identity

KINDS = {
    "self_attn.q_proj": 331776,
    "self_attn.k_proj": 110592,
    "self_attn.v_proj": 110592,
    "self_attn.o_proj": 331776,
    "mlp.gate_proj": 884736,
    "mlp.up_proj": 884736,
    "mlp.down_proj": 884736,
}
EMBEDDINGS = 28311552
QK = [kind for kind in KINDS if "q_proj" not in kind and "k_proj" not in kind]


@dataclass
class FakeArm:
    """gain, loss: change of the chance to be right, in-domain and elsewhere. drift: mean relative change at the end."""

    method: str
    gain: float = 0.0
    loss: float = 0.0
    drift: float = 0.0
    kl: float = 0.0
    preset: str = "none"
    frozen: list[str] = field(default_factory=list)
    frozen_layers: tuple[float, float] = (0.0, 1.0)
    rate: float = 1e-6
    embeddings_train: bool = True
    adapter: dict[str, Any] | None = None

    def is_frozen(self, kind: str, layer: int, layers: int) -> bool:
        low, high = self.frozen_layers
        return kind in self.frozen and low <= (layer + 0.5) / layers < high


MLPS = [kind for kind in KINDS if kind.startswith("mlp")]
ARMS = {
    "base": FakeArm("base"),
    "grpo": FakeArm("GRPO", 0.08, -0.005, 1.3e-3, 0.4),
    "sft": FakeArm("SFT", 0.06, -0.09, 5.4e-2, 4.6, rate=5e-5),
    "sft_matched": FakeArm("SFT", 0.02, -0.03, 5.1e-3, 3.2),
    "grpo_qk": FakeArm("GRPO", 0.03, 0.0, 9e-4, 0.1, "qk_only", QK, embeddings_train=False),
    "sft_mid_mlps": FakeArm("SFT", 0.06, -0.06, 4.9e-2, 4.1, "freeze_mid_mlps", MLPS, (0.6, 0.8), rate=5e-5),
}
BENCHMARKS = {"held_out": 0.30, "gsm8k": 0.12, "mmlu_stem": 0.34}
HOSTILE = "</pre><script>alert('owned')</script> & \u202e evil"


@dataclass
class Shape:
    """How large the fake study is."""

    arms: dict[str, FakeArm] = field(default_factory=lambda: dict(ARMS))
    seeds: tuple[int, ...] = (1, 2)
    items: int = 60
    layers: int = 4
    steps: int = 20
    checkpoints: int = 4
    failing: bool = True


def write_study(folder: Path, shape: Shape | None = None) -> Path:
    """A study with every arm of `shape` at every seed, and (`failing`) one trial each failed, stopped and pending."""
    shape = shape or Shape()
    folder.mkdir(parents=True)
    budget = {"updates": shape.steps, "samples": None, "tokens": None, "flops": None, "completion_tokens": None}
    own = {"name": folder.name, "seeds": list(shape.seeds), "budget": budget, "in_domain": ["held_out"]}
    arms = {name: {"method": arm.method.lower()} for name, arm in shape.arms.items()}
    settings = {"study": own, "base": {"model": {"path": "embedded:smollm2-135m"}}, "arms": arms}
    (folder / "study.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    trials = []
    for name, arm in shape.arms.items():
        for seed in shape.seeds[:1] if arm.method == "base" else shape.seeds:  # all greedy: one seed says it all
            directory = f"trials/{name}-seed{seed}"
            write_trial(folder / directory, name, arm, seed, shape)
            seconds = 40.0 if arm.method == "base" else 60.0 + 12.0 * shape.steps + 20 * seed
            trials.append(_entry(name, seed, "finished", directory, seconds=seconds))
    if shape.failing:
        error = f"SyncError: a generator does not hold the learner's weights {HOSTILE}"
        trials.append(_entry("grpo", 3, "failed", "trials/grpo-seed3", error=error, seconds=61.0))
        write_trial(folder / "trials/sft-seed3", "sft", shape.arms["sft"], 3, shape)
        trials.append(_entry("sft", 3, "stopped", "trials/sft-seed3", seconds=90.0))
        trials.append(_entry("sft_matched", 3, "pending", "trials/sft_matched-seed3"))
    (folder / "trials.json").write_text(json.dumps(trials), encoding="utf-8")
    return folder


def _entry(arm: str, seed: int, state: str, directory: str, **more: Any) -> dict[str, Any]:
    entry = {"trial": f"{arm}-seed{seed}", "arm": arm, "seed": seed, "state": state, "directory": directory}
    return entry | {"seconds": None, "error": None, "overrides": {}} | more


def write_trial(folder: Path, name: str, arm: FakeArm, seed: int, shape: Shape) -> None:
    draw = random.Random(f"{name}-{seed}")
    (folder / "rollouts").mkdir(parents=True)
    steps = 0 if arm.method == "base" else shape.steps
    (folder / "config.yaml").write_text(yaml.safe_dump(_config(name, arm, seed)), encoding="utf-8")
    (folder / "plan.json").write_text(json.dumps(_plan(arm, shape)), encoding="utf-8")
    measured = sorted({0, steps}) if name == "sft" else [steps]  # evaluation.at_start, for the run's own report
    with MetricsLog(folder / "metrics.jsonl") as log:
        for step in range(steps + 1):
            if step:
                log.append("step", step, _step_values(arm, step, draw))
            if step in measured:
                rows = _held_out(arm, seed, step > 0, shape.items)
                right = sum(row["score"] == 1 for row in rows)
                values = {"eval/correct": right, "eval/total": len(rows), "eval/unscored": 0, "time/evaluate_s": 9.0}
                log.append("eval", step, values | {"elapsed_s": 30 + 12.0 * step})
                _write(folder / f"rollouts/eval_{step:06d}.jsonl", rows)
        log.append("event", steps, {"event": "finished", "detail": "", "elapsed_s": 35 + 12.0 * steps})
    _write(folder / "benchmarks.jsonl", [row for step in measured for row in _benchmarks(arm, seed, step, shape)])
    if steps:
        at = [round(steps * (index + 1) / shape.checkpoints) for index in range(shape.checkpoints)]
        _write(folder / "drift.jsonl", [row for step in at for row in _drift(arm, step, shape, draw)])
        _write(folder / "divergence.jsonl", [row for step in at for row in _divergence(arm, step, shape, draw)])


def _config(name: str, arm: FakeArm, seed: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        "run": {"name": f"{name}-seed{seed}", "seed": seed},
        "model": {"path": "embedded:smollm2-135m"},
        "train_data": {"source": "reasoning_gym:gsm_symbolic"},
        "eval_data": {"source": "reasoning_gym:gsm_symbolic"},
        "freeze": {"preset": arm.preset, "rules": []},
        "adapter": arm.adapter,
        "learner": {"learning_rate": arm.rate},
        "steps": 0 if arm.method == "base" else 20,
    }
    return config | ({"examples_per_step": 16} if arm.method == "SFT" else {"group_size": 8, "prompts_per_step": 16})


def _plan(arm: FakeArm, shape: Shape) -> dict[str, Any]:
    rows = [{"kind": "embed_tokens (= lm_head)", "layers": "", "tensors": 1, "parameters": EMBEDDINGS}]
    rows[0]["trainable"] = arm.embeddings_train
    for kind, size in KINDS.items():
        fates = {layer: not arm.is_frozen(kind, layer, shape.layers) for layer in range(shape.layers)}
        for fate in sorted(set(fates.values()), reverse=True):
            chosen = [layer for layer, own in fates.items() if own == fate]
            span = f"{chosen[0]}-{chosen[-1]}" if len(chosen) > 1 else str(chosen[0])
            row = {"kind": kind, "layers": span, "tensors": len(chosen), "parameters": size * len(chosen)}
            rows.append(row | {"trainable": fate})
    trains = sum(row["parameters"] for row in rows if row["trainable"])
    total = sum(row["parameters"] for row in rows)
    return {
        "parameters": total,
        "freeze": rows,
        "learner_bytes": 2 * total + 14 * trains,
        "generator_bytes": 2 * total + 10**9,
    }


def _step_values(arm: FakeArm, step: int, draw: random.Random) -> dict[str, float]:
    common = {
        "time/train_s": (7 if arm.preset == "none" else 5) + draw.random(),
        "time/step_s": 12.0,
        "elapsed_s": 30 + 12.0 * step,
    }
    common |= {
        "train/loss": 1.2 * 0.95**step,
        "train/grad_norm": 0.5,
        "memory/peak_gb": 2.9 if arm.preset == "none" else 1.8,
    }
    if arm.method == "SFT":
        return common | {"data/examples": 16, "data/tokens": 5000}
    phases = {"time/generate_s": 3.5 + draw.random(), "time/verify_s": 0.1, "time/sync_s": 0.5}
    return common | phases | {"generate/completion_tokens": 9000, "reward/mean": 0.3 + 0.01 * step}


def _right(arm: FakeArm, seed: int, benchmark: str, item: int, trained: bool) -> bool:
    """Each item has a difficulty of its own; a greedy base answers it alike for every seed."""
    change = (arm.gain if benchmark == "held_out" else arm.loss) if trained else 0.0
    noise = random.Random(f"{benchmark}-{item}-{seed}-{arm.gain}").gauss(0, 0.1) if trained else 0.0
    return random.Random(f"{benchmark}-{item}").random() + noise < BENCHMARKS[benchmark] + change


def _held_out(arm: FakeArm, seed: int, trained: bool, items: int) -> list[dict[str, Any]]:
    rows = []
    for item in range(items):
        right = _right(arm, seed, "held_out", item, trained)
        said = "23 + 19 = 42, so Anna has 42 apples left." if right else "Anna gives away some. The answer is 17."
        rows.append(
            {
                "prompt_id": f"eval_data-{item}",
                "prompt": f"Anna has {item + 23} apples and buys 19 more. How many does she have?",
                "gold": "42",
                "completion": HOSTILE if item == 1 else said,
                "score": float(right),
                "status": "correct" if right else "incorrect",
                "extracted": "42" if right else "17",
                "reason": "last",
                "tokens": 14,
                "finish_reason": "stop",
            }
        )
    return rows


def _benchmarks(arm: FakeArm, seed: int, step: int, shape: Shape) -> list[dict[str, Any]]:
    """mmlu_stem's item 3 could not be scored."""
    held_out = _held_out(arm, seed, step > 0, shape.items)
    rows = []
    for benchmark in BENCHMARKS:
        for item in range(shape.items * (1 if benchmark == "held_out" else 2)):
            score = float(_right(arm, seed, benchmark, item, step > 0))
            lost = benchmark == "mmlu_stem" and item == 3
            asked = held_out[item] if benchmark == "held_out" else {"prompt_id": f"{benchmark}-{item}"}
            row = {"step": step, "benchmark": benchmark, "index": item, "item": identity(asked)}
            row["score"] = None if lost else score
            row |= {"status": "error" if lost else "correct" if score else "incorrect", "completion_tokens": 30}
            rows.append(row)
    return rows


def _drift(arm: FakeArm, step: int, shape: Shape, draw: random.Random) -> list[dict[str, Any]]:
    rows = []
    grown = (step / shape.steps) ** 0.7
    for layer in range(shape.layers):
        for index, kind in enumerate(KINDS):
            frozen = arm.is_frozen(kind, layer, shape.layers)
            shaped = 1 + 0.4 * (layer / shape.layers) - 0.05 * index + draw.gauss(0, 0.04)
            relative = 0.0 if frozen else arm.drift * grown * shaped
            name = f"model.layers.{layer}.{kind}.weight"
            rows.append({"name": name, "layer": layer, "kind": kind, "relative_frobenius": relative})
        norm = {"name": f"model.layers.{layer}.input_layernorm.weight", "layer": layer, "kind": "input_layernorm"}
        rows.append(norm | {"relative_frobenius": 9.0})  # no matrix: must not show in any mean
    embedded = arm.drift * grown * 0.3 if arm.embeddings_train else 0.0
    rows.append({"name": "model.embed_tokens.weight", "layer": None, "kind": "embed_tokens"})
    rows[-1]["relative_frobenius"] = embedded
    more = {"spectral_norm": 0.1, "effective_rank": 12.0, "alignment": 0.2, "changed_bf16": 0.4}
    return [{"checkpoint": step, "step": step} | row | more for row in rows]


def _divergence(arm: FakeArm, step: int, shape: Shape, draw: random.Random) -> list[dict[str, Any]]:
    rows = []
    for text_set, share in (("held_out", 1.0), ("mmlu_stem", 0.6)):
        kl = arm.kl * share * (1 - 0.75 ** (step / shape.steps * 10)) * (1 + draw.gauss(0, 0.05))
        positions = [
            {"from": tenth / 10, "to": (tenth + 1) / 10, "forward_kl": kl * (1.5 - tenth / 10), "tokens": 300}
            for tenth in range(10)
        ]
        row = {"step": step, "set": text_set, "items": 20, "tokens": 3000, "forward_kl": kl, "reverse_kl": 0.9 * kl}
        row |= {"base_entropy": 1.1, "entropy": 1.0, "per_item": [kl] * 20, "by_position": positions}
        rows.append(row)
    return rows


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

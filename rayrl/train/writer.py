"""Records of a run, put where they belong: metrics.jsonl, rollouts/, benchmarks.jsonl, W&B, TensorBoard."""

import os
import time
from pathlib import Path
from typing import Any

from rayrl.config import HELD_OUT, TrainingConfig
from rayrl.jsonl import JsonLines, write_jsonl
from rayrl.metrics import MetricsLog, read_metrics
from rayrl.rollout_row import EvaluationRow, identity


class Writer:
    """Appends to the files of the run in `folder`, and to Weights & Biases and TensorBoard where they are asked for."""

    def __init__(self, folder: Path, config: TrainingConfig) -> None:
        self.folder = folder
        self.config = config
        path = folder / "metrics.jsonl"
        before = read_metrics(path) if path.exists() else []
        self.started = time.monotonic() - max((record.get("elapsed_s") or 0.0 for record in before), default=0.0)
        self.log = MetricsLog(path)
        self.items = JsonLines(folder / "benchmarks.jsonl")
        self.step = 0
        self.steps = 0
        self.evaluations = 0
        self.tracker = None
        if config.run.wandb_project:
            import wandb

            mode: Any = "online" if os.environ.get("WANDB_API_KEY") else "offline"
            self.tracker = wandb.init(
                project=config.run.wandb_project,
                name=config.run.name,
                dir=folder,
                mode=mode,
                config=config.model_dump(),
            )
        self.board = None
        if config.run.tensorboard:
            from rayrl.train.tensorboard import TensorBoard

            self.board = TensorBoard(folder / "tensorboard")
        if config.run.resume:
            self.event("resumed", "")

    def write(self, record: dict[str, Any]) -> None:
        values = dict(record)
        kind = values.pop("kind")
        self.step = values.pop("step", self.step)
        if kind == "eval":
            self.evaluations += 1
            self._write_evaluation(values.pop("rows"))
        elif kind == "step":
            self.steps += 1
            wanted = self.config.run.samples_per_step
            rows = [
                row
                for at, group in enumerate(values.pop("samples", []))
                for row in group
                if at < wanted or row["reward"] is None
            ]
            if rows:
                write_jsonl(self.folder / "rollouts" / f"step_{self.step:06d}.jsonl", rows)
        values["elapsed_s"] = round(time.monotonic() - self.started, 3)
        self.log.append(kind, self.step, values)
        figures = {key: value for key, value in values.items() if "/" in key and value is not None}
        if self.tracker is not None:
            self.tracker.log(figures, step=self.step)
        if self.board is not None and figures:
            self.board.log(figures, self.step)

    def _write_evaluation(self, sets: dict[str, list[EvaluationRow]]) -> None:
        """Completions of each set to rollouts/; what each item scored to benchmarks.jsonl."""
        for name, rows in sets.items():
            stem = "eval" if name == HELD_OUT else f"benchmark_{name}"
            write_jsonl(self.folder / "rollouts" / f"{stem}_{self.step:06d}.jsonl", rows)
            for index, row in enumerate(rows):
                item = {"step": self.step, "benchmark": name, "index": index, "item": identity(row)}
                item |= {"sample": row["sample"], "score": row["score"], "status": row["status"]}
                item |= {"completion_tokens": row["tokens"], "finish_reason": row["finish_reason"]}
                self.items.append(item)

    def close(self) -> None:
        self.log.close()
        self.items.close()
        if self.tracker is not None:
            self.tracker.finish()  # the next run of this process would log into it
        if self.board is not None:
            self.board.close()

    def event(self, event: str, detail: str) -> None:
        self.write({"kind": "event", "event": event, "detail": detail})

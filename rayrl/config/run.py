"""`run` and `checkpoint`: where a run's files go, how it is repeated, and how long it waits."""

from pathlib import Path

from pydantic import Field

from rayrl.config.deadlines import DeadlineSettings
from rayrl.config.settings import Name, Settings


class OutputSettings(Settings):
    name: Name = "eval"
    """Name of the run; its files go to `dir`/`name`."""
    dir: Path = Path("runs")
    """Folder of all runs. On several machines: a folder that all of them see."""
    seed: int = 42
    """Seeds prompts' order, sampling, initialization and dropout."""
    overwrite: bool = False
    """Remove a run of this name first."""
    deadlines: DeadlineSettings = DeadlineSettings()


class RunSettings(OutputSettings):
    name: Name = "grpo"
    """Name of the run; its files go to `dir`/`name`."""
    resume: bool = False
    """Resume from the newest checkpoint of a run of this name. False: a run of this name must not exist yet."""
    max_failures: int = Field(2, ge=0)
    """How often dead learner workers are restarted from the newest checkpoint before the run fails."""
    samples_per_step: int = Field(4, ge=0)
    """Prompts whose completions are written to rollouts/ each step; of the others those are that got no reward."""
    wandb_project: str | None = None
    """Weights & Biases project; None: metrics.jsonl only."""
    tensorboard: bool = False
    """Also write the metrics to `tensorboard/` in the run's folder: `tensorboard --logdir runs` shows all runs."""


class CheckpointSettings(Settings):
    every_steps: int = Field(10, ge=1)
    """Full state (weights, optimizer, cursor, RNG) every so many steps, and after the last."""
    keep: int = Field(1, ge=1)
    """Newest full checkpoints that are kept."""
    background: bool = False
    """Write them while training goes on, from a copy in host memory: for each weight that trains 12 bytes, divided by
    the ranks that share a copy of the model. Such a checkpoint counts when it is whole; a run that is killed before
    resumes from the one before."""

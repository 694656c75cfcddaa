"""The folder of a run: made fresh, or gone on with."""

import json
import shutil
from pathlib import Path
from typing import Any

from rayrl.config import TrainingConfig, dump_config
from rayrl.errors import ConfigError

EXAMPLES = "examples.arrow"
TEXTS = "divergence_texts.json"


def run_folder(config: TrainingConfig) -> Path:
    """`run.dir`/`run.name`."""
    return (config.run.dir / config.run.name).resolve()


def open_run_directory(config: TrainingConfig) -> Path:
    """`run.dir`/`run.name`, made or found as `run.resume` and `run.overwrite` say.

    Raises:
        ConfigError: It exists and neither is set; or there is nothing to resume.
    """
    folder = run_folder(config)
    exists = (folder / "config.yaml").exists()
    if config.run.resume and not exists:
        raise ConfigError(f"run.resume: there is no run at {folder}; check run.dir and run.name")
    if exists and config.run.overwrite and not config.run.resume:
        shutil.rmtree(folder)
    elif exists and not config.run.resume:
        raise ConfigError(
            f"run.name: {config.run.name!r} exists at {folder}; go on with it by --run.resume true, replace it by "
            "--run.overwrite true, or choose another name"
        )
    (folder / "rollouts").mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(dump_config(config))
    return folder


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows))

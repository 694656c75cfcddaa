"""The folder of a study: made fresh, or gone on with."""

import shutil
from pathlib import Path

from rayrl.errors import ConfigError
from rayrl.study.settings import TrialsSettings


def study_folder(settings: TrialsSettings) -> Path:
    """`dir`/`name`."""
    return (settings.dir / settings.name).resolve()


def open_study(settings: TrialsSettings, section: str) -> Path:
    """The folder, made or found.

    Args:
        settings: Name, place, resume and overwrite.
        section: `study` or `sweep`, for messages.

    Raises:
        ConfigError: It exists and neither resume nor overwrite is set; or there is nothing to resume.
    """
    folder = study_folder(settings)
    exists = (folder / "trials.json").exists()
    if settings.resume and not exists:
        raise ConfigError(f"{section}.resume: there is none at {folder}; check {section}.dir and {section}.name")
    if exists and settings.overwrite and not settings.resume:
        shutil.rmtree(folder)
    elif exists and not settings.resume:
        raise ConfigError(
            f"{section}.name: {settings.name!r} exists at {folder}; go on with it by --{section}.resume true, replace "
            f"it by --{section}.overwrite true, or choose another name"
        )
    (folder / "trials").mkdir(parents=True, exist_ok=True)
    return folder

"""Where a run or a study leaves its files: asked for before anything is made, then made fresh or gone on with."""

import shutil
from pathlib import Path
from typing import Protocol

from rayrl.errors import ConfigError


class PlaceSettings(Protocol):
    """Of a run, a study or a sweep."""

    name: str
    dir: Path
    resume: bool
    overwrite: bool


def place(settings: PlaceSettings) -> Path:
    """`dir`/`name`."""
    return (settings.dir / settings.name).resolve()


def require_place(settings: PlaceSettings, section: str, marker: str) -> None:
    """Raises ConfigError where the folder holds one already that is to be neither resumed nor overwritten, or none to
    resume.

    Args:
        settings: Name, place, resume and overwrite.
        section: `run`, `study` or `sweep`, for messages.
        marker: The file that every such folder has.
    """
    folder = place(settings)
    exists = (folder / marker).exists()
    if settings.resume and not exists:
        none = "no run" if section == "run" else "none"
        raise ConfigError(f"{section}.resume: there is {none} at {folder}; check {section}.dir and {section}.name")
    if exists and not (settings.resume or settings.overwrite):
        raise ConfigError(
            f"{section}.name: {settings.name!r} exists at {folder}; go on with it by --{section}.resume true, replace "
            f"it by --{section}.overwrite true, or choose another name"
        )


def open_place(settings: PlaceSettings, section: str, marker: str, within: str) -> Path:
    """The folder, made or found, with the folder `within` it; raises as `require_place`."""
    require_place(settings, section, marker)
    folder = place(settings)
    if settings.overwrite and not settings.resume and (folder / marker).exists():
        shutil.rmtree(folder)
    (folder / within).mkdir(parents=True, exist_ok=True)
    return folder

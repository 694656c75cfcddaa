"""Where a run, a study or a sweep leaves its files: checked before anything is made, then made or resumed."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rayrl.errors import ConfigError
from rayrl.folders import require_writable


class FolderSettings(Protocol):
    """Of a run, a study or a sweep."""

    name: str
    dir: Path
    resume: bool
    overwrite: bool


@dataclass(frozen=True, slots=True)
class FolderKind:
    """What one kind of output folder has in common."""

    section: str
    """Of the settings, for messages."""
    marker: str
    """The file that every such folder has."""
    within: str
    """A folder in it."""

    def path(self, settings: FolderSettings) -> Path:
        """`dir`/`name`."""
        return (settings.dir / settings.name).resolve()

    def require(self, settings: FolderSettings) -> None:
        """Raises ConfigError where the folder cannot be written, holds one that is neither resumed nor overwritten, or
        holds none to resume."""
        folder, section = self.path(settings), self.section
        require_writable(folder, f"{section}.dir")
        exists = (folder / self.marker).exists()
        if settings.resume and not exists:
            none = "no run" if section == "run" else "none"
            raise ConfigError(f"{section}.resume: there is {none} at {folder}; check {section}.dir and {section}.name")
        if exists and not (settings.resume or settings.overwrite):
            raise ConfigError(
                f"{section}.name: {settings.name!r} exists at {folder}; resume it by --{section}.resume true, replace "
                f"it by --{section}.overwrite true, or choose another name"
            )

    def open(self, settings: FolderSettings) -> Path:
        """The folder, made or found, with the folder `within` it; raises as `require`."""
        self.require(settings)
        folder = self.path(settings)
        if settings.overwrite and not settings.resume and (folder / self.marker).exists():
            shutil.rmtree(folder)
        (folder / self.within).mkdir(parents=True, exist_ok=True)
        return folder


RUN = FolderKind("run", "config.yaml", "rollouts")
STUDY = FolderKind("study", "trials.json", "trials")
SWEEP = FolderKind("sweep", "trials.json", "trials")

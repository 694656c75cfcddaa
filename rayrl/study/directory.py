"""The folder of a study: made fresh, or gone on with."""

from pathlib import Path

from rayrl.study.settings import TrialsSettings
from rayrl.train.place import open_place, place, require_place

MARKER = "trials.json"


def study_folder(settings: TrialsSettings) -> Path:
    """`dir`/`name`."""
    return place(settings)


def require_study(settings: TrialsSettings, section: str) -> None:
    """Raises ConfigError as `require_place`. `section`: `study` or `sweep`, for messages."""
    require_place(settings, section, MARKER)


def open_study(settings: TrialsSettings, section: str) -> Path:
    """The folder, made or found; raises as `require_study`."""
    return open_place(settings, section, MARKER, "trials")

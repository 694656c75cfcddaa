"""Room on disk for what runs leave, found wanting before they start."""

import shutil
from pathlib import Path

from rayrl.errors import ResourceError
from rayrl.units import GB


def require_disk(folder: Path, needed: int) -> None:
    """Raises ResourceError where `folder` cannot come to hold `needed` bytes; what it holds already counts."""
    held = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > held + free:
        raise ResourceError(
            f"run.dir: checkpoints and exported models take about {needed / GB:.1f} GB in {folder}, {free / GB:.1f} GB "
            "are free there; make room, name another folder, freeze more, or lower checkpoint.keep"
        )

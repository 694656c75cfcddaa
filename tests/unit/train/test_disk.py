"""Room on disk is asked for beforehand, and what a folder holds already counts."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from rayrl.errors import ResourceError
from rayrl.train.disk import require_disk

Usage = namedtuple("Usage", "total used free")


def test_what_is_held_and_what_is_free_must_suffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 100))
    run = tmp_path / "runs" / "one"
    require_disk(run, 100)
    with pytest.raises(ResourceError, match=r"run\.dir: .* in .*/runs/one, .* are free there"):
        require_disk(run, 101)
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "state.pt").write_bytes(b"x" * 50)
    require_disk(run, 150)
    with pytest.raises(ResourceError):
        require_disk(run, 151)

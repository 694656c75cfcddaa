"""A folder in shared memory goes with its process, however that ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from rayrl.actors.shared_memory import shared_folder

HOLD = """
import sys, time
from pathlib import Path
from rayrl.actors.shared_memory import shared_folder
with shared_folder(Path(sys.argv[1])) as folder:
    (folder / "0").write_bytes(b"weights")
    print(folder, flush=True)
    time.sleep(600)
"""


def test_it_is_there_within_and_gone_afterwards(tmp_path: Path) -> None:
    with shared_folder(tmp_path) as folder:
        (folder / "0").write_bytes(b"weights")
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), shared_folder(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_one_of_a_process_that_was_killed_is_removed_and_one_of_a_process_that_lives_is_not(tmp_path: Path) -> None:
    (tmp_path / "another's").mkdir()
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        held = Path(process.stdout.readline().strip())
        try:
            with shared_folder(tmp_path) as folder:
                assert (held / "0").read_bytes() == b"weights"
        finally:
            process.kill()
    assert held.is_dir()
    with shared_folder(tmp_path) as folder:
        assert {one.name for one in tmp_path.iterdir()} == {folder.name, "another's"}


def test_without_shared_memory_it_is_among_the_temporary_files(tmp_path: Path) -> None:
    with shared_folder(tmp_path / "none") as folder:
        assert folder.is_dir()
    assert not folder.exists()

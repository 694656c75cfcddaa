"""What processes that compute are started with."""

from pathlib import Path

import pytest

from rayrl.processor import openmp


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where Intel's OpenMP lies; nothing of it is set yet."""
    path = tmp_path / "libiomp5.so"
    path.touch()
    monkeypatch.setattr("rayrl.processor._OPENMP", path)
    for name in ("LD_PRELOAD", "KMP_BLOCKTIME", "KMP_TPAUSE", "OMP_PROC_BIND"):
        monkeypatch.delenv(name, raising=False)
    return str(path)


def test_what_is_preloaded_already_stays_and_nothing_is_twice(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert openmp()["LD_PRELOAD"] == library
    monkeypatch.setenv("LD_PRELOAD", "/lib/own.so")
    assert openmp()["LD_PRELOAD"] == f"/lib/own.so:{library}"
    monkeypatch.setenv("LD_PRELOAD", openmp()["LD_PRELOAD"])
    assert openmp()["LD_PRELOAD"] == f"/lib/own.so:{library}"


@pytest.mark.parametrize(("name", "ours", "own"), [("KMP_BLOCKTIME", "5", "0"), ("OMP_PROC_BIND", "false", "close")])
def test_what_the_user_set_stays(name: str, ours: str, own: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert openmp()[name] == ours
    monkeypatch.setenv(name, own)
    assert openmp()[name] == own


def test_where_it_is_not_installed_nothing_is_set(library: str) -> None:
    Path(library).unlink()
    assert openmp() == {}

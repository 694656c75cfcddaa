"""What is free: of a container what its limit leaves, where pages of files that can be dropped count as free."""

from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from rayrl.errors import ConfigError
from rayrl.train import memory

Machine = namedtuple("Machine", "total available")


def test_page_cache_that_can_be_dropped_counts_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_memory_usage_threshold", "1")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Machine(2000, 900))
    assert memory.memory_available() == 900, "no container"
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 200\ninactive_file 400\nactive_file 100\n")
    assert memory.memory_available() == 1000 - (700 - 400)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Machine(2000, 500))
    assert memory.memory_available() == 500, "the machine has less than the limit leaves"
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.memory_available() == 500


def test_what_is_free_ends_where_ray_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_memory_usage_threshold", raising=False)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Machine(2000, 900))
    assert memory.memory_available() == 900 - 100, "of the machine it leaves a twentieth"
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("inactive_file 400\n")
    assert memory.memory_available() == 700 - 50, "of a container's limit too"


def test_nothing_is_kept_where_ray_does_not_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(memory.KILLS_AT, raising=False)
    monkeypatch.setenv(memory.LOOKS_EVERY, "0")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Machine(2000, 900))
    assert memory.memory_available() == 900


@pytest.mark.parametrize("share", ["95%", "", "0", "95", "nan"])
def test_what_is_no_share_is_refused_by_name(share: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(memory.LOOKS_EVERY, raising=False)
    monkeypatch.setenv(memory.KILLS_AT, share)
    with pytest.raises(ConfigError, match=f"^{memory.KILLS_AT}: {share!r} is no share of memory; set it"):
        memory.memory_available()

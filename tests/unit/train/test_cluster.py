"""Ray that does not start at once."""

import pytest

from rayrl.errors import ResourceError
from rayrl.train.cluster import STARTS, start_ray


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each call of `ray.init` meets, the next at the end: an error's text, or nothing where it starts."""
    met: list[str] = []

    def init(**options: object) -> None:
        assert options == {"num_cpus": 2}
        if error := met.pop():
            raise Exception(error)

    monkeypatch.setattr("ray.init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return met


def test_one_that_missed_its_own_deadline_is_started_again(starts: list[str]) -> None:
    starts += ["", "The current node timed out during startup.", "and another time"]
    start_ray(num_cpus=2)
    assert starts == []


def test_after_some_times_the_machine_is_said_to_be_busy(starts: list[str]) -> None:
    starts += ["not asked for", *["timed out during startup"] * STARTS]
    with pytest.raises(ResourceError, match=r"on this machine: timed out during startup; the machine may be busy"):
        start_ray(num_cpus=2)
    assert starts == ["not asked for"]


def test_a_cluster_that_is_named_is_asked_once(starts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    starts += ["not asked for", "no such cluster"]
    with pytest.raises(ResourceError, match="on auto: no such cluster; check RAY_ADDRESS"):
        start_ray(num_cpus=2)
    assert starts == ["not asked for"]

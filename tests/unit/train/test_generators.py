"""Which GPU a generator takes that is beside a learner rank: that which torch gives the rank, by its own name."""

import os

import pytest

from rayrl.actors.generator import GeneratorActor
from rayrl.generate.engine import EngineSettings
from rayrl.train.generators import _visible


@pytest.mark.parametrize(
    ("names", "index", "taken"), [("4,6,7", 1, "6"), ("GPU-0a1b", 0, "GPU-0a1b"), ("", 2, "2"), (None, 0, "0")]
)
def test_the_gpu_of_a_rank_is_named_as_its_process_sees_it(
    names: str | None, index: int, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if names is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    assert _visible(index) == taken


def test_its_actor_sees_that_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,7")
    for device, seen in ((None, "4,6,7"), ("6", "6")):
        GeneratorActor("tests.fakes.mortal:Mortal", EngineSettings("m", 9, 0, 1, 1, 1, 1, 0.5, {}, device=device))
        assert os.environ["CUDA_VISIBLE_DEVICES"] == seen

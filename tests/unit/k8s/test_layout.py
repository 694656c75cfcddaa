"""Which pods a run gets: no GPU is lost or missing, and no copy of the model lies on two nodes."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayrl.config import GRPOConfig
from rayrl.errors import ConfigError, ResourceError
from rayrl.k8s.layout import Group, Mix, groups, nodes_of, require_nodes


def run(workers: int, replicas: int, split: int = 1, node: int = 8, **changes: Any) -> GRPOConfig:
    parts = {
        "model": {"path": "m"},
        "train_data": {"source": "d"},
        "rewards": [{"function": "maths"}],
        "steps": 1,
        "learner": {"workers": workers, "gpus_per_worker": 1},
        "generator": {"replicas": replicas, "gpus": split, "tensor_parallel_size": split},
        "estimate": {"gpus_per_node": node},
    }
    return GRPOConfig.model_validate(parts | changes)


def shape(found: list[Group]) -> list[tuple[str, int, int]]:
    return [(group.name, group.pods, group.gpus) for group in found]


@pytest.mark.parametrize(
    ("workers", "replicas", "split", "node", "expected"),
    [
        (7, 1, 1, 8, [("all", 1, 8)]),
        (4, 1, 4, 8, [("all", 1, 8)]),
        (4, 4, 1, 4, [("learners", 1, 4), ("generators", 1, 4)]),
        (8, 2, 4, 8, [("learners", 1, 8), ("generators", 1, 8)]),
        (12, 1, 4, 8, [("learners", 1, 8), ("learners-rest", 1, 4), ("generators", 1, 4)]),
        (64, 9, 4, 8, [("learners", 8, 8), ("generators", 4, 8), ("generators-rest", 1, 4)]),
        (3, 3, 3, 8, [("learners", 1, 3), ("generators", 1, 6), ("generators-rest", 1, 3)]),
    ],
)
def test_one_pod_where_it_fits_else_whole_nodes_and_the_rest(
    workers: int, replicas: int, split: int, node: int, expected: list[tuple[str, int, int]]
) -> None:
    assert shape(groups(run(workers, replicas, split, node))) == expected


@given(workers=st.integers(1, 40), replicas=st.integers(1, 20), split=st.integers(1, 8), scales=st.booleans())
def test_pods_have_the_gpus_of_the_run_and_can_hold_all_of_it_wherever_ray_puts_generators_first(
    workers: int, replicas: int, split: int, scales: bool
) -> None:
    config = run(workers, replicas, split)
    found = groups(config, scales)
    pods = [group.gpus for group in found for _ in range(group.pods)]
    assert sum(pods) == workers + replicas * split
    assert max(pods) <= 8
    assert sum(gpus // split for gpus in pods) >= replicas, "there is room for every copy of the model"
    for group in found:
        for mix in group.mixes:
            assert mix.ranks + split * mix.generators <= group.gpus
    assert nodes_of(found, 8) >= math.ceil(sum(pods) / 8)


def test_a_pod_can_hold_whatever_ray_puts_on_its_gpus() -> None:
    learners, generators = groups(run(8, 2, 4))
    assert learners.mixes == generators.mixes == (Mix(8, 0), Mix(4, 1), Mix(0, 2))
    (alone,) = groups(run(4, 1, 4))
    assert alone.mixes == (Mix(4, 1),)


def test_generators_that_scale_have_pods_of_their_own() -> None:
    learners, generators = groups(run(4, 2, 2), scales=True)
    assert (shape([learners]), learners.scales) == ([("learners", 1, 4)], False)
    assert (shape([generators]), generators.scales) == ([("generators", 2, 2)], True)


def test_on_cpu_and_on_one_gpu_all_is_one_pod() -> None:
    cpu = run(2, 2, learner={"workers": 2}, generator={"replicas": 2})
    assert groups(cpu) == [Group("cpu", 1, 0, (Mix(2, 2),))]
    shared = run(1, 1, learner={"gpus_per_worker": 0.5}, generator={"gpus": 0.5})
    assert groups(shared) == [Group("all", 1, 1, (Mix(1, 1),))]


def test_generators_that_take_turns_with_ranks_are_on_their_pods_and_gpus() -> None:
    assert groups(run(8, 8, colocate=True)) == [Group("all", 1, 8, (Mix(8, 8),))]
    whole, rest = groups(run(12, 12, colocate=True))
    assert (whole.mixes, rest.mixes) == ((Mix(8, 8),), (Mix(4, 4),))
    assert shape([whole, rest]) == [("learners", 1, 8), ("learners-rest", 1, 4)]


def test_nodes_are_shared_by_pods_that_fit_together() -> None:
    found = groups(run(12, 1, 4))
    assert nodes_of(found, 8) == 2
    require_nodes(found, 8, 2)
    with pytest.raises(ResourceError, match=r"--nodes 1: pods with 1 x 8, 1 x 4, 1 x 4 GPUs need 2 nodes of 8"):
        require_nodes(found, 8, 1)


@pytest.mark.parametrize(
    ("config", "scales", "says"),
    [
        (run(8, 1, 16), False, r"generator\.gpus \(16\): a copy of the model fits no node of 8 GPUs .*tensor_parallel"),
        (run(8, 16, learner={"workers": 8}), False, r"16 GPUs, a node has 8 .*learner\.gpus_per_worker to 1"),
        (run(8, 8, colocate=True), True, r"--autoscale-generators: there are no generators with whole GPUs"),
        (run(1, 1, learner={}, generator={}), True, r"--autoscale-generators: there are no generators with whole GPUs"),
    ],
)
def test_what_no_node_can_hold_is_refused(config: GRPOConfig, scales: bool, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        groups(config, scales)

"""What of Ray Train a run goes without. Real ranks: test_driver.py."""

from typing import Any

import pytest
from ray.train import ScalingConfig
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from rayrl.train import trainer
from rayrl.train.trainer import OneMachine, Trainer


@pytest.mark.parametrize(
    ("in_trial", "address", "policy"),
    [
        (False, None, OneMachine),
        (False, "127.0.0.1:6379", FixedScalingPolicy),
        (True, None, FixedScalingPolicy),  # of a cluster that it does not know
    ],
)
def test_an_autoscaler_is_asked_for_room_wherever_there_may_be_one(
    in_trial: bool, address: str | None, policy: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TRAIN_V2_ENABLED", "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(trainer, "_in_trial", lambda: in_trial)
    asked: dict[str, Any] = {}
    ray_trains = "_initialize_and_run_controller"
    monkeypatch.setattr(DataParallelTrainer, ray_trains, lambda _self, **given: asked.update(given))
    own = Trainer(lambda: None, scaling_config=ScalingConfig(num_workers=3))
    own._initialize_and_run_controller(scaling_policy=FixedScalingPolicy(own.scaling_config))
    assert type(asked["scaling_policy"]) is policy


def test_without_one_the_ranks_are_as_many_as_asked_for_and_no_actor_is_started() -> None:
    policy = OneMachine(ScalingConfig(num_workers=3, resources_per_worker={"CPU": 0.5}))
    policy.after_controller_start(None)
    decision = policy.make_decision_for_non_running_worker_group()
    assert (decision.num_workers, decision.resources_per_worker) == (3, {"CPU": 0.5})
    policy.before_controller_abort()
    assert policy._coordinator_client is None

"""Weights broadcast from a learner into running vLLM: vLLM's own code of both sides, over gloo instead of NCCL."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayrl.models import EMBEDDED, resolve_model
from rayrl.types import Sampling
from tests.conftest import PATIENCE, ROOT
from tests.fakes.deadlines import deadlines

pytestmark = pytest.mark.integration

# Mean difference of a token's log-probability, in nats: of one model in float32 and in vLLM's own type, and of two.
SAME, OTHER = 0.1, 0.4


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The path that lets vLLM's processes broadcast over gloo; this process does so within the test."""
    from vllm.distributed.weight_transfer import nccl_engine

    from tests.fakes.gloo_transfer import plugin_folder, register

    for name in ("worker_init_process_group", "open_trainer_endpoint"):
        monkeypatch.setattr(nccl_engine, name, getattr(nccl_engine, name))
    for name in ("packed_nccl_broadcast_consumer", "packed_nccl_broadcast_producer"):
        monkeypatch.setattr(nccl_engine, name, getattr(nccl_engine, name))
    register()
    return f"{plugin_folder(tmp_path / 'plugin')}{os.pathsep}{ROOT}"


@pytest.mark.timeout(800)
@pytest.mark.filterwarnings("ignore::Warning")  # vLLM in this process: its dependencies warn on import
def test_generators_hold_what_was_broadcast_and_one_that_is_lost_joins_again(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    import torch

    from rayrl.actors.coordinator import Coordinator, PromptSets
    from rayrl.actors.deadlines import expect
    from rayrl.actors.generator import GeneratorActor, engine_settings
    from rayrl.config import GRPOConfig
    from rayrl.learner.batch import Segment, Tree
    from rayrl.learner.learner import Learner
    from rayrl.train import direct_transfer
    from rayrl.train.cluster import start_ray
    from rayrl.train.weight_sender import WeightSender

    folder = resolve_model(EMBEDDED)
    config = GRPOConfig.model_validate(
        {
            "run": {"deadlines": deadlines(100 * PATIENCE)},
            "model": {"path": folder},
            "train_data": {"source": "reasoning_gym:chain_sum"},
            "rewards": [{"function": "maths"}],
            "freeze": {"preset": "attention_only"},
            "learner": {"gpus_per_worker": 1},
            "generator": {"gpus": 1, "replicas": 2, "threads": 1, "kv_cache_gb": 0.2, "max_sequences": 8},
            "steps": 3,
        }
    )
    assert config.weight_transfer == "nccl"
    monkeypatch.setattr(direct_transfer.ray.util, "get_node_ip_address", lambda: "127.0.0.1")
    learner = Learner(config.model, config.learner, config.freeze, 1.0, 3, 0, torch.device("cpu"))
    prompt = [1, 4093, 198, 16]

    # Ray gives no GPU here: the actors ask for none, whatever the settings say.
    start_ray(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": plugin}})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(expect(awaitable, "the test", config.run.deadlines.step), loop).result()

    class Local:
        """The coordinator in this process: `handle.method.remote(...)` gives what `wait` takes."""

        def __getattr__(self, name: str) -> Any:
            return type("Method", (), {"remote": staticmethod(getattr(coordinator, name))})

    try:
        actors = ray.remote(GeneratorActor).options(num_cpus=0, max_restarts=-1, max_concurrency=100)
        settings = engine_settings(config.generator, folder, 128, 0)
        generators = [actors.remote("vllm", settings) for _ in range(2)]
        coordinator = Coordinator(config, generators, [])
        coordinator.hold(PromptSets([], {}))
        sender = WeightSender(config, learner, Local(), 0, lambda reference, what: run(reference))
        run(coordinator.fleet.ready())

        def differences() -> list[float]:
            """Mean |log-probability| difference between each generator and the learner, in nats."""
            found = []
            for place, handle in enumerate(generators):
                coordinator.fleet._generators._calls[:] = [place, 1 - place]  # the other is busy
                sampling, deadline = Sampling(1.0, 1.0, 16, seed=3), config.run.deadlines.step
                (rollout,) = run(coordinator.fleet.generate("a test", prompt, sampling, deadline))
                assert handle is generators[place]
                assert set(rollout.policy_versions) == {coordinator.fleet.version}
                tokens = rollout.token_ids
                segments = [Segment(prompt, [False] * len(prompt)), Segment(tokens, [True] * len(tokens), 0)]
                (own,) = learner.logprobs([Tree(segments)])
                found.append(float((torch.tensor(own) - torch.tensor(rollout.logprobs)).abs().mean()))
            return found

        def change(factor: float) -> None:
            with torch.no_grad():
                for name, parameter in learner._trained().items():
                    if name.endswith("o_proj.weight"):
                        parameter.mul_(factor)

        sender.send(0)  # sends nothing: the generators have read the same files
        assert max(differences()) < SAME
        change(0.5)
        assert min(differences()) > OTHER
        sender.send(1)
        assert max(differences()) < SAME

        ray.kill(generators[0], no_restart=False)
        assert max(differences()) < SAME  # it was given packets, beside the others' group
        assert any(event["event"] == "actor_lost" for event in coordinator.records.after(0, ""))
        change(2.0)  # back: a model further from language would be further from itself in bfloat16
        assert min(differences()) > OTHER
        sender.send(2)
        assert coordinator.fleet.version == 2
        assert max(differences()) < SAME
    finally:
        ray.shutdown()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

"""From the learner to a generator's engine, without Ray: what of a rounded base goes that way."""

import asyncio
from collections.abc import Awaitable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from rayrl.actors.generator import GeneratorActor
from rayrl.config import GRPOConfig
from rayrl.generate.base_recipe import rounded
from rayrl.generate.engine import BaseRecipe, EngineSettings, PacketFile
from rayrl.generate.packets import Packet, read
from rayrl.learner.learner import Learner
from rayrl.train.weight_sender import WeightSender
from tests.fakes.model import make_model
from tests.fakes.mortal import Mortal

CPU = torch.device("cpu")


class Taking(Mortal):
    """An engine that keeps what it is given, as its model would hold it."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self.model = Path(settings.model)
        self.held: dict[str, torch.Tensor] = {}

    async def load_weights(self, version: int, packets: Sequence[PacketFile | BaseRecipe]) -> None:
        for packet in packets:
            given = rounded(self.model, packet, CPU) if isinstance(packet, BaseRecipe) else read(packet)
            self.held.update((name, tensor.clone()) for name, tensor in given)
        self.version = version


class Stored:
    """A reference to a value in Ray's store."""

    def __init__(self, value: Packet | BaseRecipe) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, Packet | BaseRecipe]:
        yield from asyncio.sleep(0).__await__()
        return self.value


@pytest.mark.parametrize("transfer", ["recipe", "packets"])
def test_a_rounded_base_goes_as_a_recipe_or_as_bytes_and_the_engine_holds_the_same(
    transfer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(tmp_path / "wide", width=128)  # nf4 takes rows of whole blocks of 64
    config = GRPOConfig.model_validate(
        {
            "model": {"path": str(model)},
            "adapter": {"rank": 4, "quantize": "nf4", "base_transfer": transfer},
            "train_data": {"source": "reasoning_gym:chain_sum"},
            "rewards": [{"function": "maths"}],
            "generator": {},
            "steps": 1,
        }
    )
    learner = Learner(config.model, config.learner, config.freeze, 1.0, 1, 0, CPU, adapter_settings=config.adapter)
    sent: list[Stored] = []

    def put(value: Packet | BaseRecipe) -> Stored:
        sent.append(Stored(value))
        return sent[-1]

    monkeypatch.setattr("rayrl.train.weight_sender.ray.put", put)

    async def publish(version: int, packets: list[Stored], base: list[Stored]) -> GeneratorActor:
        settings = EngineSettings(str(model), 10, 0, 1, 1, 1, 1, 0.5, {})
        actor = GeneratorActor("tests.unit.train.test_weight_sender:Taking", settings)
        await actor.start()
        await actor.load_weights(version, [*base, *packets])
        await actor.close()
        return actor

    actors: list[GeneratorActor] = []

    def wait(call: Awaitable[GeneratorActor], what: str) -> None:
        actors.append(asyncio.run(_result(call)))

    coordinator = type("Coordinator", (), {"publish": type("Method", (), {"remote": staticmethod(publish)})})
    WeightSender(config, learner, coordinator, 0, wait).send(1, learner.rounded_base())

    (actor,) = actors
    engine = actor.engine
    assert isinstance(engine, Taking)
    assert engine.version == 1
    base = dict(learner.rounded_base())
    expected = base | dict(learner.tensors([name for name, trains in learner.trainable.items() if trains]))
    assert base
    assert len(expected) > len(base)
    assert engine.held.keys() == expected.keys()
    assert all(torch.equal(engine.held[name], tensor) for name, tensor in expected.items())
    assert [isinstance(one.value, BaseRecipe) for one in sent].count(True) == (transfer == "recipe")
    sizes = [sum(part.nbytes for part in one.value.parts) for one in sent if isinstance(one.value, Packet)]
    size = sum(tensor.nbytes for tensor in expected.values())
    assert (sum(sizes) < size / 2) == (transfer == "recipe"), "nothing of the base is sent beside its recipe"


async def _result(call: Awaitable[GeneratorActor]) -> GeneratorActor:
    return await call

"""GRPO and its variants: loss and gradients against TRL's own trainer on one identical batch (not in `make test`).

python -m pytest tests/benchmarks/test_against_trl.py
"""

import importlib.util
import random
from pathlib import Path

import pytest
import torch

from rayrl.config import ModelSettings, ObjectiveSettings
from rayrl.learner.batch import Segment, Tree, make_batch
from rayrl.learner.model import PolicyModule, load_model
from rayrl.learner.objectives import grpo_objective, weigh
from tests.benchmarks.against_trl import grpo_inputs, grpo_trainer
from tests.fakes.model import make_model

TRL_SETTINGS = {
    "grpo": {"loss_type": "grpo"},
    "dr_grpo": {"loss_type": "dr_grpo"},
    "dapo": {"loss_type": "dapo", "epsilon_high": 0.28},
    "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4},
    "cispo": {"loss_type": "cispo", "epsilon_high": 1.2},
}
OURS = {"cispo": {"clip_high": 0.2}}


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="TRL is not installed (pip install '.[benchmark]')")
@pytest.mark.parametrize("beta", [0.0, 0.05])
@pytest.mark.parametrize("name", TRL_SETTINGS)
def test_loss_and_gradients_are_trls(name: str, beta: float, tmp_path: Path) -> None:
    folder = make_model(tmp_path)
    generator = random.Random(0)
    prompt = [generator.randrange(4, 60) for _ in range(5)]
    rows = [(prompt, [generator.randrange(4, 60) for _ in range(n)]) for n in (3, 7, 1, 5)]
    advantages = [0.7, -1.2, 0.1, 0.4]
    shifts = [[generator.uniform(-0.4, 0.4) for _ in completion] for _, completion in rows]
    base = [[generator.uniform(-6, -3) for _ in completion] for _, completion in rows]

    policy = PolicyModule(load_model(str(folder)).float(), ModelSettings(path="x"))
    lists = [[0.0] * len(completion) for _, completion in rows]
    segments = [Segment(prompt, [False] * 5)]
    segments += [
        Segment(completion, [True] * len(completion), 0, advantages[i], lists[i], lists[i], base[i])
        for i, (_, completion) in enumerate(rows)
    ]
    parts = {"name": name, "importance_cap": None, "kl_coefficient": beta} | OURS.get(name, {})
    settings = ObjectiveSettings.model_validate(parts)
    objective = grpo_objective(settings, max_tokens=7)
    batch = make_batch(weigh([Tree(segments)], objective.normalizer, objective.max_tokens), [0])
    logprobs = policy(batch, 1.0).logprobs
    flat = [value for values in shifts for value in values]
    old = logprobs.detach() + torch.tensor(flat)  # where the clip decides for some
    object.__setattr__(batch, "old_logprobs", old)
    loss, metrics = objective.loss(logprobs, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert 0 < metrics.reduce()["policy/clip_frac"] < 1

    trainer = grpo_trainer(str(folder), rows, bf16=False, beta=beta, use_bias_correction_kl=False, **TRL_SETTINGS[name])
    trainer.model.float()
    inputs = grpo_inputs(rows, advantages)
    pieces = old.split([len(completion) for _, completion in rows])
    pad = torch.nn.utils.rnn.pad_sequence
    inputs["old_per_token_logps"] = pad(list(pieces), batch_first=True)
    inputs["ref_per_token_logps"] = pad([torch.tensor(values) for values in base], batch_first=True)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    theirs = trainer.compute_loss(trainer.model, inputs)
    theirs.backward()
    torch.testing.assert_close(loss.detach(), theirs.detach(), rtol=1e-5, atol=1e-6)
    gradients = dict(policy.model.named_parameters())
    for parameter_name, parameter in trainer.model.named_parameters():
        mine = gradients[parameter_name].grad
        assert mine is not None
        assert float((mine - parameter.grad).norm() / parameter.grad.norm()) < 1e-5, parameter_name

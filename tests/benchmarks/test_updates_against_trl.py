"""Four updates of one step: losses, clip fractions and gradient norms against a real run of TRL's GRPOTrainer.

TRL samples, scores, takes its old log-probabilities and makes four updates (`steps_per_generation=4`); rayrl's learner
starts from the same weights and gets the same completions in the same order (not in `make test`).

python -m pytest -s tests/benchmarks/test_updates_against_trl.py
"""

import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from rayrl.config import FreezeSettings, LearnerSettings, ModelSettings, ObjectiveSettings
from rayrl.learner.batch import Segment, Tree
from rayrl.learner.learner import Learner
from rayrl.learner.objectives import grpo_objective
from rayrl.models import EMBEDDED, resolve_model
from tests.fakes.model import make_model

UPDATES, ROWS, TOKENS = 4, 8, 10
RATES = {"tiny": 1e-2, EMBEDDED: 1e-4}
TRL_SETTINGS: dict[str, dict[str, Any]] = {
    "grpo": {"loss_type": "grpo", "epsilon_high": 0.2},
    "dr_grpo": {"loss_type": "dr_grpo", "epsilon_high": 0.2},
    # Its token normaliser counts the whole generation batch, ours the update's own: the same where all are as long.
    "dapo": {"loss_type": "dapo", "epsilon_high": 0.28, "generation_kwargs": {"min_new_tokens": TOKENS}},
    "gspo": {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4},
    "cispo": {"loss_type": "cispo", "epsilon_high": 1.1, "generation_kwargs": {"min_new_tokens": TOKENS}},
}
OURS: dict[str, dict[str, Any]] = {"cispo": {"clip_high": 0.1}}  # near enough that the clip acts at this rate
CLIPS = {"cispo": "cispo_clip_ratio"}  # of TRL's record


def trls_updates(model: str, folder: Path, rate: float, **settings: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    """What TRL logged of each update, and the rows that it made it of."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    generator = random.Random(0)
    arguments = GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=ROWS,
        steps_per_generation=UPDATES,
        num_generations=4,
        max_completion_length=TOKENS,
        max_steps=UPDATES,
        learning_rate=rate,
        lr_scheduler_type="constant",
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        model_init_kwargs={"dtype": "float32"},
        **settings,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **_columns: [generator.random() for _ in completions],
        args=arguments,
        train_dataset=Dataset.from_list([{"prompt": f"what is {n} + {n % 7}?"} for n in range(16)]),
    )
    trainer.train()
    return [log for log in trainer.state.log_history if "grad_norm" in log], trainer._buffered_inputs


def trees_of(rows: dict[str, Any]) -> list[Tree]:
    """Each row as a tree, without TRL's padding."""
    trees = []
    for index, advantage in enumerate(rows["advantages"].tolist()):
        prompt, completion = (
            rows[f"{part}_ids"][index][rows[f"{part}_mask"][index].bool()].tolist() for part in ("prompt", "completion")
        )
        unused = [0.0] * len(completion)
        root = Segment(prompt, [False] * len(prompt))
        trees.append(Tree([root, Segment(completion, [True] * len(completion), 0, advantage, unused)]))
    return trees


@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(900)
@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="TRL is not installed (pip install '.[benchmark]')")
@pytest.mark.parametrize("where", RATES)
@pytest.mark.parametrize("name", TRL_SETTINGS)
def test_the_updates_of_a_step_are_trls(name: str, where: str, tmp_path: Path) -> None:
    model = str(make_model(tmp_path / "tiny")) if where == "tiny" else resolve_model(where)
    logs, slices = trls_updates(model, tmp_path / "trl", RATES[where], **TRL_SETTINGS[name])
    learner = Learner(
        ModelSettings(path=model, compute_dtype="float32"),
        LearnerSettings(learning_rate=RATES[where], warmup_fraction=0.0),
        FreezeSettings(),
        temperature=1.0,
        total_updates=UPDATES,
        seed=0,
        device=torch.device("cpu"),
    )
    objective = grpo_objective(
        ObjectiveSettings.model_validate({"name": name, "importance_cap": None} | OURS.get(name, {})), TOKENS
    )
    updates = learner.with_old_logprobs([trees_of(rows) for rows in slices], objective)
    ours = [learner.update(trees, objective) for trees in updates]
    assert len(ours) == len(logs) == UPDATES
    key = CLIPS.get(name, "clip_ratio/region_mean")
    for index, (mine, theirs) in enumerate(zip(ours, logs, strict=True)):
        print(
            f"{name} {where} update {index + 1}: clip_frac {mine['policy/clip_frac']:.6f} TRL {theirs[key]:.6f}  "
            f"loss {mine['train/loss']:+.6f} TRL {theirs['loss']:+.6f}  "
            f"gradient {mine['train/grad_norm']:.5f} TRL {theirs['grad_norm']:.5f}"
        )
    for mine, theirs in zip(ours, logs, strict=True):
        assert mine["train/grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-2)
        assert mine["train/loss"] == pytest.approx(theirs["loss"], abs=1e-3)
        if name not in ("gspo", "cispo"):  # there TRL counts sequences, here positive advantages alone
            assert mine["policy/clip_frac"] == pytest.approx(theirs[key], abs=1e-6)
    assert ours[0]["policy/clip_frac"] == 0
    assert ours[-1]["policy/clip_frac"] > 0

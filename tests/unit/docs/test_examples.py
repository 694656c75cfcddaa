"""The examples run: rows of the dataset, rewards in real worker processes, configs; and rows that docstrings show."""

import doctest
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from examples import datasets
from rayrl.actors.verifier import VerifierActor
from rayrl.config import DatasetSettings, GRPOConfig, SFTConfig, TrainingConfig, VerifierSettings, load_config
from rayrl.data import finance_sets, financebench, maths_sets
from rayrl.data.registry import SETS
from rayrl.data.sources import iterate_rows
from rayrl.verify import maths

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def rows(source: DatasetSettings) -> list[dict[str, Any]]:
    return [row for row in iterate_rows(source, "train_data") if isinstance(row, dict)]


async def test_the_config_with_code_of_ones_own_gives_rows_and_rewards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))  # as its command sets it
    config = load_config(EXAMPLES / "own_code.yaml", {}, GRPOConfig)
    assert [len(rows(source)) for source in (config.train_data, config.eval_data) if source] == [400, 100]
    row = {"question": "Which is larger, 41 or 17?", "answer": "41"}
    actor = VerifierActor(config.rewards, VerifierSettings(deadline_s=60), "answer")
    try:
        group = await actor.score(row, ["41", "It is 41.", "21", "both", "9" * 5000])
        unreadable = await actor.score({**row, "answer": "forty-one"}, ["41"])
    finally:
        await actor.close()
    assert [verdict.status for verdict in group.verdicts[:4]] == ["correct", "correct", "incorrect", "unparseable"]
    assert group.parts["examples.rewards:near"] == [1.0, 1.0, 0.5, 0.0, 0.0]  # 20 / (20 + |21 - 41|)
    assert group.rewards[:4] == [1.5, 1.5, 0.25, 0.0]
    assert unreadable.parts["examples.rewards:near"] == [None]


@pytest.mark.parametrize("settings", [SFTConfig, GRPOConfig])
def test_the_config_with_data_of_ones_own_is_good_for_sft_and_grpo(
    settings: type[TrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    config = load_config(EXAMPLES / "own_data.yaml", {}, settings)
    assert config.eval_data is not None
    train, held_out = rows(config.train_data), rows(config.eval_data)
    assert all(maths.verify(row["answer"], row["answer"]).score == 1.0 for row in train + held_out)
    assert not {row["question"] for row in train} & {row["question"] for row in held_out}


@pytest.mark.parametrize(
    "module", [maths_sets, finance_sets, financebench, datasets], ids=lambda module: module.__name__
)
def test_docstrings_show_the_rows_that_datasets_give(module: ModuleType) -> None:
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


@pytest.mark.parametrize("name", SETS)
def test_the_docstring_of_every_named_dataset_shows_a_row(name: str) -> None:
    assert ">>> published = " in (SETS[name].map.__doc__ or "")

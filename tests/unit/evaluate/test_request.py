"""What `rayrl eval` reads off its command line: settings, and the models that they are for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.config import GRPOConfig, SFTConfig, dump_config, validated
from rayrl.errors import ConfigError
from rayrl.evaluate.request import read_request

SETS: dict[str, Any] = {"eval_data": {"source": "e.jsonl"}, "benchmarks": {"aime": {"data": {"source": "a.jsonl"}}}}
EVAL: dict[str, Any] = {"model": {"path": "own/model"}, "run": {"name": "mine", "dir": "there"}} | SETS
GRPO: dict[str, Any] = {
    "run": {"name": "trained", "overwrite": True, "max_failures": 5, "seed": 7},
    "model": {"path": "base/model"},
    "train_data": {"source": "t.jsonl"},
    "rewards": [{"function": "choice"}],
    "sampling": {"max_tokens": 33},
    "adapter": {"rank": 4},
    "steps": 3,
} | SETS


def written(folder: Path, settings: dict[str, Any], name: str = "config.yaml") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(settings))
    return str(folder / name)


def test_a_config_alone_is_for_its_own_model_and_else_for_those_that_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, EVAL, "c.yaml")
    config, models = read_request([path], ["--evaluation.temperature", "0.6", "--benchmarks.aime.samples", "4"])
    assert (models, config.run.name) == (["own/model"], "mine")
    assert [one.samples for one in config.evaluation_sets] == [1, 4]
    assert read_request([path, "x/y", "runs/z"], [])[1] == ["x/y", "runs/z"]


@pytest.mark.parametrize("resolved", [False, True])
def test_a_run_is_evaluated_as_it_evaluated_itself_in_a_folder_beside_it(tmp_path: Path, resolved: bool) -> None:
    settings = GRPO | {"run": GRPO["run"] | {"dir": str(tmp_path)}}
    run = tmp_path / "trained"
    written(run, settings)
    own = validated(GRPOConfig, "c", settings)
    if resolved:
        (run / "config.yaml").write_text(dump_config(own))
    config, models = read_request([str(run)], [])
    assert models == [str(run)]
    assert config.evaluation_sets == own.evaluation_sets
    assert (config.run.name, config.run.dir, config.run.overwrite, config.run.seed) == (
        "trained-eval",
        tmp_path,
        False,
        7,
    )
    assert read_request(["hub/base", str(run)], [])[1] == ["hub/base", str(run)]
    assert read_request([str(run / "config.yaml")], [])[1] == ["base/model"]


def test_supervised_runs_have_their_own_length(tmp_path: Path) -> None:
    settings = {"model": {"path": "m"}, "train_data": {"source": "t"}, "examples_per_step": 4} | SETS
    config, _ = read_request([written(tmp_path, settings, "sft.yaml")], [])
    assert config.evaluation_sets == validated(SFTConfig, "c", settings).evaluation_sets


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (["some/model"], "'some/model' does not say what to evaluate; name a config before it"),
        (["none.yaml"], "config file 'none.yaml' does not exist"),
        (["CONFIG", "second.yaml"], "'second.yaml': one config, before the models"),
    ],
)
def test_what_names_no_settings_is_refused(tmp_path: Path, named: list[str], message: str) -> None:
    path = written(tmp_path, EVAL, "c.yaml")
    with pytest.raises(ConfigError, match=message):
        read_request([path if name == "CONFIG" else name for name in named], [])


def test_unknown_settings_are_refused_also_where_those_of_training_are_left_out(tmp_path: Path) -> None:
    for settings in (EVAL, GRPO):
        path = written(tmp_path, settings | {"benchmark": {}}, "c.yaml")
        with pytest.raises(ConfigError, match="benchmark: unknown setting"):
            read_request([path], [])

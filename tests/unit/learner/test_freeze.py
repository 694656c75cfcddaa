from collections.abc import Callable

import pytest

from rayrl.config import FreezeRule, FreezeSettings, LearnerSettings, ModelSettings
from rayrl.errors import FreezeError, ModelError
from rayrl.learner.freeze import PRESETS, layer_of, resolve, select_layers
from rayrl.learner.freeze_table import freeze_rows
from rayrl.learner.memory import MemoryEstimator
from rayrl.learner.model import meta_model
from rayrl.learner.structure import ParameterShape, read_structure

LINEAR = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
NAMES = [
    "model.embed_tokens.weight",
    *(f"model.layers.{i}.{kind}.weight" for i in range(32) for kind in (*LINEAR, "mlp.up_proj", "input_layernorm")),
    "model.norm.weight",
    "lm_head.weight",
]


def trained(settings: FreezeSettings, names: list[str] = NAMES, **tied: str) -> list[str]:
    return [name for name, trains in resolve(settings, names, 32, tied or None).items() if trains]


@pytest.mark.parametrize(
    ("preset", "count"),
    [
        ("none", len(NAMES)),
        ("qk_only", 64),
        ("qk_and_head", 65),
        ("attention_only", 128),
        ("mlp_only", 32),
        ("freeze_mid_mlps", len(NAMES) - 7),
        ("embeddings_frozen", len(NAMES) - 1),
        ("last_2", 12),
    ],
)
def test_presets(preset: str, count: int) -> None:
    assert len(trained(FreezeSettings(preset=preset))) == count
    assert preset in PRESETS or preset == "last_2"


def test_freeze_mid_mlps_is_the_papers_19_to_25_of_32() -> None:
    frozen = set(NAMES) - set(trained(FreezeSettings(preset="freeze_mid_mlps")))
    assert frozen == {f"model.layers.{i}.mlp.up_proj.weight" for i in range(19, 26)}


def test_a_later_rule_wins() -> None:
    rules = [
        FreezeRule(match="*.q_proj.*", layers="0-3", train=False),
        FreezeRule(match="*.q_proj.*", layers="2", train=True),
    ]
    frozen = set(NAMES) - set(trained(FreezeSettings(rules=rules)))
    assert {layer_of(name) for name in frozen} == {0, 1, 3}


@pytest.mark.parametrize(
    ("text", "layers"),
    [("19-25", set(range(19, 26))), ("3,5", {3, 5}), ("0.6-0.8", set(range(19, 26))), ("0-1,9", {0, 1, 9})],
)
def test_layer_selections(text: str, layers: set[int]) -> None:
    assert select_layers(text, 32, "rule") == layers


@pytest.mark.parametrize("text", ["", "a", "30-32", "5-3", "0.5", "0.991-0.992", "-1"])
def test_layer_selections_that_name_nothing(text: str) -> None:
    with pytest.raises(FreezeError, match="rule: layers"):
        select_layers(text, 32, "rule")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (FreezeSettings(preset="qk_onyl"), r"did you mean 'qk_only'"),
        (FreezeSettings(preset="last_33"), r"32 layers; take last_1\.\.32"),
        (FreezeSettings(rules=[FreezeRule(match="*.qproj.*", train=False)]), r"rules\.0.*'\*\.qproj\.\*'.*q_proj"),
        (FreezeSettings(rules=[FreezeRule(match="model.norm.*", layers="3", train=False)]), "nothing in layers '3'"),
        (FreezeSettings(rules=[FreezeRule(train=False)]), "nothing to train"),
    ],
)
def test_errors_name_rule_value_and_fix(settings: FreezeSettings, message: str) -> None:
    with pytest.raises(FreezeError, match=message):
        resolve(settings, NAMES, 32)


def test_a_tied_head_is_the_embedding() -> None:
    names = NAMES[:-1]
    tied = {"lm_head.weight": "model.embed_tokens.weight"}
    assert "model.embed_tokens.weight" in trained(FreezeSettings(preset="qk_and_head"), names, **tied)
    frozen = resolve(FreezeSettings(rules=[FreezeRule(match="lm_head.*", train=False)]), names, 32, tied)
    assert not frozen["model.embed_tokens.weight"]
    parameters = [ParameterShape(name, (1,), trains) for name, trains in frozen.items()]
    assert freeze_rows(parameters, tied)[0].kind == "embed_tokens (= lm_head)"


def rules_of_my_own() -> list[FreezeRule]:
    return [FreezeRule(train=False), FreezeRule(match="*.o_proj.*", layers="0", train=True)]


def test_a_preset_by_import_path() -> None:
    assert trained(FreezeSettings(preset=f"{__name__}:rules_of_my_own")) == ["model.layers.0.self_attn.o_proj.weight"]


def test_table_and_estimate_need_no_weights(folders: Callable[[str], str]) -> None:
    path = folders("llama_tied")
    sizes = {name: parameter.numel() for name, parameter in meta_model(path).named_parameters()}
    settings = FreezeSettings(rules=[FreezeRule(match="*.mlp.*", layers="1,2", train=False)])
    structure = read_structure(path, settings, None)
    rows = freeze_rows(structure.parameters, structure.tied)
    gate = [row for row in rows if row.kind == "mlp.gate_proj"]
    assert [(row.layers, row.tensors, row.parameters, row.trainable) for row in gate] == [
        ("0,3", 2, 2 * 32 * 48, True),
        ("1-2", 2, 2 * 32 * 48, False),
    ]
    assert sum(row.parameters for row in rows) == sum(sizes.values())
    memory = MemoryEstimator(structure.parameters, ModelSettings(path="x"), LearnerSettings()).without_batch()
    assert memory.weights == 4 * sum(sizes.values())
    assert memory.optimizer == 8 * sum(sizes[one.name] for one in structure.parameters if one.trains)
    assert memory.total > memory.weights + memory.optimizer


def test_no_model_there() -> None:
    with pytest.raises(ModelError, match=r"model\.path"):
        meta_model("/nowhere/at/all")

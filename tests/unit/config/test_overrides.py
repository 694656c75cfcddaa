"""`--section.field value`: text as it was typed, all else by the field's type."""

from pathlib import Path
from typing import Any

import pytest

from rayrl.config import EvalConfig, GRPOConfig, SFTConfig, TextSettings, load_config, parse_overrides
from rayrl.errors import ConfigError
from rayrl.study.settings import StudyConfig, SweepConfig
from rayrl.synth.settings import SynthConfig

DEMO = Path(__file__).resolve().parents[3] / "configs" / "demo" / "grpo.yaml"
TEXTS = [
    r"{question} Put it in \boxed{}.",
    "{context}\n\n{question}",
    "Question: {question}",
    "{question}",
    "*Be brief*",
    "&x",
    "# Rules",
    "Be brief. # not a comment",
    "12:30",
    "1e-5",
    "007",
    "true",
    "2024-01-01",
    "[a, b",
    "[a, b]",
    "{a: 1}",
    "@you",
    "`x`",
    "%d",
    "- item",
    "? x",
    "| x",
    "> x",
    "!tag",
    "'quoted'",
    '"half',
    "a: b: c",
    "  spaces  ",
    "",
    "None",
    "~",
    "\ttab",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("field", ["prompt.system", "prompt.template", "benchmarks.mine.prompt.template"])
def test_text_is_taken_as_it_was_typed(field: str, text: str) -> None:
    assert parse_overrides([f"--{field}", text], GRPOConfig) == {field: text}
    assert parse_overrides([f"--{field}={text}"], SFTConfig) == {field: text}


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_taken_as_typed_in_every_command(text: str) -> None:
    for settings, field in (
        (StudyConfig, "base.prompt.template"),
        (StudyConfig, "sft.target.template"),
        (StudyConfig, "arms.mine.prompt.system"),
        (SweepConfig, "base.prompt.system"),
        (SynthConfig, "split.group"),
        (TextSettings, "template"),
        (GRPOConfig, "run.dir"),
        (GRPOConfig, "run.name"),
    ):
        assert parse_overrides([f"--{field}", text], settings) == {field: text}
    assert load_config(DEMO, parse_overrides(["--prompt.system", text], GRPOConfig), GRPOConfig).prompt.system == text


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("steps", "7", 7),
        ("learner.learning_rate", "1e-5", 1e-5),
        ("learner.learning_rate", "3", 3.0),
        ("run.resume", "true", True),
        ("run.resume", "no", False),
        ("generator.threads", "null", None),
        ("prompt.system", "null", None),
        ("model.chat_template", "null", None),
        ("eval_data", "null", None),
        ("objective.clip_high", "0.28", 0.28),
        ("objective.normalizer", "token", "token"),
        ("learner.betas", "[0.9, 0.95]", (0.9, 0.95)),
        ("adapter", "{rank: 4}", 4),
        ("adapter.targets", "[q_proj, v_proj]", ["q_proj", "v_proj"]),
        ("adapter.targets", "all-linear", "all-linear"),
        ("train_data.options", "{split: train}", {"split": "train"}),
        ("train_data.options.min_terms", "3", 3),
        ("generator.options.dtype", "float32", "float32"),
    ],
)
def test_numbers_lists_mappings_and_null_are_read_by_the_fields_type(field: str, text: str, value: Any) -> None:
    found: Any = load_config(DEMO, parse_overrides([f"--{field}", text], GRPOConfig), GRPOConfig)
    for name in field.split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert (found.rank if field == "adapter" else found) == value


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("steps", "12:30", r"steps: .*valid integer.*'12:30'"),
        ("steps", "[1", r"steps: .*valid integer.*'\[1'"),
        ("run.resume", "maybe", r"run.resume: .*valid boolean.*'maybe'"),
        ("rewards", "[{", r"--rewards: '\[\{' is no list or mapping in YAML"),
        ("rewards", "maths", r"rewards: .*valid list.*'maths'"),
        ("objective.name", "*grpo", r"objective.name: .*\*grpo"),
        ("learner.learning_rat", "*x", r"learner.learning_rat: unknown setting"),
        ("steps.more", "1", r"--steps.more: 'steps' holds 8"),
    ],
)
def test_what_fits_no_field_is_one_message(field: str, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(DEMO, parse_overrides([f"--{field}", text], GRPOConfig), GRPOConfig)


def test_a_name_may_be_written_with_hyphens_and_a_key_that_has_some_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(DEMO.read_text() + "\nbenchmarks: {mmlu-stem: {data: {source: a}}}\n")
    arguments = ["--benchmarks.mmlu-stem.max-tokens", "16", "--benchmarks.mmlu-stem.prompt.system", "12:30"]
    config = load_config(path, parse_overrides([*arguments, "--run.name", "a-b"], GRPOConfig), GRPOConfig)
    assert list(config.benchmarks) == ["mmlu-stem"]
    assert config.benchmarks["mmlu-stem"].max_tokens == 16
    assert config.benchmarks["mmlu-stem"].prompt.system == "12:30"
    assert config.run.name == "a-b"


SHARED_BLOCKS = """
model: {path: embedded:smollm2-135m}
benchmarks:
  fb_a: &block
    data: {source: a, options: {context: x}}
    prompt: {max_tokens: 5}
  fb_b: *block
  other: *block
"""


def test_a_star_stands_for_all_names_that_match(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SHARED_BLOCKS)
    arguments = ["--benchmarks.fb_*.data.options.documents", "folder", "--benchmarks.*.prompt.max-tokens", "7"]
    config = load_config(path, parse_overrides(arguments, EvalConfig), EvalConfig)
    options = {name: one.data and one.data.options for name, one in config.benchmarks.items()}
    given = {"context": "x", "documents": "folder"}
    assert options == {"fb_a": given, "fb_b": given, "other": {"context": "x"}}
    assert {one.prompt.max_tokens for one in config.benchmarks.values()} == {7}
    with pytest.raises(
        ConfigError, match=r"--benchmarks\.gb_\*\.samples: nothing matches 'gb_\*'; .*fb_a, fb_b, other"
    ):
        load_config(path, parse_overrides(["--benchmarks.gb_*.samples", "2"], EvalConfig), EvalConfig)


def test_an_override_changes_one_place_of_what_an_alias_shares(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SHARED_BLOCKS)
    config = load_config(path, parse_overrides(["--benchmarks.fb_b.prompt.max_tokens", "9"], EvalConfig), EvalConfig)
    assert {name: one.prompt.max_tokens for name, one in config.benchmarks.items()} == {
        "fb_a": 5,
        "fb_b": 9,
        "other": 5,
    }


def test_without_types_yaml_guesses_and_what_is_no_yaml_is_text() -> None:
    assert parse_overrides(["--a", "[1, 2]", "--b", "*x", "--c", "{question}", "--d", "1e-5"]) == {
        "a": [1, 2],
        "b": "*x",
        "c": "{question}",
        "d": 1e-5,
    }


@pytest.mark.parametrize(
    "content", ["prompt: {system: *Be}", "prompt:\n  template: Question: {question}", "a: [", "\t"]
)
def test_a_file_that_is_no_yaml_says_that_text_needs_quotes(content: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"c.yaml: (not valid YAML[^$]*quotes|must hold settings)"):
        load_config(tmp_path / "c.yaml", {}, GRPOConfig)


def test_text_that_yaml_read_otherwise_and_a_file_in_another_encoding_are_named(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(DEMO.read_text() + "\nbenchmarks: {x: {data: {source: a/b}, prompt: {system: 12:30}}}\n")
    with pytest.raises(
        ConfigError, match=r"benchmarks.x.prompt.system: .*valid string \(value 750\); put text into quotes"
    ):
        load_config(path, {}, GRPOConfig)
    path.write_bytes(b"run: {name: \xfc}")
    with pytest.raises(ConfigError, match=r"c.yaml.* cannot be read: .*utf-8"):
        load_config(path, {}, GRPOConfig)

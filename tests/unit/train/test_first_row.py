"""The first row with the plan: as the model sees it, and what is wrong with the prompts of all rows."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.cli import main
from rayrl.train.first_row import FirstRow


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is enough, whatever else the machine runs."""
    monkeypatch.setattr("rayrl.train.memory.memory_available", lambda: 10**12)


def dry_run(config: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    code = main(["sft" if "target" in config else "grpo", str(path), "--dry-run"])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def with_template(config: dict[str, Any], template: str, folder: Path) -> dict[str, Any]:
    file = folder / "own.jinja"
    file.write_text(template)
    return config | {"model": config["model"] | {"chat_template": str(file)}}


def test_a_dry_run_shows_the_first_prompt_with_special_tokens_and_the_reference_answer(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_template(tiny_config, "{{ messages[0].content }}{{ eos_token }}\nA:", tmp_path)
    code, shown = dry_run(config | {"prompt": {"template": "What is\n{question}", "max_tokens": 100}}, tmp_path, capsys)
    assert code == 0, shown
    lines = shown[shown.index("first prompt") :].replace(" ", "").splitlines()  # the tiny tokenizer writes blanks
    assert lines[0].startswith("firstprompt,train_data-0:")
    assert lines[1:] == ["|Whatis", "|0+0=<end>", "|A:", "referenceanswer:0"]


def test_a_dry_run_of_sft_marks_what_is_learned(
    tiny_sft: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = "{% for m in messages %}{{ m.content }}{{ eos_token if m.role == 'assistant' else ' ' }}{% endfor %}"
    code, shown = dry_run(with_template(tiny_sft, template, tmp_path), tmp_path, capsys)
    assert code == 0, shown
    lines = shown[shown.index("first example") :].splitlines()
    assert lines[0].endswith("2 of them learned (>)")
    assert [line.replace(" ", "") for line in lines[1:]] == ["|0+0=", ">0<end>"]


@pytest.mark.parametrize("kind", ["grpo", "sft"])
@pytest.mark.parametrize("bad_golds", ["error", "skip"])
@pytest.mark.parametrize("template", ["", "{# nothing #}\n  "])
def test_a_chat_template_that_writes_nothing_is_named(
    kind: str,
    bad_golds: str,
    template: str,
    tiny_config: dict[str, Any],
    tiny_sft: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = with_template(tiny_config if kind == "grpo" else tiny_sft, template, tmp_path)
    config |= {"eval_data": None, "train_data": config["train_data"] | {"bad_golds": bad_golds}}
    code, shown = dry_run(config, tmp_path, capsys)
    assert code == 3, shown
    assert "60 rows cannot be used (60 for the same reason)" in shown
    assert "train_data-0: model.chat_template: it writes no text for the messages (user) of this row" in shown
    assert "train.jsonl:1)" in shown
    assert "change prompt.template, name another model.chat_template" in shown


@pytest.mark.parametrize("kind", ["grpo", "sft"])
def test_prompts_that_are_all_equal_are_counted(
    kind: str,
    tiny_config: dict[str, Any],
    tiny_sft: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = (tiny_config if kind == "grpo" else tiny_sft) | {"prompt": {"template": "Add.", "max_tokens": 100}}
    code, shown = dry_run(config | {"eval_data": None}, tmp_path, capsys)
    assert code == 0, shown
    equal = "train_data: all 60 prompts are equal; check prompt.template and model.chat_template"
    assert equal in " ".join(shown.split())
    code, shown = dry_run(config, tmp_path, capsys)  # the held-out prompts are the same: nothing is left to train on
    assert code == 3, shown
    assert equal in shown
    code, shown = dry_run(config | {"prompt": {"max_tokens": 100}}, tmp_path, capsys)
    assert (code, "prompts are equal" in shown) == (0, False)


def test_a_long_text_lacks_its_middle_and_control_characters_are_written_out() -> None:
    shown = str(FirstRow("a", 1, 0, [("\n".join(map(str, range(100))) + "\x1b[2J", False)], "x" * 1000)).splitlines()
    assert len(shown) == 1 + 20 + 1 + 1
    assert shown[1] == "  | 0"
    assert shown[11] == "    … 80 lines …"
    assert shown[21] == r"  | 99\x1b[2J"
    assert shown[22] == f"reference answer: {'x' * 75} … 850 characters … {'x' * 75}"
    long = str(FirstRow("a", 1, 0, [("y" * 5000, False)], "")).splitlines()
    assert len(long[1]) < 1600
    assert "characters" in long[1]


def test_a_row_that_cannot_be_used_is_named_by_its_line(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "train.jsonl"
    rows.write_text('{"question": "1+1", "answer": "2"}\n\n{"question": "1+2", "note": "3"}\n')
    code, shown = dry_run(tiny_config, tmp_path, capsys)
    assert code == 3, shown
    assert f"(train_data-1; at {rows}:3; columns of the last: question, note)" in shown
    rows.write_text("\n" + json.dumps({"question": "1+2", "answer": "\\frac{"}) + "\n")
    code, shown = dry_run(tiny_config | {"rewards": [{"function": "maths"}]}, tmp_path, capsys)
    assert code == 3, shown
    assert f"({rows}:2)" in shown


def test_too_little_memory_names_the_largest_microbatch_and_the_settings_that_lower_it(
    tiny_config: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rayrl.train.memory.memory_available", lambda: 4_500_000_000)
    config = tiny_config | {"generator": tiny_config["generator"] | {"kv_cache_gb": 0.1}}
    config |= {"prompts_per_step": 40000, "group_size": 40, "learner": {"microbatch_tokens": 500000}}
    code, shown = dry_run(config, tmp_path, capsys)
    assert code == 4, shown
    says = "the largest micro-batch has 500000 tokens: lower learner.microbatch_tokens (500000) or sampling.max_tokens"
    assert says in shown

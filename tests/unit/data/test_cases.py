"""Inputs that people brought from elsewhere: ../shared/data/cases/training, and what is right for each."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayrl.cli import main

CASES = Path(__file__).resolve().parents[4] / "shared" / "data" / "cases" / "training"
SKIP = ("--train_data.bad_golds", "skip")
CHAT = ("--target.messages_column", "messages")
CONTEXT = ("--prompt.template", "{context}\n\n{question}", "--eval_data", "null")
OUTPUT = ("--target.template", "{output}", "--eval_data", "null")
OWN_CHAT = ("--train_data.question_column", "prompt")

Outcome = tuple[int, str]


@pytest.fixture(autouse=True)
def cases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not CASES.is_dir():
        pytest.skip(f"{CASES} is not here")
    (tmp_path / "training").symlink_to(CASES)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tried(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`tried("sft", FILE, …)`: exit code and, in one line, what is printed. The tiny model's tokens are characters."""

    def run(command: str, file: str | None, *arguments: str) -> Outcome:
        config = yaml.safe_load((CASES / f"{command}.yaml").read_text())
        config["model"] = {"path": str(tiny_model)}
        config["generator"] = {"engine": "tests.fakes.engine:TransformersEngine"}
        config["prompt"]["max_tokens"] = 200  # and 8 to sample: the model has 256 positions
        if command == "sft":
            config["target"]["max_tokens"] = 250
        Path("c.yaml").write_text(yaml.safe_dump(config))
        source = ["--train_data.source", f"training/{file}"] if file else []
        code = main([command, "c.yaml", "--dry-run", *source, *arguments])
        shown = capsys.readouterr()
        return code, " ".join((shown.err if code else shown.out).split())

    return run


@pytest.mark.parametrize(
    ("file", "arguments", "bad", "rows", "says"),
    [
        ("tools_empty.jsonl", CHAT, [8], 8, "does not write the row's tools"),
        ("tools_null.jsonl", CHAT, [8], 8, "does not write the tool calls of message 1"),
        ("null_question.jsonl", (), [8, 9, 10], 8, "'question' is empty or not there"),
        ("null_context.jsonl", CONTEXT, [1], 1, "prompt.template: the column context is null"),
        ("empty_turn.jsonl", CHAT, [8, 9], 8, "message 3 of 'messages' (assistant) has no text"),
        (
            "alternate.jsonl",
            (*CHAT, "--model.chat_template", "training/no_system.jinja"),
            [8],
            8,
            "Roles must alternate",
        ),
        ("system_chat.jsonl", (*CHAT, "--model.chat_template", "training/no_system.jinja"), [8], 8, "System role not"),
        (
            "thoughts.jsonl",
            (*CHAT, "--model.chat_template", "training/strips_thoughts.jinja"),
            [0],
            1,
            "rewrites earlier",
        ),
    ],
)
def test_bad_rows_of_sft_are_an_error_by_row_or_left_out_and_counted(
    tried: Any, file: str, arguments: tuple[str, ...], bad: list[int], rows: int, says: str
) -> None:
    code, text = tried("sft", file, *arguments)
    assert code == 3
    assert text.startswith(f"rayrl: train_data: {len(bad)} rows cannot be used")
    assert says in text
    assert all(f"train_data-{number}: " in text for number in bad)
    code, text = tried("sft", file, *arguments, *SKIP)
    assert code == 0
    assert f"examples {rows} to learn" in text
    assert f"left out {len(bad)} of train_data: " in text


def test_grpo_refuses_the_same_rows(tried: Any) -> None:
    code, text = tried("grpo", "null_context.jsonl", *CONTEXT)
    assert (code, "train_data-1: prompt.template: the column context is null" in text) == (3, True)
    assert "problems 1 to train on" in tried("grpo", "null_context.jsonl", *CONTEXT, *SKIP)[1]
    assert tried("grpo", "null_question.jsonl")[0] == 3
    assert "problems 8 to train on" in tried("grpo", "null_question.jsonl", *SKIP)[1]


@pytest.mark.parametrize("command", ["sft", "grpo"])
def test_templates_that_refuse_are_one_message(tried: Any, command: str) -> None:
    code, text = tried(
        command, None, "--model.chat_template", "training/no_system.jinja", "--prompt.system", "Be brief."
    )
    assert code == 3
    assert "eval_data: 4 rows cannot be used (4 for the same reason)" in text
    assert "refuses the messages (system, user): System role not supported" in text
    assert "leave out prompt.system" in text
    code, text = tried(command, None, "--model.chat_template", "training/broken.jinja")
    assert code == 2
    assert text.startswith("rayrl: model.chat_template: file ")
    assert "broken.jinja' is no Jinja template (line 1: " in text


def test_what_is_right_stays_right(tried: Any) -> None:
    for file, arguments, rows in (
        ("good.jsonl", (), 8),
        ("mixed_types.jsonl", (), 7),
        ("special.jsonl", (), 9),
        ("braces.jsonl", (), 9),
        ("prompt_as_chat.jsonl", OWN_CHAT, 8),
        ("verl.jsonl", (*OWN_CHAT, "--target.template", "{reward_model[ground_truth]}"), 8),
        ("thoughts.jsonl", CHAT, 2),
        ("blank_cells.csv", ("--prompt.template", "{instruction} {input}", *OUTPUT), 3),
        ("good.jsonl", ("--model.chat_template", "training/bos.jinja"), 8),
        ("good.jsonl", ("--model.chat_template", "training/no_generation_prompt.jinja"), 8),
    ):
        code, text = tried("sft", file, *arguments)
        assert (code, f"examples {rows} to learn" in text) == (0, True), (file, text)
        assert "left out" not in text
    assert "problems 8 to train on" in tried("grpo", "prompt_as_chat.jsonl", *OWN_CHAT)[1]
    code, text = tried("sft", "long_prompt.jsonl", *CHAT)
    assert (code, "of train_data: longer than 250 tokens (train_data-8" in text) == (0, True)
    for file, column in (("sharegpt.jsonl", "conversations"), ("parts.jsonl", "messages")):
        code, text = tried("sft", file, "--target.messages_column", column)
        assert (code, f"train_data-0: message 0 of '{column}'" in text) == (3, True)


def test_a_template_without_an_end_gets_one_and_says_so(tried: Any) -> None:
    code, text = tried("sft", None, "--model.chat_template", "training/no_eos.jinja")
    assert code == 0
    assert "note model.chat_template: it writes no <end> after an answer; one was put at the end of 8 examples" in text


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("template", r"{question} Put it in \boxed{}."),
        ("template", "Question: {question}"),
        ("system", "*Be brief*"),
        ("system", "# Rules"),
        ("system", "12:30"),
    ],
)
def test_overrides_of_text_reach_the_settings_as_they_are(tried: Any, field: str, text: str) -> None:
    code, shown = tried("sft", None, f"--prompt.{field}", text)
    assert code == 0
    assert f"{field}: {yaml.safe_dump(text, width=200).strip().removesuffix('...').strip()}" in shown


def test_every_file_of_the_folder_is_tried_here() -> None:
    known = Path(__file__).read_text()
    assert [path.name for path in CASES.iterdir() if path.suffix != ".yaml" and path.name not in known] == []
    assert json.loads((CASES / "good.jsonl").read_text().splitlines()[0])["answer"] == "2"

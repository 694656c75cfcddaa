"""Chats in rows: tools and tool calls that reach the template, empty messages, templates that refuse."""

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from rayrl.config import DatasetSettings, PromptSettings, SFTConfig
from rayrl.data.chat_template import ChatTemplate
from rayrl.data.examples import ExampleFile, write_examples
from rayrl.data.prompts import PromptSet, build_prompts
from rayrl.errors import ConfigError, DataError, ModelError

TOOLS = (
    "{% if tools %}<u>{{ tools | tojson }}<s>{% endif %}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ m.content }}{% for call in m.tool_calls or [] %}call {{ call.function.name }} "
    "{{ call.function.arguments | tojson }}{% endfor %}<end>\n{% else %}<u>{{ m.content }}<s>{% endif %}{% endfor %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('No system here') }}{% endif %}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{{ m.content }}{{ '<s>' if m.role == 'user' else '<end>' }}{% endfor %}"
)
NO_END = "{% for m in messages %}{{ 'A: ' if m.role == 'assistant' else 'Q: ' }}{{ m.content }}\n{% endfor %}"
PLAIN = None
"""The tiny model's own, which knows no tools."""


def message(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def call(arguments: Any = '{"pair": "EURUSD"}', name: str = "rate") -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}


CALLED = [message("user", "rate?"), message("assistant", "", tool_calls=[call()])]
SCHEMA = {"type": "function", "function": {"name": "rate", "parameters": {}}}


loaded = cache(AutoTokenizer.from_pretrained)


class Written:
    """Rows as a file, and what SFT and GRPO make of them with one chat template."""

    def __init__(self, model: Path, folder: Path, template: str | None) -> None:
        self.folder = folder
        self.tokenizer: Any = copy.copy(loaded(model))
        if template is not None:
            self.tokenizer.chat_template = template
        self.render = ChatTemplate(self.tokenizer, Path("own.jinja") if template else None)

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def source(self, rows: list[dict[str, Any]]) -> str:
        path = self.folder / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    def sft(self, rows: list[dict[str, Any]], skip: bool = False, **settings: Any) -> ExampleFile:
        data = {"source": self.source(rows), "bad_golds": "skip" if skip else "error"} | settings.pop("train_data", {})
        config = SFTConfig.model_validate({"model": {"path": "m"}, "train_data": data, **settings})
        return write_examples(config, self.render, self.encode, "<end>", frozenset(), self.folder / "examples.arrow")

    def chats(self, *chats: Any, skip: bool = False, **row: Any) -> ExampleFile:
        rows = [{"messages": chat, **row} for chat in chats]
        return self.sft(rows, skip, target={"messages_column": "messages"})

    def grpo(
        self, rows: list[dict[str, Any]], skip: bool = False, column: str = "question", **prompt: Any
    ) -> PromptSet:
        data = DatasetSettings(source=self.source(rows), question_column=column, bad_golds="skip" if skip else "error")
        return build_prompts(data, PromptSettings(**prompt), self.render, self.encode, "train_data")


@pytest.fixture
def plain(tiny_model: Path, tmp_path: Path) -> Written:
    return Written(tiny_model, tmp_path, PLAIN)


@pytest.fixture
def with_tools(tiny_model: Path, tmp_path: Path) -> Written:
    return Written(tiny_model, tmp_path, TOOLS)


def texts(file: ExampleFile, index: int = 0) -> tuple[str, str]:
    """(all text, what is learned)"""
    example = file[index]
    chosen = [token for token, mask in zip(example.token_ids, example.loss_mask, strict=True) if mask]
    return bytes(example.token_ids).decode(), bytes(chosen).decode()


@pytest.mark.parametrize("content", ["", None, "  "])
@pytest.mark.parametrize("arguments", ['{"pair": "EURUSD"}', {"pair": "EURUSD"}, {"pair": "EURUSD", "day": None}])
def test_tool_calls_and_tools_reach_the_template_and_the_call_is_learned(
    with_tools: Written, content: str | None, arguments: Any
) -> None:
    chat = [
        message("user", "rate?", name=None),
        message("assistant", content, tool_calls=[call(arguments)]),
        message("tool", "1.08", tool_call_id="c1", tool_calls=None),
        message("assistant", "it is 1.08"),
    ]
    whole, learned = texts(with_tools.chats(chat, tools=[SCHEMA]))
    assert '"name": "rate"' in whole.partition("rate?")[0]
    assert learned.strip().replace("  ", "") == 'call rate {"pair": "EURUSD"}<end>\nit is 1.08<end>'
    assert texts(with_tools.chats(chat, tools=json.dumps([SCHEMA])))[0] == whole


def test_arguments_that_are_no_json_stay_as_they_are(with_tools: Written) -> None:
    chat = [CALLED[0], message("assistant", "", tool_calls=[call("EURUSD")])]
    assert texts(with_tools.chats(chat))[1] == 'call rate "EURUSD"<end>'


@pytest.mark.parametrize(
    ("chat", "row", "says"),
    [
        (CALLED, {}, "does not write the tool calls of message 1"),
        ([CALLED[0], CALLED[1] | {"content": "I ask."}], {}, "does not write the tool calls of message 1"),
        ([message("user", "1?"), message("assistant", "2")], {"tools": [SCHEMA]}, "does not write the row's tools"),
    ],
)
def test_what_a_template_does_not_write_of_tools_is_refused_or_left_out_and_counted(
    plain: Written, chat: Any, row: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=rf"train_data-0: the chat template {says}[^$]*bad_golds: skip"):
        plain.chats(chat, **row)
    good = {"messages": [message("user", "1?"), message("assistant", "2")]}
    file = plain.sft([good, {"messages": chat} | row], skip=True, target={"messages_column": "messages"})
    assert len(file) == 1
    assert file.left_out == {"train_data: tools or tool calls that the chat template does not write": ["train_data-1"]}


@pytest.mark.parametrize(
    ("chat", "says"),
    [
        ([message("user", "a"), message("assistant", "")], r"message 1 of 'messages' \(assistant\) has no text"),
        ([message("user", "a"), message("assistant", " \n")], r"message 1 of 'messages' \(assistant\) has no text"),
        ([message("user", "a"), message("assistant", None)], r"message 1 of 'messages' \(assistant\) has no text"),
        ([message("user", "a"), message("assistant", "", tool_calls=[])], r"\(assistant\) has no text"),
        (
            [message("user", "a"), message("assistant", ""), message("user", "b"), message("assistant", "c")],
            r"message 1 of 'messages' \(assistant\) has no text",
        ),
        ([message("user", "  "), message("assistant", "b")], r"message 0 of 'messages' \(user\) has no text"),
        ([message("user", "a"), {"from": "gpt", "value": "b"}], "message 1 of 'messages' is no message .* from, value"),
        (
            [message("user", [{"type": "text", "text": "a"}])],
            "message 0 of 'messages': its content is no text, but list",
        ),
        ([message("user", "a"), message("assistant", "", tool_calls=["x"])], "tool_calls is no list of calls"),
        ([message("user", "a"), message("assistant", "", tool_calls={"f": 1})], "tool_calls is no list of calls"),
        ([message("user", "a")], "'messages' has no assistant message"),
        ([], "'messages' is no list of messages"),
        ("user: a", "'messages' is no list of messages"),
        (None, "'messages' is no list of messages"),
        ([message("user", "a"), "b"], "'messages' is no list of messages"),
    ],
)
def test_a_chat_of_which_nothing_can_be_learned_is_refused_by_message_or_left_out(
    with_tools: Written, chat: Any, says: str
) -> None:
    with pytest.raises(DataError, match=f"train_data-0: [^$]*{says}"):
        with_tools.chats(chat)
    file = with_tools.chats([message("user", "1?"), message("assistant", "2")], chat, skip=True)
    assert (len(file), list(file.left_out.values())) == (1, [["train_data-1"]])


def test_a_question_that_is_a_chat_is_taken_as_one(plain: Written, with_tools: Written) -> None:
    chat = [message("system", "Be brief."), message("user", "1+1?")]
    row = {"prompt": chat, "answer": "2"}
    asked = "<u>Be brief.<s><u>1+1?<s>"
    found = plain.grpo([row], column="prompt").prompts[0]
    assert (found.text, found.columns["question"], found.columns["prompt"]) == (asked, "1+1?", chat)
    file = plain.sft([row], train_data={"question_column": "prompt"})
    assert texts(file) == (f"{asked}2<end>", "2<end>")
    assert plain.grpo([row], column="prompt", template="{prompt}").prompts[0].text == asked
    boxed = plain.grpo([row], column="prompt", template=r"{question} \boxed{}", system="Not used.").prompts[0]
    assert boxed.text == r"<u>Be brief.<s><u>1+1? \boxed{}<s>"
    alone = plain.grpo([{"question": chat[1:], "answer": "2"}], system="Be kind.").prompts[0]
    assert (alone.text, alone.columns["question"]) == ("<u>Be kind.<s><u>1+1?<s>", "1+1?")
    turns = [*CALLED, message("tool", "1.08", tool_call_id="c1")]
    text = with_tools.grpo([{"question": turns, "answer": "1", "tools": [SCHEMA]}]).prompts[0].text
    assert 'call rate {"pair": "EURUSD"}<end>\n<u>1.08<s>' in text
    assert text.startswith('<u>[{"function"') or text.startswith('<u>[{"type"')


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ([message("user", "a"), message("assistant", "b")], "ends with an assistant message"),
        ([{"from": "human", "value": "a"}], "message 0 of 'prompt' is no message with role and content; it has from"),
        ([message("user", "")], r"message 0 of 'prompt' \(user\) has no text"),
        (["a", "b"], "'prompt' is neither text nor a list of messages"),
        ({"role": "user", "content": "a"}, "'prompt' is neither text nor a list of messages"),
        ([], "'prompt' is neither text nor a list of messages"),
        ([*CALLED, message("tool", "1")], "does not write the tool calls of message 1"),
    ],
)
def test_a_question_that_is_a_list_but_no_chat_is_refused_in_both(plain: Written, question: Any, says: str) -> None:
    rows = [{"prompt": "1+1?", "answer": "2"}, {"prompt": question, "answer": "2"}]
    with pytest.raises(DataError, match=f"train_data-1: [^$]*{says}"):
        plain.grpo(rows, column="prompt")
    with pytest.raises(DataError, match=f"train_data-1: [^$]*{says}"):
        plain.sft(rows, train_data={"question_column": "prompt"})
    assert len(plain.grpo(rows, column="prompt", skip=True).prompts) == 1
    assert len(plain.sft(rows, skip=True, train_data={"question_column": "prompt"})) == 1


@pytest.mark.parametrize("null", [None, float("nan"), {"part": None}, "missing"])
def test_a_null_or_missing_column_is_refused_by_row_or_left_out_in_both(plain: Written, null: Any) -> None:
    name = "context[part]" if isinstance(null, dict) else "context"
    fine = {"part": "p"} if isinstance(null, dict) else "c"
    rows = [{"context": fine, "question": "1?", "answer": "2"}, {"context": null, "question": "3?", "answer": "4"}]
    if null == "missing":
        del rows[1]["context"]
    template = f"{{{name}}} {{question}}"
    says = r"train_data: 1 rows cannot be used:\n  train_data-1: prompt.template: .*context[^$]*bad_golds: skip"
    with pytest.raises(DataError, match=says):
        plain.grpo(rows, template=template)
    with pytest.raises(DataError, match=says):
        plain.sft(rows, prompt={"template": template})
    assert len(plain.grpo(rows, skip=True, template=template).prompts) == 1
    file = plain.sft(rows, skip=True, prompt={"template": template})
    assert (len(file), list(file.left_out.values())) == (1, [["train_data-1"]])
    assert "None" not in texts(file)[0]


@pytest.mark.parametrize("question", [None, "", " \n", float("nan"), "missing"])
def test_a_row_without_a_question_is_not_learned(plain: Written, question: Any) -> None:
    rows = [
        {"question": "1?", "answer": "2"},
        {"answer": "4"} | ({} if question == "missing" else {"question": question}),
    ]
    with pytest.raises(DataError, match=r"train_data-1: 'question' is empty or not there; the row has [^$]*: skip"):
        plain.sft(rows)
    file = plain.sft(rows, skip=True)
    assert file.left_out == {"train_data: no question": ["train_data-1"]}


def test_a_template_without_the_question_needs_none_and_an_empty_column_is_empty_text(plain: Written) -> None:
    rows = [{"instruction": "Add", "input": "", "output": "1"}, {"instruction": "", "input": "5", "output": "2"}]
    settings = {"prompt": {"template": "{instruction}\n{input}"}, "target": {"template": "{output}"}}
    assert texts(plain.sft(rows, **settings), 1) == ("<u>\n5<s>2<end>", "2<end>")
    with pytest.raises(DataError, match=r"train_data-1: prompt.template: the message is empty"):
        plain.sft([rows[0], {"instruction": " ", "input": "", "output": "3"}], **settings)


def test_a_column_that_no_row_has_is_the_templates_fault(plain: Written) -> None:
    rows = [{"question": "1?", "answer": "2"}] * 3
    for skip in (True, False):
        with pytest.raises(ConfigError, match=r"prompt.template: .*\{problem\}.* cannot be filled") as raised:
            plain.grpo(rows, skip, template="{problem}")
        assert raised.value.exit_code == 2
        with pytest.raises(ConfigError, match=r"prompt.template: .* cannot be filled .*columns: question, answer"):
            plain.sft(rows, skip, prompt={"template": "{problem}"})


@pytest.mark.parametrize(
    ("chat", "says"),
    [
        ([message("user", "One"), message("user", "Two"), message("assistant", "3")], "Roles must alternate"),
        ([message("system", "s"), message("user", "1"), message("assistant", "2")], "No system here"),
        ([message("assistant", "2")], "the chat template refuses the messages"),
    ],
)
def test_a_chat_that_the_template_refuses_is_one_message_or_left_out(
    tiny_model: Path, tmp_path: Path, chat: Any, says: str
) -> None:
    strict = Written(tiny_model, tmp_path, NO_SYSTEM)
    good = [message("user", "1?"), message("assistant", "2")]
    with pytest.raises(
        DataError, match=rf"1 rows cannot be used[^$]*train_data-1: .*{says}[^$]*another model.chat_template, or leave"
    ):
        strict.chats(good, chat)
    assert strict.chats(good, chat, skip=True).left_out == {
        "train_data: refused by the chat template": ["train_data-1"]
    }


def test_a_system_message_that_the_template_refuses_is_named(tiny_model: Path, tmp_path: Path) -> None:
    strict = Written(tiny_model, tmp_path, NO_SYSTEM)
    rows = [{"question": "1?", "answer": "2"}] * 12
    for make in (strict.grpo, strict.sft):
        for skip in (True, False):  # no row is left
            brief = {"system": "Be brief."} if make == strict.grpo else {"prompt": {"system": "Be brief."}}
            with pytest.raises(DataError) as raised:
                make(rows, skip, **brief)
            text = str(raised.value)
            assert "12 rows cannot be used (12 for the same reason)" in text
            assert "(system, user" in text
            assert "No system here" in text
            assert "and 2 more" in text
            assert "leave out prompt.system, name another model.chat_template" in text


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{% for m in messages %}{{ m.content }}", r"line 1: .*endfor"),
        ("a\n{{ messages[0].content | nofilter }}", "line 2: No filter named 'nofilter'"),
        ("{{ messages", "line 1: "),
    ],
)
def test_a_template_that_is_no_jinja_is_one_message_by_file_and_line(
    tiny_model: Path, tmp_path: Path, template: str, says: str
) -> None:
    broken = Written(tiny_model, tmp_path, template)
    rows = [{"question": "1?", "answer": "2"}]
    for make in (broken.sft, broken.grpo):
        with pytest.raises(ConfigError, match=rf"model.chat_template: file 'own.jinja' is no Jinja template \({says}"):
            make(rows, True)


@pytest.mark.parametrize("template", ["{{ 1 / 0 }}", "{{ messages[0].content + 1 }}", "{{ messages.x.y }}"])
def test_a_template_that_fails_as_a_program_refuses_its_rows(tiny_model: Path, tmp_path: Path, template: str) -> None:
    failing = Written(tiny_model, tmp_path, template)
    for make in (failing.sft, failing.grpo):
        with pytest.raises(DataError, match="train_data-0: the chat template refuses the messages"):
            make([{"question": "1?", "answer": "2"}])


@pytest.mark.parametrize(
    ("template", "answer", "learned"),
    [
        (NO_END, "2", "A: 2<end>"),
        (NO_END, "the mark <end> ends", "A: the mark <end> ends<end>"),
        (NO_END.replace("\n", "<s>\n"), "2", "A: 2<s><end>"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "2 \n", "2<end>"),
    ],
)
def test_an_end_that_the_template_lacks_is_learned_and_said(
    tiny_model: Path, tmp_path: Path, template: str, answer: str, learned: str
) -> None:
    file = Written(tiny_model, tmp_path, template).sft([{"question": "1?", "answer": answer}] * 2)
    assert texts(file)[1] == learned
    assert len(file.notes) == 1
    assert "model.chat_template: it writes no <end> after an answer" in file.notes[0]
    assert "2 examples" in file.notes[0]


@pytest.mark.parametrize(
    ("template", "answer"), [(PLAIN, "2"), (PLAIN, "say <end> once"), (TOOLS, "e"), (TOOLS, "<end>")]
)
def test_an_end_that_the_template_writes_is_learned_once(
    tiny_model: Path, tmp_path: Path, template: str | None, answer: str
) -> None:
    file = Written(tiny_model, tmp_path, template).sft([{"question": "1?", "answer": answer}])
    assert texts(file)[1] == f"{answer}<end>"
    assert file.notes == []


def test_a_tokenizer_without_an_end_token_is_refused(plain: Written) -> None:
    config = SFTConfig.model_validate(
        {"model": {"path": "m"}, "train_data": {"source": plain.source([{"question": "1?", "answer": "2"}])}}
    )
    no_end: Any = None
    with pytest.raises(ModelError, match=r"names no end-of-sequence token.*eos_token"):
        write_examples(config, plain.render, plain.encode, no_end, frozenset(), plain.folder / "x.arrow")
    assert not list(plain.folder.glob("x*"))

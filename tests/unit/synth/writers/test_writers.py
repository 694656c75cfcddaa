"""A language model's replies: read strictly, asked again, counted; services that fail are waited for, then named."""

import json
from pathlib import Path
from typing import Any

import pytest

from rayrl import chat_client
from rayrl.config import SamplingSettings
from rayrl.errors import ConfigError, DataError, ResourceError
from rayrl.synth.chunks import Chunk
from rayrl.synth.settings import EndpointSettings, QuestionSettings
from rayrl.synth.triplets import REFUSAL
from rayrl.synth.writers.endpoint import Endpoint
from rayrl.synth.writers.model_writer import ModelWriter
from rayrl.synth.writers.replies import parse_reply
from tests.unit.synth.writers.service import Answer, completion, item, serve

CHUNK = Chunk("acme#0", "acme.pdf", "Net sales | $4,210", 3, 4, 0, 18)
GOOD = item("extraction", "What were net sales?", " $4,210 ", ["Net sales | $4,210"])


def reply(*items: Any) -> str:
    return json.dumps({"questions": list(items)})


@pytest.mark.parametrize(
    "text", [reply(GOOD), f"```json\n{reply(GOOD)}\n```", f"<think>\nhm {{}}</think>\n{reply(GOOD)}"]
)
def test_a_reply_is_read_with_its_fence_or_thoughts_taken_off(text: str) -> None:
    triplets, faults = parse_reply(text)
    assert (triplets[0].answer, triplets[0].evidence, faults) == ("$4,210", ("Net sales | $4,210",), [])


@pytest.mark.parametrize("text", ["", "Sure! Here you go: {}", "[]", '{"questions": 3}', reply(GOOD)[:-1], "[" * 5000])
def test_a_reply_that_is_no_such_json_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="reply"):
        parse_reply(text)


def test_broken_questions_are_faults_and_the_others_are_kept() -> None:
    without = {key: value for key, value in GOOD.items() if key != "answer"}
    bad = [3, without, GOOD | {"class": "riddle"}, GOOD | {"evidence": [3]}, GOOD | {"question": " "}]
    bad += [GOOD | {"question": "Sales \ud83d?"}, GOOD | {"evidence": ["Net sales", "\udc00"]}]
    triplets, faults = parse_reply(reply(*bad, GOOD, item("unanswerable", "What was it?", "No idea", ["x"])))
    assert len(faults) == len(bad)
    assert not parse_reply(reply(GOOD | {"question": "Sales \U0001f600?"}))[1]
    assert [(t.kind, t.answer, t.evidence) for t in triplets[1:]] == [("unanswerable", REFUSAL, ())]


def writer(service_url: str, **settings: Any) -> tuple[ModelWriter, Endpoint]:
    options = {"json_schema": True, "tries": 3} | settings.pop("endpoint", {})
    chat = Endpoint(EndpointSettings(url=service_url, model="m", **options), SamplingSettings(max_tokens=99), 5)
    return ModelWriter(chat, QuestionSettings(writer="endpoint", **settings), seed=1), chat


async def test_the_prompt_names_classes_document_and_text_and_asks_for_the_schema() -> None:
    with serve(lambda number, body: completion(reply(GOOD))) as service:
        asks, chat = writer(service.url, classes={"yes_no": 3, "comparison": 0})
        written = await asks.write(CHUNK)
        await chat.close()
    body = service.requests[0]
    system, user = (message["content"] for message in body["messages"])
    assert "JSON" in system
    assert '3 of class "yes_no"' in user
    assert "comparison" not in user
    assert '"acme.pdf", pages 3 to 4' in user
    assert user.endswith("Net sales | $4,210")
    assert (body["model"], body["max_tokens"]) == ("m", 99)
    assert body["response_format"]["json_schema"]["strict"] is True
    assert (len(written.triplets), written.replies, written.failures) == (1, 1, [])


async def test_unreadable_replies_are_asked_again_and_then_counted() -> None:
    answers = {1: completion("no"), 2: completion(reply(GOOD), "length"), 3: completion(""), 4: (200, "<html>")}
    with serve(lambda number, body: answers.get(number, completion(reply(GOOD)))) as service:
        asks, chat = writer(service.url, replies=4)
        first = await asks.write(CHUNK)
        second = await asks.write(CHUNK)
        await chat.close()
    assert (first.triplets, first.replies) == ([], 4)
    assert first.failures == [
        "reply is not JSON",
        "reply was cut at sampling.max_tokens (99)",
        "reply is empty",
        "reply is no chat completion",
    ]
    assert len(second.triplets) == 1
    assert len({request["seed"] for request in service.requests[:4]}) == 4


async def test_a_service_that_fails_is_asked_again_after_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_client, "FIRST_PAUSE_S", 0.01)
    busy: dict[int, Answer] = {1: (429, {}), 2: (503, "down")}
    with serve(lambda number, body: busy.get(number, completion(reply(GOOD)))) as service:
        asks, chat = writer(service.url)
        assert len((await asks.write(CHUNK)).triplets) == 1
        await chat.close()
    asks, chat = writer(service.url)
    with pytest.raises(ResourceError, match=r"failed 3 times, last: ConnectError.*to go on"):
        await asks.write(CHUNK)
    await chat.close()


async def test_a_refused_request_and_a_missing_key_are_settings_to_mend() -> None:
    with serve(lambda number, body: (404, {"error": "no model m"})) as service:
        asks, chat = writer(service.url)
        with pytest.raises(ConfigError, match=r"status 404.*no model m"):
            await asks.write(CHUNK)
        await chat.close()
    with pytest.raises(ConfigError, match="no 'RAYRL_NO_SUCH_KEY'"):
        writer("http://x", endpoint={"api_key_variable": "RAYRL_NO_SUCH_KEY"})


def test_a_template_of_ones_own_is_used_and_faults_in_it_are_named(tmp_path: Path) -> None:
    path = tmp_path / "own.j2"
    path.write_text("Ask {{ classes.extraction }} of: {{ text }}")
    chat: Any = None
    settings = QuestionSettings(writer="endpoint", template=path, classes={"extraction": 2})
    assert ModelWriter(chat, settings, 0).messages(CHUNK) == [
        {"role": "user", "content": "Ask 2 of: Net sales | $4,210"}
    ]
    for content, says in (("{{ text", "cannot be used"), ("{{ texts }}", "cannot be filled: 'texts' is undefined")):
        path.write_text(content)
        with pytest.raises(ConfigError, match=says):
            ModelWriter(chat, settings, 0).messages(CHUNK)

"""The judge against a real HTTP server on this machine that replies by script. No language model runs here."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rayrl.config import RewardSettings
from rayrl.errors import ConfigError
from rayrl.verify.finance.judge import JudgeError, read_reply, read_rubric
from rayrl.verify.finance.verifier import verify
from rayrl.verify.rewards import function_paths

GOLD = "Amcor bought a plant in the Czech Republic and one in Shanghai"
QUESTION = "Which acquisitions did Amcor make?"
RESPONSE = "It bought two factories, one Czech and one Chinese."


class Endpoint:
    """Replies in turn with what `script` holds: a text, a status code, raw bytes, or seconds to sleep."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.seen: list[dict[str, Any]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.seen.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
                reply = endpoint.script.pop(0)
                if isinstance(reply, float):
                    time.sleep(reply)
                    reply = b""
                self.send_response(reply if isinstance(reply, int) else 200)
                self.end_headers()
                if isinstance(reply, str):
                    reply = json.dumps({"choices": [{"message": {"content": reply}}]}).encode()
                if isinstance(reply, bytes):
                    self.wfile.write(reply)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("JUDGE_KEY", "secret")
    endpoint = Endpoint()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.thread.join()
    endpoint.server.server_close()


def judged(endpoint: Endpoint, response: str = RESPONSE, gold: str = GOLD, **settings: Any):
    settings = {"url": endpoint.url, "model": "m", "api_key_variable": "JUDGE_KEY", "deadline_s": 5.0} | settings
    return verify(response, gold, question=QUESTION, judge=settings)


def test_the_judge_decides_on_free_text(endpoint):
    endpoint.script = ['{"verdict": "correct", "reason": "same plants"}', '{"verdict": "incorrect", "reason": "no"}']
    first, second = judged(endpoint), judged(endpoint)
    assert (first.score, first.status, first.reason, first.decided_by) == (1.0, "correct", "same plants", "judge")
    assert (second.score, second.status, second.reason, second.decided_by) == (0.0, "incorrect", "no", "judge")
    request = endpoint.seen[0]
    assert (request["path"], request["key"], request["model"]) == ("/v1/chat/completions", "Bearer secret", "m")
    assert request["temperature"] == 0
    system, user = request["messages"]
    assert system["content"] == read_rubric(None)
    assert GOLD in user["content"]
    assert QUESTION in user["content"]
    assert RESPONSE in user["content"]


def test_an_answer_cannot_close_the_marks_around_it(endpoint):
    endpoint.script = ['{"verdict": "incorrect"}'] * 2
    judged(endpoint), judged(endpoint)
    marks = [seen["messages"][1]["content"].splitlines()[-1] for seen in endpoint.seen]
    assert len(set(marks)) == 2


@pytest.mark.parametrize(
    ("response", "gold", "status"),
    [
        ("It was 5.", "5", "correct"),
        ("Yes.", "Yes", "correct"),
        ("The document does not provide it.", GOLD, "refusal"),
        ("", GOLD, "unparseable"),
        ("5", "", "error"),
    ],
)
def test_what_needs_no_judge_does_not_reach_it(endpoint, response, gold, status):
    assert judged(endpoint, response, gold).status == status
    assert endpoint.seen == []


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (500, "HTTP 500"),
        (b"not JSON", "reply is no chat completion"),
        (b'{"choices": []}', "reply is no chat completion"),
        ("I think so.", "without one verdict"),
        ('{"verdict": "correct"} {"verdict": "incorrect"}', "without one verdict"),
        ('{"verdict": "maybe"}', "without one verdict"),
        ('{"verdict": correct}', "no JSON"),
        (1.0, "no reply from"),
    ],
)
def test_no_verdict_is_an_error_without_a_score_and_is_not_cached(endpoint, tmp_path, reply, reason):
    endpoint.script = [reply, '{"verdict": "correct"}']
    verdict = judged(endpoint, cache=str(tmp_path), deadline_s=0.5)
    assert (verdict.score, verdict.status) == (None, "error")
    assert reason in verdict.reason
    assert judged(endpoint, cache=str(tmp_path)).score == 1.0


def test_verdicts_are_cached_by_all_that_they_depend_on(endpoint, tmp_path):
    endpoint.script = ['{"verdict": "correct", "reason": "a"}', *['{"verdict": "incorrect", "reason": "b"}'] * 3]
    cache = str(tmp_path / "cache")
    assert [judged(endpoint, cache=cache).reason for _ in range(3)] == ["a"] * 3
    assert len(endpoint.seen) == 1
    rubric = tmp_path / "rubric.md"
    rubric.write_text("Always incorrect.")
    assert judged(endpoint, cache=cache, rubric=str(rubric)).reason == "b"
    assert judged(endpoint, cache=cache, model="other").reason == "b"
    assert judged(endpoint, cache=cache, response="It bought something else.").reason == "b"
    assert len(endpoint.seen) == 4


def test_a_response_too_long_and_half_surrogates(endpoint):
    assert "more than 20000" in judged(endpoint, response="word " * 5_000).reason
    endpoint.script = ['{"verdict": "incorrect"}']
    assert judged(endpoint, response="plants \ud800 \x00").status == "incorrect"


def test_no_endpoint_is_there():
    verdict = verify(RESPONSE, GOLD, judge={"url": "http://127.0.0.1:1", "model": "m"})
    assert (verdict.score, verdict.status) == (None, "error")


def test_settings_and_rubric_are_checked(tmp_path):
    with pytest.raises(ConfigError, match="model goes with url"):
        verify(RESPONSE, GOLD, judge={"url": "http://x"})
    with pytest.raises(ConfigError, match="judge"):
        function_paths([RewardSettings(function="finance", options={"judge": {"url": "ftp://x", "model": "m"}})])
    with pytest.raises(ConfigError, match="api_key_env is called api_key_variable"):
        verify(RESPONSE, GOLD, judge={"url": "http://x", "model": "m", "api_key_env": "KEY"})
    missing = {"url": "http://127.0.0.1:1", "model": "m", "rubric": str(tmp_path / "no.md")}
    assert "no.md" in verify(RESPONSE, GOLD, judge=missing).reason


def test_a_reply_may_wrap_its_verdict():
    assert read_reply('```json\n{"verdict": "Correct", "reason": "x"}\n```') == (True, "x")
    with pytest.raises(JudgeError):
        read_reply("")

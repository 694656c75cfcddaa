"""The server of the run's own judge, with a function in place of generators; and its settings."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rayrl.actors.chat_prompts import ChatPrompts
from rayrl.actors.judge_server import JudgeServer
from rayrl.config import RewardSettings
from rayrl.errors import ConfigError, DeadlineError
from rayrl.types import Rollout, Sampling, Verdict
from rayrl.verify.finance.own_judge import judged_at, own_judges
from rayrl.verify.finance.verifier import verify

GOLD = "It makes planes"
Generators = Callable[[list[int], Sampling], Rollout]


@pytest.fixture
def judged(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    """`judged(generators, response)`: a verdict through a server before them, as a worker process gets it."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    rubric = tmp_path / "rubric.md"
    rubric.write_text("Judge.")

    def judge(generators: Generators, response: str = "It makes aircraft", **settings: Any) -> Verdict:
        server = JudgeServer(ChatPrompts(str(tiny_model), None, 200, "judge."), generators)
        own = {"generators": True, "rubric": str(rubric), "deadline_s": 5} | settings
        placed = judged_at([RewardSettings(function="finance", options={"judge": own})], server.url, "tiny")
        return verify(response, GOLD, question="What?", **placed[0].options)

    return judge


def says(text: str, reason: Any = "stop") -> Generators:
    return lambda token_ids, sampling: Rollout(text, [1], [0.0], [0], reason)


def test_a_verdict_of_the_generators_and_what_they_were_asked(judged):
    asked = []

    def generators(token_ids: list[int], sampling: Sampling) -> Rollout:
        asked.append((token_ids, sampling))
        return says('{"verdict": "correct", "reason": "the same"}')(token_ids, sampling)

    assert judged(generators, max_tokens=50) == Verdict(1.0, "correct", "the same", decided_by="judge")
    ((token_ids, sampling),) = asked
    assert 100 < len(token_ids) <= 200
    assert (sampling.temperature, sampling.max_tokens) == (0, 50)
    assert json.loads(sampling.json_schema)["properties"]["verdict"]["enum"] == ["correct", "incorrect"]


def raises(error: Exception) -> Generators:
    def generators(token_ids: list[int], sampling: Sampling) -> Rollout:
        raise error

    return generators


def slow(token_ids: list[int], sampling: Sampling) -> Rollout:
    time.sleep(0.5)
    return says("{}")(token_ids, sampling)


@pytest.mark.parametrize(
    ("generators", "settings", "reason"),
    [
        (says('{"verdict": "corr', "length"), {}, "reply was cut at judge.max_tokens"),
        (says("I would say so"), {}, "without one verdict"),
        (says(""), {"response": "It makes " + "aircraft " * 30}, "longer than judge.prompt_tokens (200)"),
        (raises(DeadlineError("waited 5 s for a verdict")), {}, "HTTP 503"),
        (raises(ValueError("no actor of that name")), {}, "no actor of that name"),
        (slow, {"deadline_s": 0.2}, "no reply"),
    ],
)
def test_no_verdict_is_an_error_without_a_score(judged, generators, settings, reason):
    verdict = judged(generators, **settings)
    assert (verdict.score, verdict.status) == (None, "error")
    assert reason in verdict.reason


def test_many_ask_at_once(tiny_model):
    together = threading.Barrier(4, timeout=5)

    def generators(token_ids: list[int], sampling: Sampling) -> Rollout:
        together.wait()
        return says("{}")(token_ids, sampling)

    server = JudgeServer(ChatPrompts(str(tiny_model), None, 200, "judge."), generators)
    replies: list[str] = []
    threads = [threading.Thread(target=lambda: replies.append(post(server.url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert replies == ["{}"] * 4


def post(url: str, body: Any = None, path: str = "/chat/completions") -> str:
    body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 9} if body is None else body
    request = urllib.request.Request(url + path, data=json.dumps(body).encode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as reply:
        return json.loads(reply.read())["choices"][0]["message"]["content"]


def test_whoever_does_not_know_the_address_is_refused_and_bad_requests_are_named(tiny_model):
    server = JudgeServer(ChatPrompts(str(tiny_model), None, 200, "judge."), says("{}"))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        post("http://" + server.url.split("/")[2] + "/v1")
    for body in ({}, {"messages": "no", "max_tokens": 9}, {"messages": [], "max_tokens": "many"}, []):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            post(server.url, body)
    assert post(server.url) == "{}"


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ({"generators": True, "url": "http://x", "model": "m"}, "either url"),
        ({"generators": False}, "either url"),
        ({"generators": True, "model": "m"}, "model goes with url"),
        ({"generators": True, "cache": "c"}, "cache goes with url"),
    ],
)
def test_one_judge_and_no_more(judge, message):
    with pytest.raises(ConfigError, match=message):
        own_judges([RewardSettings(function="finance", options={"judge": judge})])


def test_only_rewards_of_generators_are_sent_to_the_server():
    endpoint = {"url": "http://x", "model": "m"}
    rewards = [
        RewardSettings(function="maths"),
        RewardSettings(function="finance", options={"judge": endpoint}),
        RewardSettings(function="finance", options={"judge": {"generators": True}, "tolerance": 0.1}),
    ]
    assert len(own_judges(rewards)) == 1
    placed = judged_at(rewards, "http://127.0.0.1:1/v1", "tiny")
    assert placed[:2] == rewards[:2]
    assert placed[2].options["tolerance"] == 0.1
    assert placed[2].options["judge"]["url"] == "http://127.0.0.1:1/v1"
    assert own_judges(placed) == []


def test_outside_a_run_there_are_no_generators():
    verdict = verify("It makes aircraft", GOLD, judge={"generators": True})
    assert (verdict.score, verdict.status) == (None, "error")
    assert "only a training run has generators" in verdict.reason

"""The run's own generators as the judge's endpoint: chat completions over HTTP, for processes on this machine only.

Worker processes, which may not reach Ray, ask it as they ask any endpoint. The coordinator passes the question on to a
generator: it revives one that died, and no generator waits for a verdict, so that nothing waits in a circle.
"""

import contextlib
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from rayrl.actors.chat_prompts import ChatPrompts, whole_text
from rayrl.actors.deadlines import fetch
from rayrl.config.deadlines import Deadline
from rayrl.errors import DataError, RayrlError
from rayrl.types import Rollout, Sampling
from rayrl.verify.finance.own_judge import VERDICT_SCHEMA

MAX_REQUEST = 1 << 20
READ_S = 10.0

Ask = Callable[[list[int], Sampling], Rollout]


@dataclass(frozen=True, slots=True)
class OwnJudge:
    """What a verifier actor needs to judge by the run's generators.

    coordinator: name of that actor. model: folder or hub name. prompt_tokens: longest prompt. deadline_s: for a reply.
    """

    coordinator: str
    model: str
    chat_template: Path | None
    prompt_tokens: int
    deadline_s: float

    def serve(self) -> "JudgeServer":
        prompts = ChatPrompts(self.model, self.chat_template, self.prompt_tokens, "judge.")

        def ask(token_ids: list[int], sampling: Sampling) -> Rollout:
            coordinator = ray.get_actor(self.coordinator)
            asked = coordinator.generate.remote(token_ids, sampling)
            rollout: Rollout = fetch(asked, "a verdict", Deadline.of("judge.deadline_s", self.deadline_s))
            return rollout

        return JudgeServer(prompts, ask)


class JudgeServer:
    """Serves from a thread of this process, at `url`, until the end of the process.

    Args:
        prompts: Makes a prompt of messages.
        ask: Samples one completion, from any thread.
    """

    def __init__(self, prompts: ChatPrompts, ask: Ask) -> None:
        base = f"/{secrets.token_hex(16)}/v1"  # whoever does not know it is refused

        class Handler(BaseHTTPRequestHandler):
            timeout = READ_S

            def do_POST(self) -> None:
                if self.path != f"{base}/chat/completions":
                    return self._send(404, {"error": "not found"})
                try:
                    return self._send(200, _completion(self._body(), prompts, ask))
                except DataError as error:
                    return self._send(400, {"error": str(error)})
                except (RayrlError, RayError, ValueError) as error:  # ValueError: the coordinator is no more
                    return self._send(503, {"error": str(error)[-300:]})

            def _body(self) -> bytes:
                length = self.headers.get("Content-Length", "")
                if not length.isdecimal() or int(length) > MAX_REQUEST:
                    raise DataError(f"Content-Length {length[:20]!r}: give the number of bytes, at most {MAX_REQUEST}")
                return self.rfile.read(int(length))

            def _send(self, status: int, reply: dict[str, Any]) -> None:
                content = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                with contextlib.suppress(ConnectionError):  # the worker has not waited, or was killed
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}{base}"
        threading.Thread(target=server.serve_forever, name="judge-server", daemon=True).start()


def _completion(body: bytes, prompts: ChatPrompts, ask: Ask) -> dict[str, Any]:
    try:
        request = json.loads(body)
        messages = [{"role": str(one["role"]), "content": str(one["content"])} for one in request["messages"]]
        max_tokens = int(request["max_tokens"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataError(f"no request for a chat completion: {error!r}") from error
    sampling = Sampling(temperature=0, top_p=1, max_tokens=max_tokens, json_schema=json.dumps(VERDICT_SCHEMA))
    text = whole_text(ask(prompts.token_ids(messages), sampling), "judge.max_tokens")
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}

"""An OpenAI-compatible service on this machine whose replies are scripted."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]
"""Status and JSON body."""


def completion(text: str, ended: str = "stop") -> Answer:
    return 200, {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": ended}]}


def questions(prompt: str) -> str:
    """One good question on the first row of numbers, one that leans on the passage, one unanswerable."""
    row = next(line for line in prompt.split("The text:")[1].split("\n") if line.startswith("Line "))
    name, figure = row.split(" is ")
    return json.dumps(
        {
            "questions": [
                item("extraction", f"What is the figure of {name} of the Acme Corp filing?", figure.rstrip("."), [row]),
                item("extraction", f"What is {name} in the passage above?", figure.rstrip("."), [row]),
                item("unanswerable", f"What was the churn rate of Acme Corp for {name}?", "unknown", []),
            ]
        }
    )


def item(kind: str, question: str, answer: str, evidence: list[str]) -> dict[str, Any]:
    return {"class": kind, "question": question, "steps": "", "answer": answer, "evidence": evidence}


class Service:
    """Requests in the order they came, and the answers to them."""

    def __init__(self, answer: Callable[[int, dict[str, Any]], Answer], pause_s: float) -> None:
        self.answer, self.pause_s = answer, pause_s
        self.requests: list[dict[str, Any]] = []
        self.answered: list[str] = []
        self.url = ""

    def prompts(self) -> list[str]:
        return [request["messages"][-1]["content"] for request in self.requests]


@contextmanager
def serve(answer: Callable[[int, dict[str, Any]], Answer], pause_s: float = 0.0) -> Iterator[Service]:
    service, lock = Service(answer, pause_s), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                service.requests.append(body)
                number = len(service.requests)
            time.sleep(service.pause_s)
            status, tree = service.answer(number, body)
            content = tree.encode() if isinstance(tree, str) else json.dumps(tree).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                return
            with lock:
                service.answered.append(body["messages"][-1]["content"])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

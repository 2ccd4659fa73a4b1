"""A small OpenAI-compatible server on a real socket, that does what a test wants of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler", dict[str, Any]], None]


@dataclass
class Stub:
    """What the server saw, and how it answers: one answer after the other, the last for ever."""

    answers: list[Answer]
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "big"}])
    key: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)  # a client went away
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self._is_known():
            self.send_json(200, {"data": self.stub.models})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_known():
            return
        self.stub.asked.append(asked)
        self.stub.asked_at.append(time.monotonic())
        answer = self.stub.answers[0]
        if len(self.stub.answers) > 1:
            self.stub.answers.pop(0)
        try:
            answer(self, asked)
        except (BrokenPipeError, ConnectionResetError):
            self.stub.left.set()

    def _is_known(self) -> bool:
        if self.stub.key and self.headers.get("Authorization") != f"Bearer {self.stub.key}":
            self.send_json(401, {"error": {"message": "wrong key"}})
            return False
        return True

    def send_json(self, status: int, content: Any, **headers: str) -> None:
        raw = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, data: Any) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        self.raw(f"data: {text}\n\n".encode())

    def raw(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def words(self, text: str, *, pause_s: float = 0.0) -> None:
        for piece in text.split(" "):
            space = "" if piece == text.split(" ", maxsplit=1)[0] else " "
            self.event({"choices": [{"delta": {"content": space + piece}}]})
            time.sleep(pause_s)

    def end(self, finish: str = "stop", **usage: int) -> None:
        self.event({"choices": [{"delta": {}, "finish_reason": finish}]})
        self.event({"choices": [], "usage": usage})
        self.event("[DONE]")
        self.raw(b"")

    def cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def saying(text: str, *, pause_s: float = 0.0, finish: str = "stop") -> Answer:
    def answer(handler: Handler, _asked: dict[str, Any]) -> None:
        handler.begin()
        handler.words(text, pause_s=pause_s)
        handler.end(finish, prompt_tokens=7, completion_tokens=len(text.split()))

    return answer


def refusing(status: int, message: str, **headers: str) -> Answer:
    def answer(handler: Handler, _asked: dict[str, Any]) -> None:
        handler.send_json(status, {"error": {"message": message}}, **headers)

    return answer


@contextmanager
def serving(*answers: Answer, **options: Any) -> Iterator[Stub]:
    stub = Stub(list(answers), **options)
    handler = type("StubHandler", (Handler,), {"stub": stub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A model hub of our own on a free port: what huggingface_hub asks for, and the ways in which hubs fail."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

COMMIT = "a" * 40
STARTER = Path(__file__).resolve().parents[2] / "models" / "starter"
TAKEN = [
    "README.md",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
]


def starter_files() -> dict[str, bytes]:
    """Return the files of the model that came with the source, as somebody would publish them."""
    return {name: (STARTER / name).read_bytes() for name in TAKEN}


@dataclass
class Hub:
    """What there is, how it misbehaves, and what it was asked."""

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    licence: str = "apache-2.0"
    damaged: set[str] = field(default_factory=set)  # files that arrive with other bytes
    cut_after: dict[str, int] = field(default_factory=dict)  # files that stop after so many bytes
    ignores_ranges: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)  # file, range

    def info(self, name: str) -> dict[str, Any]:
        """Return what the hub tells of a model."""
        return {
            "id": name,
            "sha": COMMIT,
            "gated": "auto" if name in self.gated else False,
            "cardData": {"license": self.licence},
            "tags": [f"license:{self.licence}"],
            "safetensors": {"parameters": {"BF16": 5065472}, "total": 5065472},
            "siblings": [_sibling(*file) for file in self.repositories[name].items()],
        }

    def content(self, name: str, file: str) -> bytes:
        """Return what it sends."""
        true = self.repositories[name][file]
        return bytes(len(true)) if file in self.damaged else true


def _sibling(file: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    told: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": blob}
    if file.endswith((".safetensors", ".bin")):
        sha = hashlib.sha256(content).hexdigest()
        told["lfs"] = {"size": len(content), "sha256": sha, "pointerSize": 134}
    return told


class Server(ThreadingHTTPServer):
    """A server that knows its hub."""

    hub: Hub


class Handler(BaseHTTPRequestHandler):
    """Answers as Hugging Face does: what there is, and the files or parts of them."""

    server: Server

    def log_message(self, *_args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0]).strip("/")
        if path.startswith("api/models/"):
            self._tell(path.removeprefix("api/models/"))
        else:
            name, _resolve, rest = path.partition("/resolve/")
            self._send(name, rest.partition("/")[2])

    def _tell(self, path: str) -> None:
        name, _word, revision = path.partition("/revision/")
        if name not in self.server.hub.repositories:
            self._answer(404, b"{}", code="RepoNotFound")
        elif revision not in {"", "main", COMMIT}:
            self._answer(404, b"{}", code="RevisionNotFound")
        else:
            self._answer(200, json.dumps(self.server.hub.info(name)).encode())

    def _send(self, name: str, file: str) -> None:
        hub, asked = self.server.hub, self.headers.get("Range", "")
        hub.asked.append((file, asked))
        if name in hub.gated:
            self._answer(403, b"{}", code="GatedRepo")
            return
        content = hub.content(name, file)
        begin = 0
        if asked and not hub.ignores_ranges:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        with suppress(OSError):  # whoever asked may be gone
            self.wfile.write(content[begin : hub.cut_after.get(file, len(content))])
        self.close_connection = True

    def _answer(self, status: int, body: bytes, *, code: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running() -> Iterator[Hub]:
    """Run a hub while the block does."""
    server = Server(("127.0.0.1", 0), Handler)
    server.hub = Hub(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

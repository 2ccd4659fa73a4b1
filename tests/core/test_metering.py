"""What a process counts of itself."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from prometheus_client import generate_latest

from apps.core import metering
from apps.core.metering import MeteredSockets, MeterMiddleware

COUNT = """
import django
django.setup()
from django.http import HttpResponse
from django.test import RequestFactory
from apps.core import metering
metering.MeterMiddleware(lambda request: HttpResponse())(RequestFactory().get("/"))
metering.sockets_open.inc()
metering.appended_updates.inc(3)
"""
TELL = """
import django
django.setup()
from prometheus_client import generate_latest
from apps.core import metering
print(generate_latest(metering.registry()).decode())
"""


def value(name: str, **labels: str) -> float:
    return metering.own.get_sample_value(name, labels) or 0.0


def answered(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=418)


async def answered_later(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=418)


async def test_answers_are_counted_with_and_without_a_loop() -> None:
    labels = {"view": "none", "method": "GET", "status": "418"}
    before = value("inferencecloud_http_requests_total", **labels)
    request = RequestFactory().get("/")

    assert MeterMiddleware(answered)(request).status_code == 418
    assert (await MeterMiddleware(answered_later)(request)).status_code == 418

    assert value("inferencecloud_http_requests_total", **labels) == before + 2
    assert value("inferencecloud_http_request_seconds_count", view="none") >= 2


def test_a_made_up_method_makes_no_figure_of_its_own() -> None:
    MeterMiddleware(answered)(RequestFactory().generic("EVIL", "/"))
    said = generate_latest(metering.registry()).decode()
    assert "EVIL" not in said
    assert 'method="other"' in said


@pytest.mark.parametrize("breaks", [False, True])
async def test_a_socket_is_open_from_its_acceptance_to_its_end(breaks: bool) -> None:
    seen = []

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        seen.append(value("inferencecloud_sockets_open"))
        await receive()
        await send({"type": "websocket.send", "text": "a"})
        if breaks:
            raise ConnectionError

    messages = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "a"}])
    sent = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    before = value("inferencecloud_sockets_open")
    came = value("inferencecloud_socket_messages_total", direction="in")
    went = value("inferencecloud_socket_messages_total", direction="out")
    try:
        await MeteredSockets(application)({"type": "websocket"}, receive, send)
    except ConnectionError:
        assert breaks
    assert seen == [before + 1]
    assert value("inferencecloud_sockets_open") == before
    assert value("inferencecloud_socket_messages_total", direction="in") == came + 1
    assert value("inferencecloud_socket_messages_total", direction="out") == went + 1
    assert sent == ["websocket.accept", "websocket.send"]


def test_processes_that_share_a_port_tell_their_sums(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "inferencecloud.settings.test",
    }

    def python(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout

    for _ in range(2):
        python(COUNT)
    said = python(TELL)

    assert 'http_requests_total{method="GET",status="200",view="none"} 2.0' in said
    assert "appended_updates_total 6.0" in said
    assert "process_" not in said

"""What a process counts of itself: requests, sockets, updates. Read by /metrics (docs/metrics.md).

Where several processes answer on one port, PROMETHEUS_MULTIPROC_DIR names an empty folder that they share;
prometheus_client then keeps the numbers there, and whichever process is asked gives the sums.
"""

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector

IS_SHARED = bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NOWHERE = "none"  # in place of a view: the address leads to none
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

own = CollectorRegistry()
if not IS_SHARED:  # memory, processor time and open files are each process's own
    ProcessCollector(registry=own)

requests = Counter(
    "inferencecloud_http_requests",
    "Requests that were answered.",
    ["view", "method", "status"],
    registry=own,
)
request_seconds = Histogram(
    "inferencecloud_http_request_seconds",
    "Time from a request's arrival in Django to its answer; of a stream, to its beginning.",
    ["view"],
    buckets=SECONDS,
    registry=own,
)
sockets_open = Gauge(
    "inferencecloud_sockets_open",
    "WebSockets that are open.",
    registry=own,
    multiprocess_mode="livesum",
)
socket_messages = Counter(
    "inferencecloud_socket_messages",
    "Messages over WebSockets, in from browsers and out to them.",
    ["direction"],
    registry=own,
)
appended_updates = Counter(
    "inferencecloud_appended_updates",
    "Updates that were appended to documents.",
    registry=own,
)
messages_in = socket_messages.labels("in")
messages_out = socket_messages.labels("out")


def registry() -> CollectorRegistry:
    """Return where the process's numbers are read: its own, or the sums over all that share a port."""
    if not IS_SHARED:
        return own
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return shared


class MeterMiddleware:
    """Count each answer and how long it took, by the name of its view: never by its address."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:  # no hop to a thread on the way in or out
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:  # a response, or who waits for one
        """Answer, and count it."""
        if self._is_async:
            return self._answer(request)
        began = time.perf_counter()
        response = self.get_response(request)
        _count(request, response, time.perf_counter() - began)
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response: HttpResponseBase = await self.get_response(request)
        _count(request, response, time.perf_counter() - began)
        return response


def _count(request: HttpRequest, response: HttpResponseBase, took_s: float) -> None:
    view = request.resolver_match.view_name if request.resolver_match else NOWHERE
    method = request.method if request.method in METHODS else "other"
    requests.labels(view or NOWHERE, method, str(response.status_code)).inc()
    request_seconds.labels(view or NOWHERE).observe(took_s)


Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class MeteredSockets:
    """Count the sockets of an ASGI application and what goes over them."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one socket; it is open from its acceptance on."""
        is_open = False

        async def counted() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                messages_in.inc()
            return message

        async def answer(message: Message) -> None:
            nonlocal is_open
            if message["type"] == "websocket.send":
                messages_out.inc()
            elif message["type"] == "websocket.accept" and not is_open:
                is_open = True
                sockets_open.inc()
            await send(message)

        try:
            await self._application(scope, counted, answer)
        finally:
            if is_open:
                sockets_open.dec()

"""Which addresses a model may be served from: nothing inside the house, unless the operator says so.

Who can name a server could otherwise have this one ask what only it can reach (a database, a cloud's
metadata). The name is looked up once, the answer is checked and just that address is called, so that a
second look-up cannot bring another.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

from inferencecloud.engine.errors import EngineError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(EngineError):
    """A server must not be called there."""


def check_url(url: str) -> None:
    """Raise AddressRefused unless it is the address of a web server, without a name or a password in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused(f"Wanted the address of a server, got {url!r}: {error}.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise AddressRefused(f"Wanted an address like https://host/v1, got {url!r}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise AddressRefused(
            "Wanted an address without user, password, query or fragment; the key has a place of its own."
        )


def check_address(address: Address, *, allow_private: bool) -> None:
    """Raise AddressRefused for an address that is not to be called."""
    plain = getattr(address, "ipv4_mapped", None) or address
    never = plain.is_link_local or plain.is_multicast or plain.is_unspecified
    if never or (not plain.is_global and not allow_private):
        raise AddressRefused(
            f"Wanted a server on the public network, got {plain}; REMOTE_MODELS_PRIVATE=1 allows "
            "servers of your own network."
        )


async def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """Return the address to call for a host.

    Raises:
        AddressRefused: One of its addresses is not to be called.
        OSError: The name is not known.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        check_address(ipaddress.ip_address(address.split("%")[0]), allow_private=allow_private)
    return addresses[0]


class PinnedTransport(httpx.AsyncBaseTransport):
    """Calls the checked address of a host, and still asks its certificate for the host's name."""

    def __init__(self, *, allow_private: bool) -> None:
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=None))
        self._allow_private = allow_private

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to where its host is found now."""
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            address = await resolve(host, port, allow_private=self._allow_private)
        except OSError as error:
            raise httpx.ConnectError(f"the name {host} is not known", request=request) from error
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

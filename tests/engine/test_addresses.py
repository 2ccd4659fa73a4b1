"""No request goes inside the house, unless the operator allows it."""

from __future__ import annotations

import asyncio
import ipaddress

import httpx
import pytest

from inferencecloud.engine.addresses import (
    AddressRefused,
    PinnedTransport,
    check_address,
    check_url,
    resolve,
)
from tests.engine.stub_server import saying, serving


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/v1",
        "file:///etc/passwd",
        "https:///v1",
        "example.com/v1",
        "https://user:secret@example.com/v1",
        "https://example.com/v1?x=1",
        "https://example.com:99999/v1",
        "https://[::1/v1",
        "",
    ],
)
def test_what_is_no_plain_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused, match="Wanted"):
        check_url(url)


@pytest.mark.parametrize("url", ["https://example.com/v1", "http://10.0.0.5:8000/v1"])
def test_a_plain_address_is_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.9",
        "172.16.0.1",
        "100.64.0.1",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.1",
    ],
)
def test_private_addresses_need_leave(address: str) -> None:
    with pytest.raises(AddressRefused, match="public network"):
        check_address(ipaddress.ip_address(address), allow_private=False)
    check_address(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "::ffff:169.254.169.254"]
)
def test_the_metadata_of_a_cloud_is_never_called(address: str) -> None:
    with pytest.raises(AddressRefused):
        check_address(ipaddress.ip_address(address), allow_private=True)


def test_a_public_address_is_called() -> None:
    check_address(ipaddress.ip_address("93.184.216.34"), allow_private=False)


async def test_a_name_that_leads_inside_is_refused() -> None:
    with pytest.raises(AddressRefused):
        await resolve("localhost", 80, allow_private=False)
    assert await resolve("localhost", 80, allow_private=True) in {"127.0.0.1", "::1"}


async def _status(url: str, *, allow_private: bool) -> int:
    transport = PinnedTransport(allow_private=allow_private)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        return (await client.get(url)).status_code


def test_the_transport_calls_what_it_checked() -> None:
    with serving(saying("x")) as server:
        url = f"{server.url}/models"
        assert asyncio.run(_status(url, allow_private=True)) == 200
        with pytest.raises(AddressRefused):
            asyncio.run(_status(url, allow_private=False))


def test_a_name_that_nobody_knows_is_a_failed_connection() -> None:
    with pytest.raises(httpx.ConnectError, match="is not known"):
        asyncio.run(_status("http://no-such-host.invalid/v1", allow_private=True))

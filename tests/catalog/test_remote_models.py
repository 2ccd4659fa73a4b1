"""Models at other servers: registered, deployed, their keys sealed, reached by the host alone."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.catalog import sealing, selectors, services
from apps.catalog.models import Deployment, RemoteEndpoint, Variant
from apps.inference import host
from apps.organizations.models import AuditEvent
from inferencecloud.engine import Request, Role, Text
from inferencecloud.engine.addresses import AddressRefused
from inferencecloud.engine.endpoint import Endpoint
from inferencecloud.engine.requests import Message, OutputOf
from tests.engine.stub_server import Stub, saying, serving
from tests.factories import Company
from tests.inference.builders import deployment

KEY = "sk-of-the-tests"


@pytest.fixture
def server() -> Iterator[Stub]:
    with serving(saying("Warm light."), key=KEY) as stub:
        yield stub


@pytest.fixture
def private(settings: Any) -> None:
    settings.REMOTE_MODELS_PRIVATE = True


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    host.close()


def _add(stub: Stub, *options: str, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> str:
    monkeypatch.setenv("THEIR_KEY", key)
    out = io.StringIO()
    arguments = [stub.url, "big", "--alias", "writer", "--key-env", "THEIR_KEY", *options]
    call_command("add_remote_model", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
@pytest.mark.usefixtures("private")
class TestAddRemoteModel:
    """`manage.py add_remote_model`."""

    def test_it_is_deployed_behind_the_alias(
        self, server: Stub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = _add(server, "--extended", monkeypatch=monkeypatch)
        assert told == f"Writer is now big at {server.url[7:-3]}.\n"
        (live,) = Deployment.objects.all()
        assert (live.alias, live.variant.root, live.organization) == ("writer", "remote", None)
        found = selectors.endpoint_of(live.variant)
        assert (found.base_url, found.model, found.api_key) == (server.url, "big", KEY)
        assert found.extended
        event = AuditEvent.objects.get(verb="model.remote_registered")
        assert event.data["has_key"] is True
        assert KEY not in str(event.data)

    def test_again_replaces_the_key_and_nothing_else(
        self, server: Stub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _add(server, "--unseen", monkeypatch=monkeypatch, key="old")
        _add(server, monkeypatch=monkeypatch)
        assert Variant.objects.count() == RemoteEndpoint.objects.count() == 1
        assert selectors.endpoint_of(Variant.objects.get()).api_key == KEY

    def test_for_an_organization_it_serves_that_one(
        self, server: Stub, company: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slug = company.organization.slug
        _add(server, "--organization", slug, monkeypatch=monkeypatch)
        assert Deployment.objects.get().organization == company.organization

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["--organization", "nowhere"], "no “nowhere”"),
            (["--key-env", "NO_SUCH_KEY"], "the environment variable NO_SUCH_KEY, got none"),
        ],
    )
    def test_what_is_wrong_is_told(
        self, server: Stub, options: list[str], told: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(CommandError, match=told):
            _add(server, *options, monkeypatch=monkeypatch)
        assert not Deployment.objects.exists()

    def test_a_wrong_key_is_noticed_at_once(
        self, server: Stub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(CommandError, match="refused the key"):
            _add(server, monkeypatch=monkeypatch, key="wrong")
        assert not Variant.objects.exists()


@pytest.mark.django_db
def test_a_private_address_needs_the_operators_leave(
    server: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="REMOTE_MODELS_PRIVATE"):
        _add(server, monkeypatch=monkeypatch)


@pytest.mark.django_db
def test_an_address_that_turned_private_is_not_called(server: Stub) -> None:
    endpoint = Endpoint(base_url=server.url, model="big", api_key=KEY)
    variant = services.register_remote(endpoint=endpoint)
    live = services.deploy(variant=variant, alias="writer", label="Writer")
    with pytest.raises(AddressRefused):
        host.load(live)
    assert server.asked == []


@pytest.mark.django_db
class TestSealing:
    """Keys in the database."""

    def test_the_database_does_not_hold_the_key(self) -> None:
        endpoint = Endpoint(base_url="https://example.com/v1", model="big", api_key=KEY)
        services.register_remote(endpoint=endpoint)
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM catalog_remoteendpoint")
            (row,) = cursor.fetchall()
        cells = [bytes(cell) if isinstance(cell, memoryview) else cell for cell in row]
        assert KEY not in str(cells)
        assert sealing.seal(KEY) != sealing.seal(KEY)

    def test_no_key_is_sealed_as_nothing(self) -> None:
        assert sealing.unseal(sealing.seal("")) == ""

    def test_another_secret_cannot_open_it(self, settings: Any) -> None:
        sealed = sealing.seal(KEY)
        settings.MODEL_KEYS_SECRET = "a secret of its own"
        assert sealing.unseal(sealed) == KEY, "SECRET_KEY still opens what it sealed"
        own = sealing.seal(KEY)
        former, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key"
        assert sealing.unseal(own) == KEY, "sealed with the secret of its own"
        with pytest.raises(sealing.SealBroken, match="Register the model again"):
            sealing.unseal(sealed)
        settings.SECRET_KEY_FALLBACKS = [former]
        assert sealing.unseal(sealed) == KEY


def _request(name: str, key: str, *segments: Any) -> Request:
    return Request(id=name, model=key, messages=(Message(Role.USER, tuple(segments)),))


@pytest.mark.django_db
@pytest.mark.usefixtures("private")
def test_one_stage_is_written_here_and_there(server: Stub) -> None:
    endpoint = Endpoint(base_url=server.url, model="big", api_key=KEY)
    far = services.deploy(
        variant=services.register_remote(endpoint=endpoint), alias="far", label="Far"
    )
    near = deployment("near")
    keys = [host.load(one).key for one in (far, near)]
    assert {info.key for info in host.models()} == set(keys)
    assert host.loaded(far) is not None
    stage = host.submit(
        [
            _request("a", keys[0], Text("Write.")),
            _request("b", keys[1], OutputOf("a")),
            _request("c", keys[0], OutputOf("b")),
        ]
    )
    deltas = list(stage)
    assert all(one.finish.reason.succeeded for one in deltas if one.finish)
    near_text = "".join(one.text for one in deltas if one.request_id == "b")
    assert server.asked[-1]["messages"][0]["content"] == near_text != ""


@pytest.mark.django_db
@pytest.mark.usefixtures("private")
def test_the_speed_of_another_server_is_not_noted_as_measured_here(server: Stub) -> None:
    variant = services.register_remote(
        endpoint=Endpoint(base_url=server.url, model="big", api_key=KEY)
    )
    services.record_speed(variant=variant, context_tokens=99, decode_per_s=1.0, prefill_per_s=1.0)
    variant.refresh_from_db()
    assert (variant.context_tokens, variant.decode_tokens_per_s, variant.measured_at) == (
        99,
        None,
        None,
    )

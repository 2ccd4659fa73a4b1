"""What stands in the log, and what must not."""

import io
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import celery.signals
import pytest
import structlog
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django_structlog.celery.receivers import CeleryReceiver

from apps.accounts.models import User
from apps.core import log_lines
from apps.inference import execution, tasks
from apps.inference.models import RunStatus
from apps.organizations.models import Role
from apps.organizations.services import invitations
from apps.organizations.services.memberships import RoleGiven
from inferencecloud.settings.logs import logging_config
from tests import factories
from tests.console.history import ran
from tests.factories import Company

WORDS = "the unreleased espresso maker"


class Log:
    """The lines as production writes them."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        """Return everything."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return what a machine reads: every line is JSON."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    """Have everything from INFO on written as production does."""
    stream = io.StringIO()
    config = logging_config(level="INFO", as_json=True)["formatters"]["line"]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(config.pop("()")(**config))
    root, levels = logging.getLogger(), {}
    for name in ("", "django", "django_structlog", "apps", "axes", "celery"):
        levels[name] = logging.getLogger(name).level
        logging.getLogger(name).setLevel(logging.INFO)
    root.addHandler(handler)
    yield Log(stream)
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.django_db
def test_a_request_s_id_is_in_all_of_its_lines_and_in_its_answer(
    log: Log, company: Company, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(company.owner)
    with patch("apps.console.views.pages.enter", side_effect=speak):
        answers = [client.get("/o/alder/console/") for _ in range(2)]

    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert all(uuid.UUID(one) for one in ids)
    for request_id in ids:
        own = [line for line in log.lines if line.get("request_id") == request_id]
        assert {line["event"] for line in own} >= {"request_started", "spoken", "request_finished"}
        assert own[-1]["request"] == "GET /o/alder/console/"
    assert len({line["request_id"] for line in log.lines if line["event"] == "spoken"}) == 2


def speak(*_args: object, **_more: object) -> None:
    logging.getLogger("apps.anything").warning("spoken")
    raise log_lines.Resolver404  # a page that is not there


@pytest.mark.django_db
def test_an_error_has_an_answer_with_its_id_too(
    log: Log, company: Company, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(company.owner)
    client.raise_request_exception = False
    with patch("apps.console.views.pages.enter", side_effect=ZeroDivisionError("a bug")):
        answer = client.get("/o/alder/console/")

    assert answer.status_code == 500
    [failed] = [line for line in log.lines if line["event"] == "request_failed"]
    assert failed["request_id"] == answer.headers["X-Request-ID"]
    assert "a bug" in failed["exception"]


@pytest.mark.django_db
def test_secrets_in_addresses_and_words_of_a_search_are_in_no_line(
    log: Log, company: Company, client: Client
) -> None:
    given = RoleGiven(scope=company.launches, role=Role.VIEWER)
    invited = invitations.invite(given=given, email="", by=company.owner)
    path = invited.url.partition("//")[2].partition("/")[2]
    token = path.rstrip("/").rpartition("/")[2]
    client.raise_request_exception = False

    client.get(f"/{path}")
    with patch("apps.organizations.views.invitations.render", side_effect=ZeroDivisionError):
        client.get(f"/{path}")
    client.get(reverse("account_reset_password_from_key", args=["1-secret", "set"]))
    client.get(f"/o/alder/?q={WORDS}")

    assert len([line for line in log.lines if line["event"] == "request_finished"]) >= 2
    assert token not in log.text
    assert "<token>" in log.text
    assert "espresso" not in log.text


@pytest.mark.django_db
def test_no_address_of_anybody_is_in_a_line(log: Log, client: Client) -> None:
    person = factories.person(email="mara.quetzal@alder.example")
    client.post(reverse("account_login"), {"login": person.email, "password": "wrong-password"})
    logging.getLogger("axes").warning("Repeated login failure by %s.", person.email)
    structlog.get_logger("apps").warning("refused", to="Mara <mara.quetzal@alder.example>")
    try:
        raise IntegrityError("550 no such mailbox: mara.quetzal@alder.example")
    except IntegrityError:
        logging.getLogger("apps").exception("the letter came back")

    assert "quetzal" not in log.text
    assert log.text.count("<address>") >= 3
    assert [line for line in log.lines if line.get("to") == "Mara <<address>>"]


def test_a_row_that_the_database_refuses_is_not_quoted(log: Log) -> None:
    try:
        raise IntegrityError(
            'null value in column "title" violates not-null constraint\n'
            f"DETAIL:  Failing row contains (7, {WORDS},\nand its second line).\n"
        )
    except IntegrityError:
        logging.getLogger("apps").exception("not stored")

    assert "not-null constraint" in log.text
    assert "espresso" not in log.text
    assert "second line" not in log.text


@pytest.fixture
def worker() -> Iterator[None]:
    """Have tasks logged as in a worker."""
    receiver = CeleryReceiver()
    receiver.connect_worker_signals()
    yield
    told = [
        (celery.signals.before_task_publish, receiver.receiver_before_task_publish),
        (celery.signals.after_task_publish, receiver.receiver_after_task_publish),
        (celery.signals.task_prerun, receiver.receiver_task_prerun),
        (celery.signals.task_retry, receiver.receiver_task_retry),
        (celery.signals.task_success, receiver.receiver_task_success),
        (celery.signals.task_failure, receiver.receiver_task_failure),
        (celery.signals.task_revoked, receiver.receiver_task_revoked),
        (celery.signals.task_unknown, receiver.receiver_task_unknown),
        (celery.signals.task_rejected, receiver.receiver_task_rejected),
    ]
    for signal, heard in told:
        signal.disconnect(heard)
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("worker")
def test_a_task_s_lines_say_what_it_works_on(log: Log) -> None:
    run_id = str(uuid.uuid4())
    with patch.object(tasks.execution, "run_stage", side_effect=lambda **_: shout()):
        tasks.run_stage.apply(kwargs={"run_id": run_id, "pool": "inference", "words": WORDS})

    own = [line for line in log.lines if line.get("run_id") == run_id]
    assert {line["event"] for line in own} >= {"task_started", "while it writes", "task_succeeded"}
    assert {line["pool"] for line in own} == {"inference"}
    assert len({line["task_id"] for line in own}) == 1
    assert "espresso" not in log.text


def shout() -> None:
    logging.getLogger("apps.inference").info("while it writes")


@pytest.mark.django_db
def test_lines_of_a_stage_say_which_run_and_which_steps(log: Log, company: Company) -> None:
    notebook = factories.notebook(company.launches)
    run = ran(notebook, status=RunStatus.RUNNING)
    step = run.steps.get()
    with patch.object(execution, "_write", side_effect=lambda *_: shout()):
        execution._hold(run, step.lease_owner, [step])

    [line] = [line for line in log.lines if line["event"] == "while it writes"]
    assert (line["run_id"], line["steps"]) == (str(run.pk), [str(step.pk)])
    logging.getLogger("apps").info("afterwards")
    assert "run_id" not in log.lines[-1]


def test_a_task_without_any_of_these_has_lines_as_well(log: Log) -> None:
    structlog.contextvars.clear_contextvars()
    log_lines.follow(None, task=SimpleNamespace(request=SimpleNamespace(kwargs=None)))
    logging.getLogger("apps").info("said")
    assert log.lines[-1]["event"] == "said"
    assert "run_id" not in log.lines[-1]

"""Trials: a short text by any model, without disturbing what serves."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.catalog import execution
from apps.catalog.models import Deployment, Trial, Variant
from apps.inference import host, memory, tasks, trials, trying
from apps.notebooks.chain.graph import CellSpec
from apps.notebooks.chain.prompts import Standing, step_of
from apps.notebooks.chain.references import CellKey
from apps.organizations.models import AuditEvent
from inferencecloud.training.examination import SERVED
from tests.factories import Company
from tests.factories import company as make_company
from tests.inference.builders import deployment

pytestmark = pytest.mark.django_db
Status = Trial.Status


@pytest.fixture(autouse=True)
def engine() -> Iterator[None]:
    host.close()
    yield
    host.close()


@pytest.fixture
def idle() -> Variant:
    """Return a model that serves nobody."""
    served = deployment("old")
    Deployment.objects.filter(pk=served.pk).update(retired_at=timezone.now())
    return served.variant


def asked(company: Company, variant: Variant, prompt: str = "Write.") -> Trial:
    return trials.request_trial(
        variant=variant, organization=company.organization, prompt=prompt, by=company.owner
    )


def written(trial: Trial) -> Trial:
    trying.write(trial.pk)
    trial.refresh_from_db()
    return trial


def test_a_model_writes_and_is_unloaded_again(company: Company, idle: Variant) -> None:
    trial = written(asked(company, idle))
    assert (trial.status, trial.error) == (Status.DONE, "")
    assert trial.text
    assert 0 < trial.new_tokens <= trying.NEW_TOKENS
    assert trial.tokens_per_s
    assert host.models() == []
    idle.refresh_from_db()
    assert idle.measured_at is not None
    event = AuditEvent.objects.get(verb="model.tried")
    assert "Write." not in str(event.data)


def test_a_trial_does_not_go_round_in_circles_any_more_than_a_cell(
    company: Company, idle: Variant
) -> None:
    trial = asked(company, idle)
    sampling = trying._request(trial, SimpleNamespace(key="k")).sampling  # type: ignore[arg-type]
    cell = step_of(
        CellSpec(key=CellKey(notebook=uuid4(), cell=uuid4()), name="tag", kind="prompt", params={}),
        ("Write.",),
        standing=Standing(texts={}),
        voice="",
    ).params
    for name in ("temperature", "top_p", "repetition_penalty", "no_repeat_ngram_size"):
        assert getattr(sampling, name) == getattr(cell, name), name
        assert getattr(SERVED, name) == getattr(cell, name), f"what is examined: {name}"


def test_what_serves_stays_loaded(company: Company) -> None:
    serving = deployment().variant
    written(asked(company, serving))
    assert [info.key for info in host.models()] == [str(serving.pk)]


def test_twice_is_the_same_as_once(company: Company, idle: Variant) -> None:
    trial = written(asked(company, idle))
    trial.text = "kept"
    trial.save()
    assert written(trial).text == "kept"


def test_without_memory_it_is_refused_in_words(
    company: Company, idle: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    trial = written(asked(company, idle))
    assert trial.status == Status.FAILED
    assert "needs about" in trial.error
    assert host.models() == []


def test_it_pushes_nothing_out_that_serves(company: Company, idle: Variant, settings: Any) -> None:
    settings.ENGINE_MODELS_KEPT = 1
    serving = deployment()
    host.load(serving)
    trial = written(asked(company, idle))
    assert "push one of them out" in trial.error
    assert [info.key for info in host.models()] == [str(serving.variant_id)]


def test_a_failure_of_the_model_is_told_in_words(
    company: Company, idle: Variant, settings: Any
) -> None:
    settings.INFERENCE_SCRIPT = {"fail_when": "thunder"}
    trial = written(asked(company, idle, "thunder"))
    assert trial.status == Status.FAILED
    assert trial.error


def test_what_breaks_unforeseen_does_not_leave_it_under_way(
    company: Company, idle: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_deployment: Deployment) -> None:
        raise RuntimeError("shape")

    monkeypatch.setattr(host, "load", breaks)
    trial = written(asked(company, idle))
    assert (trial.status, trial.error[:25]) == (Status.FAILED, "The model cannot be run h")


def test_one_trial_at_a_time_and_none_where_models_are_off(company: Company, idle: Variant) -> None:
    asked(company, idle)
    with pytest.raises(trials.TrialUnderWay):
        asked(company, idle)
    other = make_company("Elsewhere")
    other.organization.ai_enabled = False
    other.organization.save()
    with pytest.raises(trials.WritingSwitchedOff):
        asked(other, idle)


def test_one_that_nobody_goes_on_with_ends(company: Company, idle: Variant) -> None:
    trial = asked(company, idle)
    tasks.look_after_trials.run()
    trial.refresh_from_db()
    assert trial.status == Status.WAITING
    trying.give_up(timezone.now() + timedelta(minutes=7))
    trial.refresh_from_db()
    assert trial.status == Status.FAILED
    execution.tidy(timezone.now() + timedelta(days=2))
    assert not Trial.objects.exists()


def test_a_worker_of_its_pool_is_called(
    company: Company, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.try_model, "apply_async", lambda **order: sent.append(order))
    with django_capture_on_commit_callbacks(execute=True):
        trial = asked(company, deployment(pool="large").variant)
    assert sent == [{"kwargs": {"trial_id": str(trial.pk)}, "queue": "large"}]
    tasks.try_model.run(trial_id=str(trial.pk))
    trial.refresh_from_db()
    assert trial.status == Status.DONE


def test_the_page_shows_the_text_and_its_speed(
    company: Company, idle: Variant, signed_in: Callable[[User], Client]
) -> None:
    client, slug = signed_in(company.owner), company.organization.slug
    model = reverse("inference:model", args=[slug, idle.pk])
    assert "adjustable hood" in client.get(model).text
    assert client.post(model, {"prompt": " "}).status_code == 422
    answer = client.post(model, {"prompt": "Write <b>."})
    assert "hx-get" in client.get(answer["Location"]).text
    trial = written(Trial.objects.get())
    part = client.get(answer["Location"], headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith("<section")
    assert trial.text[:10] in part
    assert "a second" in part
    assert "hx-get" not in part
    assert "Write &lt;b&gt;." in client.get(answer["Location"]).text


def test_how_much_memory_a_model_needs_and_there_is() -> None:
    plain = Variant(root="data", manifest={"parameters": 10**9, "files": {}}, size_bytes=1)
    packed = Variant(root="data", manifest={"files": {"packed.safetensors": {}}}, size_bytes=10**9)
    assert memory.needed_bytes(plain) > 4 * 10**9
    assert 10**9 < memory.needed_bytes(packed) < 2 * 10**9
    assert memory.needed_bytes(Variant(root="remote")) == 0
    free = memory.free_bytes()
    assert free is None or free > 0

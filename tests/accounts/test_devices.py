"""One's own devices: in words, and signed out one by one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.templatetags.accounts_devices import device
from tests import factories
from tests.accounts.pages import check_text, sign_in

ROOT = Path(__file__).resolve().parent.parent.parent
SignedIn = Callable[[User], Client]


def test_another_device_is_listed_in_words_and_can_be_signed_out(mara: User) -> None:
    here, phone = Client(), Client(headers={"user-agent": "Mozilla/5.0 (iPhone) Safari/604.1"})
    sign_in(here, mara)
    sign_in(phone, mara)
    there = UserSession.objects.get(session_key=phone.session.session_key)

    listed = here.get(reverse("usersessions_list")).content.decode()
    here.post(reverse("accounts:end_session", args=[there.pk]))

    assert "Safari on iPhone" in check_text(listed)
    assert phone.get(reverse("accounts:profile")).status_code == 302
    assert here.get(reverse("accounts:profile")).status_code == 200


def test_nobody_signs_out_a_device_of_somebody_else_or_the_one_at_hand(mara: User) -> None:
    here, other = Client(), Client()
    sign_in(here, mara)
    sign_in(other, factories.person())
    foreign = UserSession.objects.get(session_key=other.session.session_key)
    own = UserSession.objects.get(session_key=here.session.session_key)

    answers = [here.post(reverse("accounts:end_session", args=[one.pk])) for one in (foreign, own)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert UserSession.objects.count() == 2


@pytest.mark.parametrize(
    ("agent", "label", "icon"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0 Safari/537.36", "Chrome on Linux", "laptop"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/141.0 Edg/141.0", "Edge on Windows", "laptop"),
        ("Mozilla/5.0 (Android 15; Mobile) Firefox/141.0", "Firefox on Android", "smartphone"),
        ("Mozilla/5.0 (Linux) Unheard/1", "Linux", "laptop"),
        ("", "Unknown device", "globe"),
    ],
)
def test_a_device_is_named_by_browser_and_system(agent: str, label: str, icon: str) -> None:
    assert device(agent).label == label
    assert device(agent).icon == icon

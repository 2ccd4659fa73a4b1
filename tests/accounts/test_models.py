"""People."""

import pytest

from apps.accounts import services
from apps.accounts.models import User
from tests import factories


@pytest.mark.django_db
def test_an_address_differs_by_more_than_its_case() -> None:
    user = User.objects.create_user("Nora@Example.COM", "x")
    assert user.email == "nora@example.com"
    assert User.objects.get_by_natural_key("NORA@example.com") == user


@pytest.mark.django_db
def test_an_operator_may_enter_the_admin() -> None:
    operator = User.objects.create_superuser("root@example.com", "x", name="Root")
    assert operator.is_staff
    assert operator.is_superuser


@pytest.mark.parametrize(
    ("name", "initials", "first"),
    [
        ("Mara Lindqvist", "ML", "Mara"),
        ("Ana de la Cruz", "AC", "Ana"),
        ("Cher", "C", "Cher"),
        ("李 明", "李明", "李"),
        ("-- !!", "?", "--"),
    ],
)
def test_initials_stand_for_the_name(name: str, initials: str, first: str) -> None:
    user = User(name=name, email="a@example.com")
    assert (user.initials, user.get_short_name(), user.get_full_name()) == (initials, first, name)


def test_somebody_without_a_name_is_called_by_the_address() -> None:
    assert str(User(email="a@example.com")) == "a@example.com"


@pytest.mark.django_db
def test_only_confirmed_addresses_count() -> None:
    nora = factories.person(email="nora@example.com")
    nora.emailaddress_set.create(email="Second@Example.com", verified=True)
    nora.emailaddress_set.create(email="third@example.com", verified=False)
    assert services.verified_addresses(nora) == {"nora@example.com", "second@example.com"}

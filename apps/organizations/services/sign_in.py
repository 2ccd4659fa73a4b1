"""Leave audit events about accounts in the log of each organization that the person belongs to."""

from typing import Any

from allauth.account import signals as account_signals
from allauth.mfa import signals as mfa_signals
from allauth.mfa.models import Authenticator

from apps.accounts.models import User
from apps.organizations import audit
from apps.organizations.models import Organization


def record(*, verb: str, user: User, **data: Any) -> None:
    """Leave the event in every organization of the person, or with the operator alone."""
    organizations: list[Organization | None] = [*Organization.objects.of(user)]
    for organization in organizations or [None]:
        audit.record(verb=verb, actor=user, organization=organization, target=user, data=data)


def listen() -> None:
    """Hear of second steps and addresses, for which allauth has signals and no adapter method."""
    mfa_signals.authenticator_added.connect(second_step_added)
    mfa_signals.authenticator_removed.connect(second_step_removed)
    mfa_signals.authenticator_reset.connect(second_step_added)
    account_signals.email_changed.connect(address_changed)
    account_signals.email_added.connect(address_added)
    account_signals.email_removed.connect(address_removed)


def second_step_added(*, user: User, authenticator: Authenticator, **_rest: Any) -> None:
    """Record which kind of second step there is now."""
    record(verb="account.second_step_added", user=user, kind=authenticator.get_type_display())


def second_step_removed(*, user: User, authenticator: Authenticator, **_rest: Any) -> None:
    """Record which kind of second step is gone."""
    record(verb="account.second_step_removed", user=user, kind=authenticator.get_type_display())


def address_added(*, user: User, email_address: Any, **_rest: Any) -> None:
    """Record an address that waits for its confirmation."""
    record(verb="account.address_added", user=user, email=email_address.email)


def address_removed(*, user: User, email_address: Any, **_rest: Any) -> None:
    """Record an address that is gone."""
    record(verb="account.address_removed", user=user, email=email_address.email)


def address_changed(*, user: User, to_email_address: Any, **_rest: Any) -> None:
    """Record the address that letters go to from now on."""
    record(verb="account.address_changed", user=user, email=to_email_address.email)

"""What allauth calls when somebody signs in or out, changes a password, or ends sessions.

They stand here and not in accounts because each leaves an audit event. Ending a session deletes it;
`access.changed` then makes the sockets that it opened look for it in vain (docs/adr/0004).
"""

from collections.abc import Iterable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from apps.accounts.models import User
from apps.organizations.services import access, sign_in


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-in and passwords, with their audit events."""

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Leave the event of a completed sign-in: every step, the second one included, is done."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        sign_in.record(verb="account.signed_in", user=user)
        return response

    def logout(self, request: HttpRequest) -> None:
        """Sign out and end what the browser still has open."""
        user = request.user
        super().logout(request)
        if isinstance(user, User):
            sign_in.record(verb="account.signed_out", user=user)
            access.changed_for([user.pk])

    @transaction.atomic
    def set_password(self, user: User, password: str) -> None:
        """Keep the new password and end every session but the one that sets it."""
        super().set_password(user, password)
        request = context.request
        here = request.session.session_key if request is not None else None
        for session in UserSession.objects.filter(user=user).exclude(session_key=here):
            session.end()
        sign_in.record(verb="account.password_changed", user=user)
        access.changed_for([user.pk])


class UserSessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]
    """The list of one's own sessions."""

    @transaction.atomic
    def end_sessions(self, sessions: Iterable[UserSession]) -> None:
        """End the sessions, and with them the sockets that they opened."""
        ending = list(sessions)
        super().end_sessions(ending)
        for user in {session.user for session in ending}:
            count = sum(session.user_id == user.pk for session in ending)
            sign_in.record(verb="account.sessions_ended", user=user, count=count)
            access.changed_for([user.pk])

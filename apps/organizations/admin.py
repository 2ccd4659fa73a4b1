"""The operator's pages (Django's admin): people, organizations, and what other packages keep.

Every write leaves an audit event; what is immutable or secret can only be looked at.
"""

from typing import Any

import allauth.account.admin
import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401
import axes.admin  # noqa: F401
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.organizations import audit
from apps.organizations.models import (
    AuditEvent,
    Division,
    Invitation,
    Membership,
    Organization,
    Retention,
    Workspace,
)
from apps.organizations.services import access

_sign_in = secure_admin_login(admin.site.login)


def sign_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Sign in through allauth, second step included; nobody but operators learns of the page."""
    try:
        answer: HttpResponse = _sign_in(request, extra_context)
    except PermissionDenied as refusal:
        raise Http404 from refusal
    return answer


admin.site.login = sign_in  # type: ignore[method-assign]
admin.site.site_header = admin.site.site_title = "InferenceCloud"
admin.site.index_title = _("Operate this instance")


class AuditedAdmin(admin.ModelAdmin):
    """The base of every editable admin: each write leaves an audit event."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001, PLR0917  (Django's)
        """Save, and say which fields the operator changed."""
        super().save_model(request, obj, form, change)
        verb = "changed" if change else "created"
        self._record(request, obj, verb, fields=sorted(form.changed_data))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, and say what is gone."""
        self._record(request, obj, "deleted")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Delete one by one, so that each leaves its event."""
        for obj in queryset:
            self.delete_model(request, obj)

    def _record(self, request: HttpRequest, obj: Any, verb: str, **data: Any) -> None:
        organization = obj if isinstance(obj, Organization) else None
        gone = verb == "deleted" and organization is not None
        audit.record(
            verb=f"operator.{verb}",
            actor=request.user if isinstance(request.user, User) else None,
            organization=None if gone else organization or getattr(obj, "organization", None),
            target=obj,
            data={"model": obj._meta.label, **data},
        )


class PartForm(forms.ModelForm):
    """A part, or a role in one: all that it names lies in one organization."""

    def clean(self) -> dict[str, Any]:
        """Refuse parts of another organization than the one named beside them."""
        named: dict[str, Any] = super().clean() or self.cleaned_data
        organization = named.get("organization")
        for name in ("parent", "division", "workspace"):
            part = named.get(name)
            if part and organization and part.organization_id != organization.pk:
                self.add_error(name, _("This lies in another organization."))
        return named


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that nobody changes by hand: immutable, or written by services alone."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(User)
class PersonAdmin(AuditedAdmin, UserAdmin):
    """People. Nobody is deleted here: an account is closed, and what it wrote stays."""

    list_display = ["email", "name", "is_active", "is_staff", "date_joined", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    readonly_fields = ["date_joined", "last_login"]
    filter_horizontal = ["groups", "user_permissions"]
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        (_("Look"), {"fields": ["caret_color", "theme", "language"]}),
        (
            _("Rights on this instance"),
            {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]},
        ),
        (_("Dates"), {"fields": ["date_joined", "last_login"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "password1", "password2"]})]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001, PLR0917
        """Save; open sockets check again, for the account may have been closed."""
        super().save_model(request, obj, form, change)
        access.changed_for([obj.pk])

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Note a new password, too: its page saves past `save_model`, and ends the open sessions."""
        match = request.resolver_match
        if match is not None and match.url_name == "auth_user_password_change":
            self._record(request, obj, "changed", fields=["password"])
            access.changed_for([obj.pk])
        return super().log_change(request, obj, message)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: close the account instead."""
        return False


@admin.register(Organization)
class OrganizationAdmin(AuditedAdmin):
    """Organizations."""

    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: an organization takes its notebooks and its log with it."""
        return False


@admin.register(Division)
class DivisionAdmin(AuditedAdmin):
    """Divisions; the organization's own page moves them, and sees to it that none gets into itself."""

    form = PartForm
    list_display = ["name", "organization", "parent"]
    list_filter = ["organization"]
    search_fields = ["name", "organization__name"]
    autocomplete_fields = ["organization", "parent"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Leave a division where it is."""
        return ["organization", "parent"] if obj else []


@admin.register(Workspace)
class WorkspaceAdmin(AuditedAdmin):
    """Workspaces; the organization's own page moves them, and tells the open notebooks."""

    form = PartForm
    list_display = ["name", "organization", "division", "archived_at"]
    list_filter = ["organization"]
    search_fields = ["name", "organization__name"]
    autocomplete_fields = ["organization", "division"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Leave a workspace where it is."""
        return ["organization", "division"] if obj else []


@admin.register(Membership)
class MembershipAdmin(AuditedAdmin):
    """Roles. The organization's own page refuses more mistakes than this one."""

    form = PartForm
    list_display = ["user", "role", "organization", "division", "workspace", "created_at"]
    list_filter = ["role", "organization"]
    search_fields = ["user__email", "user__name", "organization__name"]
    autocomplete_fields = ["user", "organization", "division", "workspace"]
    list_select_related = ["user", "organization", "division", "workspace"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001, PLR0917
        """Save; open sockets check again."""
        super().save_model(request, obj, form, change)
        access.changed_for([obj.user_id])

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete; open sockets check again."""
        super().delete_model(request, obj)
        access.changed_for([obj.user_id])


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Invitations; the hash of the link is of no use to anybody."""

    list_display = ["organization", "role", "email", "invited_by", "expires_at", "accepted_by"]
    list_filter = ["organization", "role"]
    search_fields = ["email", "organization__name"]
    exclude = ["secret_sha256"]


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The log of the whole instance."""

    list_display = ["at", "organization", "actor_label", "verb", "target_label", "ip"]
    list_filter = ["organization", "verb"]
    search_fields = ["actor_label", "target_label", "target_id"]
    date_hierarchy = "at"
    show_full_result_count = False


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """What operators did in these pages, as Django notes it."""

    list_display = ["action_time", "user", "content_type", "object_repr", "action_flag"]
    list_filter = ["content_type", "action_flag"]


@admin.register(Retention)
class RetentionAdmin(ReadOnlyAdmin):
    """How long organizations keep things: for their own admins to say."""

    list_display = ["organization", "trash_days", "output_days", "run_days", "audit_days"]


def _audit(*others: type[models.Model]) -> None:
    """Let the admins that packages bring leave events, too."""
    for model in others:
        theirs = type(admin.site.get_model_admin(model))
        admin.site.unregister(model)
        admin.site.register(model, type(theirs.__name__, (AuditedAdmin, theirs), {}))


_audit(Group, EmailAddress, AccessAttempt, AccessLog, AccessFailureLog)


# Their own admins are loaded first (by the import above) and then replaced: they show secrets.
admin.site.unregister([Authenticator, UserSession])


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Second steps. The secrets stay out of sight; a lost one can be taken off its account."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__email"]
    exclude = ["data"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let operators help a person who lost the device."""
        return request.user.has_perm("mfa.delete_authenticator", obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Take the second step off, and say so in the log."""
        audit.record(
            verb="operator.second_step_removed",
            actor=request.user if isinstance(request.user, User) else None,
            organization=None,
            target=obj.user,
            data={"kind": obj.type},
        )
        super().delete_model(request, obj)


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    """Sessions, without the key that would let somebody take one over."""

    list_display = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    search_fields = ["user__email", "ip"]
    exclude = ["session_key", "data"]

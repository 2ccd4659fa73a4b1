"""The tree organization > division > workspace, who belongs where, and what was done by whom."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.core.ids import uuid7


class Role(models.TextChoices):
    """What a membership makes a person (product.md, roles x permissions)."""

    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Admin")
    AUDITOR = "auditor", _("Auditor")
    STEWARD = "steward", _("Model steward")
    DIVISION_LEAD = "division_lead", _("Division lead")
    WORKSPACE_MANAGER = "workspace_manager", _("Workspace manager")
    EDITOR = "editor", _("Editor")
    APPROVER = "approver", _("Approver")
    COMMENTER = "commenter", _("Commenter")
    VIEWER = "viewer", _("Viewer")
    GUEST = "guest", _("Guest")


# Where a role can be held. Pages of local administrators rely on it, so the database holds it too.
ONLY_IN_ORGANIZATION = (Role.OWNER, Role.ADMIN, Role.AUDITOR, Role.STEWARD)
ONLY_IN_DIVISION = (Role.DIVISION_LEAD,)
NEVER_IN_ORGANIZATION = (Role.DIVISION_LEAD, Role.WORKSPACE_MANAGER)


class OrganizationQuerySet(models.QuerySet["Organization"]):
    """Filters on organizations."""

    def of(self, user: User) -> Self:
        """Keep the organizations that the person belongs to."""
        return self.filter(pk__in=Membership.objects.filter(user=user).values("organization"))


class Organization(models.Model):
    """A company: the border that no content crosses."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(max_length=60, unique=True)
    ai_enabled = models.BooleanField(_("models may write here"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class Division(models.Model):
    """A part of the company, perhaps within another part."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="divisions")
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(max_length=60)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "slug"], name="division_slug_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Workspace(models.Model):
    """Where a team keeps its notebooks."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="workspaces")
    division = models.ForeignKey(Division, models.PROTECT, related_name="workspaces")
    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(max_length=60)
    archived_at = models.DateTimeField(null=True, blank=True)
    ai_enabled = models.BooleanField(_("models may write here"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "slug"], name="workspace_slug_once"),
        ]

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Filters on memberships."""

    def whole(self) -> Self:
        """Keep those that hold in the whole organization."""
        return self.filter(division__isnull=True, workspace__isnull=True)

    def in_scope(self, scope: "Organization | Division | Workspace") -> Self:
        """Keep those held in exactly this scope."""
        if isinstance(scope, Organization):
            return self.whole().filter(organization=scope)
        if isinstance(scope, Division):
            return self.filter(division=scope)
        return self.filter(workspace=scope)


class Membership(models.Model):
    """A role of a person in the whole organization, in one division, or in one workspace.

    With neither division nor workspace the role holds in the whole organization; a division's role
    holds in its workspaces and in the divisions below it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    division = models.ForeignKey(
        Division, models.CASCADE, null=True, blank=True, related_name="memberships"
    )
    workspace = models.ForeignKey(
        Workspace, models.CASCADE, null=True, blank=True, related_name="memberships"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(division__isnull=True) | Q(workspace__isnull=True),
                name="membership_one_scope",
            ),
            models.CheckConstraint(
                condition=~Q(role__in=ONLY_IN_ORGANIZATION)
                | Q(division__isnull=True, workspace__isnull=True),
                name="membership_role_of_organization",
            ),
            models.CheckConstraint(
                condition=~Q(role__in=ONLY_IN_DIVISION) | Q(division__isnull=False),
                name="membership_role_of_division",
            ),
            models.CheckConstraint(
                condition=~Q(role__in=NEVER_IN_ORGANIZATION)
                | Q(division__isnull=False)
                | Q(workspace__isnull=False),
                name="membership_role_of_part",
            ),
            models.UniqueConstraint(
                fields=["organization", "user"],
                condition=Q(division__isnull=True, workspace__isnull=True),
                name="membership_once_per_organization",
            ),
            models.UniqueConstraint(
                fields=["division", "user"],
                condition=Q(division__isnull=False),
                name="membership_once_per_division",
            ),
            models.UniqueConstraint(
                fields=["workspace", "user"],
                condition=Q(workspace__isnull=False),
                name="membership_once_per_workspace",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}"

    @property
    def scope(self) -> Organization | Division | Workspace:
        """Return where the role holds."""
        return self.workspace or self.division or self.organization


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Filters on invitations."""

    def open(self) -> Self:
        """Keep those that can still be accepted."""
        return self.filter(
            accepted_at__isnull=True, withdrawn_at__isnull=True, expires_at__gt=timezone.now()
        )


class Invitation(models.Model):
    """A link that makes one person a member; only the hash of its secret is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="invitations")
    division = models.ForeignKey(Division, models.CASCADE, null=True, blank=True)
    workspace = models.ForeignKey(Workspace, models.CASCADE, null=True, blank=True)
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    # When set, only a person who has confirmed this address may accept.
    email = models.EmailField(_("e-mail address"), blank=True)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    accepted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(division__isnull=True) | Q(workspace__isnull=True),
                name="invitation_one_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email or self.pk}: {self.get_role_display()}"

    @property
    def scope(self) -> Organization | Division | Workspace:
        """Return where the role will hold."""
        return self.workspace or self.division or self.organization

    @property
    def is_open(self) -> bool:
        """Say whether the link can still be accepted."""
        return not self.accepted_at and not self.withdrawn_at and self.expires_at > timezone.now()


class Retention(models.Model):
    """For how many days an organization keeps what nobody may need any more; empty: for good."""

    organization = models.OneToOneField(
        Organization, models.CASCADE, primary_key=True, related_name="retention"
    )
    trash_days = models.PositiveIntegerField(_("notebooks in the trash"), null=True, default=90)
    output_days = models.PositiveIntegerField(
        _("texts of models that nobody took"), null=True, default=365
    )
    run_days = models.PositiveIntegerField(_("details of runs"), null=True, default=365)
    audit_days = models.PositiveIntegerField(_("audit log"), null=True, default=None)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(trash_days__gte=7) | Q(trash_days__isnull=True),
                name="retention_of_trash",
            ),
            models.CheckConstraint(
                condition=Q(audit_days__gte=90) | Q(audit_days__isnull=True),
                name="retention_of_audit",
            ),
        ]

    def __str__(self) -> str:
        return f"retention of {self.organization_id}"


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Filters on the audit log; its order is newest first."""

    def older_than(self, at: datetime, pk: str) -> Self:
        """Keep what comes after this event when the newest stands first."""
        return self.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))


class AuditEvent(models.Model):
    """Who did what, when, from where. Rows are only ever added."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        Organization, models.CASCADE, null=True, blank=True, related_name="audit_events"
    )
    # The division that the target lay in at that time: what its lead may read.
    division = models.ForeignKey(Division, models.SET_NULL, null=True, blank=True, related_name="+")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_label = models.CharField(max_length=120)
    verb = models.CharField(max_length=60)  # noun.participle, such as notebook.created
    target_type = models.CharField(max_length=60, blank=True)
    target_id = models.CharField(max_length=60, blank=True)
    target_label = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)
    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    data = models.JSONField(default=dict, blank=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["organization", "-at"], name="audit_by_time"),
            models.Index(fields=["organization", "verb", "-at"], name="audit_by_verb"),
            models.Index(fields=["organization", "actor", "-at"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.verb} {self.target_label}"

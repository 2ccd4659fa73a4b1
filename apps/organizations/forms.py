"""Forms of an organization's own pages."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.organizations.audit_log import AuditFilter
from apps.organizations.models import Division, Organization, Role, Workspace
from apps.organizations.people import PeopleFilter
from apps.organizations.policy import RANK
from apps.organizations.reach import Reach
from apps.organizations.services.memberships import RoleGiven
from apps.organizations.services.retention import Days

DAYS_LIMIT = 36_500


class NameForm(forms.Form):
    """A name of an organization, division or workspace."""

    name = forms.CharField(label=_("Name"), max_length=80)


class RetentionForm(forms.Form):
    """For how many days things are kept; an empty field: for good."""

    trash_days = forms.IntegerField(
        label=_("Notebooks in the trash"),
        required=False,
        min_value=7,
        max_value=DAYS_LIMIT,
        help_text=_("Then they are deleted for good, with all that was made of them."),
    )
    output_days = forms.IntegerField(
        label=_("Texts of models that nobody took"),
        required=False,
        min_value=1,
        max_value=DAYS_LIMIT,
        help_text=_("Then they are forgotten. Adopted texts stay with their notebook."),
    )
    run_days = forms.IntegerField(
        label=_("Details of runs"),
        required=False,
        min_value=1,
        max_value=DAYS_LIMIT,
        help_text=_("What models were asked, step by step. Texts keep what led to them."),
    )
    audit_days = forms.IntegerField(
        label=_("Audit log"),
        required=False,
        min_value=90,
        max_value=DAYS_LIMIT,
        help_text=_("At least 90 days."),
    )

    @property
    def days(self) -> Days:
        """Return what the valid form says."""
        return Days(**self.cleaned_data)


class RoleForm(forms.Form):
    """A role in a place that is known already."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class PlacedRoleForm(forms.Form):
    """A role in a place, both within the viewer's reach."""

    place = forms.ChoiceField(label=_("Where"))
    role = forms.ChoiceField(label=_("Role"))

    def __init__(self, *args: Any, reach: Reach, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reach = reach
        roles = {role for place in reach.managed for role in place.roles}
        ranked = sorted(roles, key=lambda role: (-RANK[role], list(Role).index(role)))
        self.fields["place"].choices = [(p.value, p.indented) for p in reach.managed]  # type: ignore[attr-defined]
        self.fields["role"].choices = [(role.value, role.label) for role in ranked]  # type: ignore[attr-defined]
        # The smallest place first: a role in the whole organization should be a decision.
        parts = [p.value for p in reach.managed if isinstance(p.scope, Workspace)]
        self.fields["place"].initial = parts[0] if parts else None
        self.fields["role"].initial = Role.EDITOR

    def clean(self) -> dict[str, Any]:
        """Refuse a role that the place does not know or that lies above the viewer."""
        cleaned = super().clean() or self.cleaned_data
        place, role = cleaned.get("place"), cleaned.get("role")
        if place and role and role not in self.reach.by_value[place].roles:
            here = self.reach.by_value[place]
            message = _("Nobody can be %(role)s of “%(place)s”, or it is not yours to give.")
            words = {"role": Role(role).label, "place": here.scope}
            raise ValidationError({"role": message % words})
        return cleaned

    @property
    def given(self) -> RoleGiven:
        """Return the role and the place that the valid form names."""
        place = self.reach.by_value[self.cleaned_data["place"]]
        return RoleGiven(scope=place.scope, role=self.cleaned_data["role"])


class InvitationForm(PlacedRoleForm):
    """Whom to invite, as what, where, for how long the link holds."""

    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        help_text=_("With an address, only its owner can accept, and we mail the link."),
    )
    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        initial=7,
        choices=[(1, _("1 day")), (7, _("7 days")), (30, _("30 days"))],
    )
    field_order = ["email", "place", "role", "days"]


class PeopleFilterForm(forms.Form):
    """Search and filter of the people page; what does not fit is ignored."""

    q = forms.CharField(required=False, max_length=80)
    role = forms.ChoiceField(required=False, choices=[("", _("Every role")), *Role.choices])
    place = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, reach: Reach, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places = [(place.value, place.indented) for place in reach.managed]
        self.fields["place"].choices = [("", _("Everywhere")), *places]  # type: ignore[attr-defined]

    @property
    def wanted(self) -> PeopleFilter:
        """Return the filter."""
        self.is_valid()
        found = self.cleaned_data
        return PeopleFilter(
            words=found.get("q", ""), role=found.get("role", ""), place=found.get("place", "")
        )


class DivisionForm(NameForm):
    """The name of a division and where it lies; an empty place is the top."""

    parent = forms.ModelChoiceField(
        Division.objects.none(), label=_("Within"), required=False, to_field_name="pk"
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["parent"].queryset = organization.divisions.all()  # type: ignore[attr-defined]


class WorkspaceForm(NameForm):
    """The name of a workspace and its division."""

    division = forms.ModelChoiceField(Division.objects.none(), label=_("Division"))

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["division"].queryset = organization.divisions.all()  # type: ignore[attr-defined]


class AuditFilterForm(forms.Form):
    """Filters of the audit log; what does not fit is ignored."""

    actor = forms.UUIDField(required=False)
    verb = forms.CharField(required=False, max_length=60)
    target = forms.CharField(required=False, max_length=200)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    @property
    def wanted(self) -> AuditFilter:
        """Return the filter."""
        self.is_valid()
        found = self.cleaned_data
        return AuditFilter(
            actor=str(found.get("actor") or ""),
            verb=found.get("verb", ""),
            target=found.get("target", ""),
            since=found.get("since"),
            until=found.get("until"),
        )

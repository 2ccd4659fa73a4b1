"""The filters and the one form of the console."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.console.run_list import Wanted
from apps.inference.models import RunStatus
from apps.organizations.models import Division, Membership, Organization

SPANS = [(7, _("7 days")), (30, _("30 days")), (90, _("90 days"))]
EVERYBODY = "organization"


def members_of(
    organization: Organization,
) -> Any:  # a QuerySet of people; User's own manager is untyped
    """Return the people who belong there."""
    held = Membership.objects.filter(organization=organization)
    return User.objects.filter(pk__in=held.values("user")).order_by("name", "email")


class RunFilterForm(forms.Form):
    """Which runs to list; what does not fit is ignored."""

    status = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _("Every state")), *RunStatus.choices]
    )
    actor = forms.ModelChoiceField(
        User.objects.none(), label=_("Started by"), required=False, empty_label=_("Everybody")
    )
    division = forms.ModelChoiceField(
        Division.objects.none(),
        label=_("Division"),
        required=False,
        empty_label=_("Every division"),
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["actor"].queryset = members_of(organization)  # type: ignore[attr-defined]
        self.fields["division"].queryset = organization.divisions.all()  # type: ignore[attr-defined]

    @property
    def wanted(self) -> Wanted:
        """Return the filter."""
        self.is_valid()
        found = self.cleaned_data
        return Wanted(
            status=found.get("status", ""),
            actor=getattr(found.get("actor"), "pk", None),
            division=getattr(found.get("division"), "pk", None),
        )


class SpanForm(forms.Form):
    """How many days the charts go back."""

    days = forms.TypedChoiceField(label=_("Span"), choices=SPANS, coerce=int, required=False)

    @property
    def chosen(self) -> int:
        """Return the days; thirty unless another offer was taken."""
        return (self.is_valid() and self.cleaned_data["days"]) or 30


class QuotaForm(forms.Form):
    """Whom a limit holds for, and how many tokens a day; the limit is left out to take it away."""

    whom = forms.ChoiceField(label=_("For whom"))
    tokens_per_day = forms.IntegerField(
        label=_("Tokens a day"),
        min_value=1,
        max_value=10**15,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "step": 1}),
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._divisions = {f"division:{one.pk}": one for one in organization.divisions.all()}
        self._people = {f"person:{one.pk}": one for one in members_of(organization)}
        self.fields["whom"].choices = [  # type: ignore[attr-defined]
            (EVERYBODY, _("Everybody together")),
            (_("A division"), [(key, str(one)) for key, one in self._divisions.items()]),
            (_("A person"), [(key, str(one)) for key, one in self._people.items()]),
        ]

    @property
    def division(self) -> Division | None:
        """Return the division that was chosen."""
        return self._divisions.get(self.cleaned_data["whom"])

    @property
    def user(self) -> User | None:
        """Return the person who was chosen."""
        return self._people.get(self.cleaned_data["whom"])

"""The filter of the page "Learning"."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.learning.listing import OPEN, Wanted
from apps.learning.models import EditRecord
from apps.learning.sight import Sight
from apps.organizations.models import Division, Workspace

# Nothing is approved or published yet.
SETTLES = [
    EditRecord.Settle.RELEASED,
    EditRecord.Settle.DOWNLOADED,
    EditRecord.Settle.IDLE,
]


class LearningFilterForm(forms.Form):
    """What to list; what does not fit is ignored."""

    q = forms.CharField(required=False, max_length=200)
    division = forms.ModelChoiceField(
        Division.objects.none(), required=False, empty_label=_("Every division")
    )
    workspace = forms.ModelChoiceField(
        Workspace.objects.none(), required=False, empty_label=_("Every workspace")
    )
    settle = forms.ChoiceField(
        required=False,
        choices=[
            ("", _("Settled or not")),
            *((settle.value, settle.label) for settle in SETTLES),
            (OPEN, _("Not settled yet")),
        ],
    )
    thumbs = forms.ChoiceField(
        required=False,
        choices=[("", _("Any opinion")), ("up", _("Found good")), ("down", _("Found not good"))],
    )
    learnable = forms.ChoiceField(
        required=False,
        choices=[
            ("", _("Yes or no")),
            ("yes", _("Yes")),
            ("no", _("No")),
        ],
    )
    kept_from = forms.IntegerField(required=False, min_value=0, max_value=100)
    kept_until = forms.IntegerField(required=False, min_value=0, max_value=100)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    def __init__(self, *args: Any, sight: Sight, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        divisions = sight.organization.divisions.all()
        workspaces = sight.organization.workspaces.all()
        if not sight.whole:
            divisions = divisions.filter(pk__in=sight.divisions or ())
            workspaces = workspaces.filter(division__in=sight.divisions or ())
        self.fields["division"].queryset = divisions  # type: ignore[attr-defined]
        self.fields["workspace"].queryset = workspaces  # type: ignore[attr-defined]
        for field in self.fields.values():
            field.widget.attrs["class"] = "control"

    @property
    def wanted(self) -> Wanted:
        """Return the filter."""
        self.is_valid()
        found = self.cleaned_data
        return Wanted(
            q=found.get("q", ""),
            division=getattr(found.get("division"), "pk", None),
            workspace=getattr(found.get("workspace"), "pk", None),
            settle=found.get("settle", ""),
            thumbs=found.get("thumbs", ""),
            kept_from=found.get("kept_from"),
            kept_until=found.get("kept_until"),
            since=found.get("since"),
            until=found.get("until"),
            learnable=found.get("learnable", ""),
        )

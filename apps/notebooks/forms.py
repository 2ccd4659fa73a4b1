"""What people send about notebooks, checked."""

import uuid
from typing import Any

from django import forms
from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.notebooks.access_list import LEVELS, people_in
from apps.notebooks.listing import Sort, Wanted, Whose
from apps.notebooks.models import Notebook, ShareGrant
from apps.notebooks.services.notebooks import TITLE_LIMIT
from apps.notebooks.services.sharing import LINK_DAYS
from apps.organizations.models import Division, Organization, Workspace
from apps.organizations.policy import Level

DAYS = [
    (1, gettext_lazy("for one day")),
    (7, gettext_lazy("for 7 days")),
    (30, gettext_lazy("for 30 days")),
]


def searched(query: QueryDict, name: str) -> str:
    """Return the words somebody searches for; none where PostgreSQL could not even look for them."""
    try:
        return str(forms.CharField(required=False, max_length=254).clean(query.get(name)))
    except forms.ValidationError:
        return ""


class ListForm(forms.Form):
    """What the list of notebooks is asked for; whatever makes no sense is left out."""

    q = forms.CharField(required=False, max_length=TITLE_LIMIT)
    sort = forms.ChoiceField(required=False, choices=Sort.choices)
    whose = forms.ChoiceField(required=False, choices=Whose.choices)
    workspace = forms.UUIDField(required=False)
    page = forms.IntegerField(required=False, min_value=1, max_value=100_000)

    def wanted(self) -> Wanted:
        """Return what is asked for, the usual in place of what is missing or wrong."""
        self.is_valid()
        return Wanted(**{name: value for name, value in self.cleaned_data.items() if value})


class TitleForm(forms.Form):
    """A title; an empty one shows as "Untitled"."""

    title = forms.CharField(
        label=gettext_lazy("Title"), required=False, max_length=TITLE_LIMIT, strip=True
    )


class WorkspaceForm(forms.Form):
    """A workspace to put a notebook into, among those where the person may."""

    workspace = forms.ModelChoiceField(
        label=gettext_lazy("Workspace"), queryset=Workspace.objects.none(), empty_label=None
    )

    def __init__(self, *args: Any, workspaces: Any, **kwargs: Any) -> None:  # Django's own
        super().__init__(*args, **kwargs)
        field = self.fields["workspace"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  (declared above)
        field.queryset = workspaces


class LevelForm(forms.Form):
    """One of the levels."""

    level = forms.TypedChoiceField(
        label=gettext_lazy("May do"), choices=LEVELS, coerce=lambda value: Level(int(value))
    )


class LinkForm(LevelForm):
    """A link: what it gives and for how long."""

    days = forms.TypedChoiceField(
        label=gettext_lazy("Valid"), choices=DAYS, coerce=int, initial=LINK_DAYS[1]
    )


class AudienceForm(forms.Form):
    """Who may open the notebook without being asked in."""

    audience = forms.ChoiceField(choices=Notebook.Audience.choices)


class ShareForm(LevelForm):
    """With whom: a chosen person or division, or words that fit exactly one of them."""

    who = forms.CharField(required=False, max_length=254)
    person = forms.UUIDField(required=False)
    division = forms.UUIDField(required=False)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:  # Django's
        super().__init__(*args, **kwargs)
        self.organization = organization
        self.found: User | Division | None = None

    def clean(self) -> dict[str, Any]:
        """Find whom the form means."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        matches: list[User | Division]
        if cleaned.get("person"):
            matches = list(people_in(self.organization).filter(pk=cleaned["person"]))
        elif cleaned.get("division"):
            matches = list(self.organization.divisions.filter(pk=cleaned["division"]))
        else:
            matches = self._named(cleaned.get("who") or "")
        if not matches:
            message = _("Nobody in %(organization)s is called “%(who)s”: choose from the list.")
            words = {"organization": self.organization, "who": cleaned.get("who") or ""}
            raise forms.ValidationError(message % words)
        if len(matches) > 1:
            raise forms.ValidationError(_("Several are called that: choose one from the list."))
        self.found = matches[0]
        return cleaned

    def _named(self, words: str) -> list[User | Division]:
        if not words:
            return []
        same = Q(email__iexact=words) | Q(name__iexact=words)
        people: list[User | Division] = list(people_in(self.organization).filter(same)[:2])
        return people + list(self.organization.divisions.filter(name__iexact=words)[:2])


class OwnerForm(forms.Form):
    """The grant of the person who becomes the owner."""

    grant = forms.ModelChoiceField(queryset=ShareGrant.objects.none())

    def __init__(self, *args: Any, notebook: Notebook, **kwargs: Any) -> None:  # Django's own
        super().__init__(*args, **kwargs)
        field = self.fields["grant"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  (declared above)
        field.queryset = notebook.grants.filter(user__isnull=False)


class ImageForm(forms.Form):
    """One file; what it is says its content, which the service looks at."""

    file = forms.FileField(allow_empty_file=True)


class CellsField(forms.CharField):
    """Ids of cells with commas between them; None when the field is left empty."""

    def to_python(self, value: Any) -> Any:  # Django's own
        """Return the ids."""
        try:
            return [uuid.UUID(one) for one in (value or "").split(",") if one] or None
        except ValueError as error:
            message = _("Wanted ids of cells, got “%(value)s”")
            raise forms.ValidationError(message, params={"value": value}) from error


class ChainForm(forms.Form):
    """What Update is to write, and the key that makes a double click one run."""

    key = forms.RegexField(r"^[\w-]{8,64}$")
    cells = CellsField(required=False)

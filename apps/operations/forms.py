"""What is to be forgotten, and the word that shows that it is meant."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.operations.erasable import writers
from apps.organizations.models import Organization


class PersonForm(forms.Form):
    """Whose text is to be forgotten."""

    person = forms.ModelChoiceField(
        User.objects.none(), label=_("Person"), empty_label=_("Choose a person")
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].queryset = writers(organization)  # type: ignore[attr-defined]


class OutputForm(forms.Form):
    """Which text of a model is to be forgotten."""

    output = forms.UUIDField(
        label=_("Id of the text"),
        help_text=_("It stands under “Runs” in the console, beside each text of a run."),
        error_messages={"invalid": _("That is no id. It has 32 digits and letters from a to f.")},
    )

    @property
    def chosen(self) -> uuid.UUID:
        """Return the id."""
        return uuid.UUID(str(self.cleaned_data["output"]))


class SureForm(forms.Form):
    """The word that somebody types who means it."""

    typed = forms.CharField(
        max_length=254, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, word: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._word = word
        self.fields["typed"].label = _("Type %(word)s to go on") % {"word": word}

    def clean_typed(self) -> str:
        """Refuse anything but the word; capitals do not matter."""
        typed = str(self.cleaned_data["typed"]).strip()
        if typed.casefold() != self._word.casefold():
            message = _("Type %(word)s exactly. Nothing was erased.") % {"word": self._word}
            raise forms.ValidationError(message)
        return typed

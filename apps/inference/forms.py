"""What the page "Models" is told: what to add, and what to write as a trial."""

from django import forms
from django.utils.translation import gettext_lazy as _

# With a name, a category and facts, as the starter wants it; any model can do something with it.
EXAMPLE = _(
    "Write a short description of:\n"
    "Name: Velora Rain Jacket\n"
    "Category: apparel, jacket\n"
    "Details: waterproof, adjustable hood\n"
    "Price: $129"
)


class SourceForm(forms.Form):
    """Where a model is: at the hub, or in a folder."""

    source = forms.CharField(
        label=_("Model"),
        max_length=400,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
        error_messages={"required": _("Type a name at the hub, or a folder.")},
    )


class TrialForm(forms.Form):
    """What a model is to write."""

    prompt = forms.CharField(
        label=_("What should it write?"),
        max_length=2000,
        initial=EXAMPLE,
        widget=forms.Textarea(attrs={"rows": 5}),
        error_messages={"required": _("Type what the model should write.")},
    )

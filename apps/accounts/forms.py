"""Forms about a person."""

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User


class SignupForm(forms.Form):
    """What sign-up asks besides address and password (allauth adds those)."""

    name = forms.CharField(label=_("Your name"), max_length=80)
    field_order = ["name", "email", "password1"]

    def signup(self, _request: object, user: User) -> None:
        """Keep the name; allauth calls this after it saved the user."""
        user.name = self.cleaned_data["name"]
        user.caret_color = user.pk.int % 8
        user.save(update_fields=["name", "caret_color"])

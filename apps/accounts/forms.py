"""Forms about a person."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import CARET_COLORS, User
from apps.accounts.services import Profile


class SignupForm(forms.Form):
    """What sign-up asks besides address and password (allauth adds those)."""

    name = forms.CharField(label=_("Your name"), max_length=80)
    field_order = ["name", "email", "password1"]

    def signup(self, _request: object, user: User) -> None:
        """Keep the name; allauth calls this after it saved the user."""
        user.name = self.cleaned_data["name"]
        user.caret_color = user.pk.int % CARET_COLORS
        user.save(update_fields=["name", "caret_color"])


class ProfileForm(forms.Form):
    """Name, colour, theme, and the language where there is a choice."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=80,
        help_text=_("What others read beside your caret and in lists."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    caret_color = forms.TypedChoiceField(
        label=_("Colour"),
        coerce=int,
        choices=[(n, _("Colour %(number)d") % {"number": n + 1}) for n in range(CARET_COLORS)],
        widget=forms.RadioSelect,
        help_text=_("Of your caret and your initials."),
    )
    language = forms.ChoiceField(label=_("Language"), choices=lambda: settings.LANGUAGES)
    theme = forms.ChoiceField(
        label=_("Theme"), choices=User.Theme.choices, widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Django's own
        super().__init__(*args, **kwargs)
        if len(settings.LANGUAGES) == 1:
            del self.fields["language"]

    @property
    def profile(self) -> Profile:
        """Return what the valid form says."""
        return Profile(**{"language": settings.LANGUAGE_CODE, **self.cleaned_data})


class ThemeForm(forms.Form):
    """The switch between light, dark and the system's."""

    theme = forms.ChoiceField(choices=User.Theme.choices)


class FirstRunForm(forms.Form):
    """The owner and the first places, asked while an instance has nobody yet."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    password = forms.CharField(
        label=_("Password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 10 characters."),
    )
    organization = forms.CharField(label=_("Your organization"), max_length=80)
    division = forms.CharField(
        label=_("First division"),
        max_length=80,
        initial=_("Marketing"),
        help_text=_("A part of the company, such as a country or a business unit."),
    )
    workspace = forms.CharField(
        label=_("First workspace"),
        max_length=80,
        initial=_("Campaigns"),
        help_text=_("Where a team keeps its notebooks."),
    )

    def clean_password(self) -> str:
        """Hold the password to the rules that hold for everybody."""
        password: str = self.cleaned_data["password"]
        about = User(
            email=self.cleaned_data.get("email", ""), name=self.cleaned_data.get("name", "")
        )
        validate_password(password, about)
        return password

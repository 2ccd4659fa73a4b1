"""One's own account: the first run, the way home, the profile. Signing in is allauth's.

They stand here and not in accounts because they found organizations and leave audit events.
"""

from http import HTTPStatus

from allauth.account.utils import perform_login
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.forms import FirstRunForm, ProfileForm, ThemeForm
from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.organizations.models import Organization
from apps.organizations.services import founding, profiles
from apps.organizations.views.entrance import INVITATION_KEY, person

THEME_COOKIE = "theme"  # static/core/theme.js reads and writes it, too
YEAR_SECONDS = 365 * 24 * 60 * 60


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Lead to one's notebooks; to the first run, to sign-in, or to how one gets in."""
    if not request.user.is_authenticated:
        return redirect("account_login" if User.objects.exists() else "accounts:welcome")
    token = request.session.pop(INVITATION_KEY, None)
    if token:
        return redirect("organizations:invitation", token)
    mine = list(Organization.objects.of(person(request)).order_by("name"))
    if not mine:
        return render(request, "organizations/nowhere.html")
    last = request.session.get("organization")
    organization = next((one for one in mine if str(one.pk) == last), mine[0])
    return redirect("notebooks:list", organization.slug)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def welcome(request: HttpRequest) -> HttpResponse:
    """Set the instance up with its owner, as long as it has nobody."""
    if User.objects.exists():
        raise NotVisible
    form = FirstRunForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        founded = founding.found_instance(founding=founding.Founding(**form.cleaned_data))
        return perform_login(request, founded.owner, redirect_url="/")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "accounts/first_run.html", {"form": form}, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Show and change what one says about oneself."""
    user = person(request)
    form = ProfileForm(request.POST or None, initial=_as_it_stands(user))
    if request.method == "POST" and form.is_valid():
        profiles.change_profile(user=user, profile=form.profile)
        messages.success(request, _("Your profile is kept."))
        response = redirect("accounts:profile")
        _remember_theme(request, response, user.theme)
        return response
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    organizations = Organization.objects.of(user).order_by("name")
    context = {"form": form, "organizations": organizations}
    return render(request, "accounts/profile.html", context, status=status)


@login_required
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep light, dark or the system's."""
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=HTTPStatus.UNPROCESSABLE_ENTITY)
    profiles.change_theme(user=person(request), theme=form.cleaned_data["theme"])
    response = HttpResponse(status=HTTPStatus.NO_CONTENT)
    _remember_theme(request, response, form.cleaned_data["theme"])
    return response


def _as_it_stands(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "caret_color": user.caret_color,
        "language": user.language,
        "theme": user.theme,
    }


def _remember_theme(request: HttpRequest, response: HttpResponse, chosen: str) -> None:
    response.set_cookie(
        THEME_COOKIE, chosen, max_age=YEAR_SECONDS, samesite="Lax", secure=request.is_secure()
    )

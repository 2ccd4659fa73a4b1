"""Routes about one's own account (sign-in itself is allauth's)."""

from django.urls import path

from apps.organizations.views import account, devices

app_name = "accounts"
urlpatterns = [
    path("", account.home, name="home"),
    path("welcome/", account.welcome, name="welcome"),
    path("settings/", account.profile, name="profile"),
    path("settings/theme/", account.theme, name="theme"),
    path("settings/devices/<int:pk>/end/", devices.end_session, name="end_session"),
]

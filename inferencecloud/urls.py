"""Every HTTP route: one include per app."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.core.urls")),
    path("", include("apps.organizations.urls.account")),
    path("", include("apps.organizations.urls")),
    path("", include("apps.inference.urls")),
    path("", include("apps.learning.urls")),
    path("", include("apps.notebooks.urls")),
    path("", include("apps.console.urls")),
    path("", include("apps.operations.urls")),
]

"""Routes about one's own account (sign-in itself is allauth's)."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []

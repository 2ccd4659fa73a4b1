"""Routes of an organization's own pages."""

from django.urls import URLPattern

app_name = "organizations"
urlpatterns: list[URLPattern] = []

"""Routes of notebooks: list, page, and the HTTP road of the updates."""

from django.urls import URLPattern

app_name = "notebooks"
urlpatterns: list[URLPattern] = []

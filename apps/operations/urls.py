"""Routes of exports and of forgetting."""

from django.urls import path

from apps.operations import views

app_name = "operations"
urlpatterns = [
    path("o/<slug:slug>/settings/exports/", views.exports, name="exports"),
    path("o/<slug:slug>/settings/exports/<uuid:pk>/", views.export_file, name="export_file"),
    path("n/<uuid:notebook>/forget/", views.forget_past, name="forget_past"),
]

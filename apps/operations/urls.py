"""Routes of exports and of forgetting."""

from django.urls import path

from apps.operations import views

app_name = "operations"
urlpatterns = [
    path("o/<slug:slug>/settings/exports/", views.exports, name="exports"),
    path("o/<slug:slug>/settings/exports/<uuid:pk>/", views.export_file, name="export_file"),
    path("o/<slug:slug>/settings/erasing/", views.erasing, name="erasing"),
    path(
        "o/<slug:slug>/settings/erasing/people/<uuid:person>/",
        views.erase_person,
        name="erase_person",
    ),
    path(
        "o/<slug:slug>/settings/erasing/texts/<uuid:output>/",
        views.erase_output,
        name="erase_output",
    ),
    path("n/<uuid:notebook>/forget/", views.forget_past, name="forget_past"),
]

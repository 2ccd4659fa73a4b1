"""Routes of the page "Models"."""

from django.urls import path

from apps.inference import views

app_name = "inference"
urlpatterns = [
    path("o/<slug:slug>/models/", views.models, name="models"),
    path("o/<slug:slug>/models/look/", views.look, name="look"),
    path("o/<slug:slug>/models/adding/<uuid:pk>/", views.adding, name="adding"),
    path("o/<slug:slug>/models/adding/<uuid:pk>/start/", views.start, name="start"),
    path("o/<slug:slug>/models/adding/<uuid:pk>/cancel/", views.cancel, name="cancel"),
    path("o/<slug:slug>/models/<uuid:pk>/", views.model, name="model"),
    path("o/<slug:slug>/models/<uuid:pk>/writer/", views.use_as_writer, name="use_as_writer"),
    path("o/<slug:slug>/models/<uuid:pk>/remove/", views.remove, name="remove"),
    path("o/<slug:slug>/models/trials/<uuid:pk>/", views.trial, name="trial"),
]

"""Routes of what was learned."""

from django.urls import path

from apps.learning import views

app_name = "learning"
urlpatterns = [
    path("o/<slug:slug>/learning/", views.outputs, name="list"),
    path("o/<slug:slug>/learning/download/", views.download, name="download"),
    path("o/<slug:slug>/learning/files/", views.packages, name="packages"),
    path("o/<slug:slug>/learning/files/<uuid:package>/", views.package, name="package"),
    path("o/<slug:slug>/learning/outputs/<uuid:output>/", views.output, name="output"),
]

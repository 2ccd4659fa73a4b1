"""Routes of the console."""

from django.urls import path

from apps.console.views import metrics, pages, quotas

app_name = "console"
urlpatterns = [
    path("metrics", metrics.metrics, name="metrics"),
    path("o/<slug:slug>/console/", pages.overview, name="overview"),
    path("o/<slug:slug>/console/runs/", pages.runs, name="runs"),
    path("o/<slug:slug>/console/runs/<uuid:run>/", pages.run, name="run"),
    path("o/<slug:slug>/console/usage/", pages.usage, name="usage"),
    path("o/<slug:slug>/console/usage/download/", pages.download, name="download"),
    path("o/<slug:slug>/console/machines/", pages.machines, name="machines"),
    path("o/<slug:slug>/console/quotas/", quotas.quotas, name="quotas"),
    path("o/<slug:slug>/console/quotas/set/", quotas.set_quota, name="set_quota"),
    path(
        "o/<slug:slug>/console/quotas/<uuid:quota>/remove/",
        quotas.remove_quota,
        name="remove_quota",
    ),
]

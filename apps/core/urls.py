"""Health of the process and of what it needs."""

from django.urls import path

from apps.core import views

urlpatterns = [
    path("health/live/", views.live, name="health_live"),
    path("health/ready/", views.ready, name="health_ready"),
]

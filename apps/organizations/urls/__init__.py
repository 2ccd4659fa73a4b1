"""Routes of an organization's own pages."""

from django.urls import path

from apps.organizations.views import audit, invitations, people, settings, structure

app_name = "organizations"
urlpatterns = [
    path("o/<slug:slug>/people/", people.people, name="people"),
    path("o/<slug:slug>/people/invitations/", people.invite, name="invite"),
    path(
        "o/<slug:slug>/people/invitations/<uuid:pk>/withdraw/",
        people.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("o/<slug:slug>/people/<uuid:pk>/roles/", people.add_role, name="add_role"),
    path("o/<slug:slug>/people/roles/<uuid:pk>/", people.change_role, name="change_role"),
    path("o/<slug:slug>/people/roles/<uuid:pk>/end/", people.end_role, name="end_role"),
    path("o/<slug:slug>/structure/", structure.structure, name="structure"),
    path("o/<slug:slug>/structure/divisions/", structure.add_division, name="add_division"),
    path(
        "o/<slug:slug>/structure/divisions/<uuid:pk>/",
        structure.edit_division,
        name="edit_division",
    ),
    path(
        "o/<slug:slug>/structure/divisions/<uuid:pk>/delete/",
        structure.delete_division,
        name="delete_division",
    ),
    path("o/<slug:slug>/structure/workspaces/", structure.add_workspace, name="add_workspace"),
    path(
        "o/<slug:slug>/structure/workspaces/<uuid:pk>/",
        structure.edit_workspace,
        name="edit_workspace",
    ),
    path(
        "o/<slug:slug>/structure/workspaces/<uuid:pk>/archive/",
        structure.archive_workspace,
        name="archive_workspace",
    ),
    path("o/<slug:slug>/audit/", audit.log, name="audit"),
    path("o/<slug:slug>/audit/export/", audit.export, name="audit_export"),
    path("o/<slug:slug>/settings/", settings.settings, name="settings"),
    path("o/<slug:slug>/settings/retention/", settings.retention, name="retention"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
]

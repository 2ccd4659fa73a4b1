"""Routes of notebooks: list, page, and the HTTP road of the updates."""

from django.urls import URLPattern, path

from apps.notebooks.views import editor, images, leaving, pages, sharing

app_name = "notebooks"
urlpatterns: list[URLPattern] = [
    path("o/<slug:slug>/notebooks/", pages.notebook_list, name="list"),
    path("o/<slug:slug>/notebooks/new/", pages.create, name="create"),
    path("o/<slug:slug>/trash/", pages.trash, name="trash"),
    path("n/<uuid:notebook>/", editor.notebook, name="notebook"),
    path("n/<uuid:notebook>/title/", editor.rename, name="rename"),
    path("n/<uuid:notebook>/duplicate/", pages.duplicate, name="duplicate"),
    path("n/<uuid:notebook>/move/", pages.move, name="move"),
    path("n/<uuid:notebook>/trash/", pages.trash_notebook, name="trash_notebook"),
    path("n/<uuid:notebook>/restore/", pages.restore, name="restore"),
    path("n/<uuid:notebook>/delete/", pages.delete, name="delete"),
    path("n/<uuid:notebook>/images/", images.upload, name="images"),
    path("n/<uuid:notebook>/images/<uuid:image>/", images.image, name="image"),
    path("n/<uuid:notebook>/share/", sharing.share, name="share"),
    path("n/<uuid:notebook>/share/search/", sharing.share_search, name="share_search"),
    path("n/<uuid:notebook>/share/add/", sharing.share_add, name="share_add"),
    path("n/<uuid:notebook>/share/link/", sharing.share_link, name="share_link"),
    path("n/<uuid:notebook>/share/audience/", sharing.share_audience, name="share_audience"),
    path("n/<uuid:notebook>/share/owner/", sharing.share_owner, name="share_owner"),
    path("n/<uuid:notebook>/share/<uuid:grant>/change/", sharing.share_change, name="share_change"),
    path(
        "n/<uuid:notebook>/share/<uuid:grant>/withdraw/",
        sharing.share_withdraw,
        name="share_withdraw",
    ),
    path("o/<slug:slug>/people/<uuid:pk>/remove/", leaving.remove_person, name="remove_person"),
    path("o/<slug:slug>/leave/", leaving.leave, name="leave"),
    path("s/<str:token>/", sharing.open_link, name="open_link"),
]

"""Routes of notebooks: list, page, and the HTTP road of the updates."""

from django.urls import URLPattern, URLResolver, include, path

from apps.notebooks.views import (
    ai,
    chain,
    editor,
    images,
    learning,
    leaving,
    pages,
    service_worker,
    sharing,
    updates,
)

app_name = "notebooks"

chain_routes: list[URLPattern] = [
    path("", chain.state, name="chain"),
    path("run/", chain.run, name="chain_run"),
    path("stop/", chain.stop, name="chain_stop"),
    path("pick/", chain.pick, name="chain_pick"),
    path("source/", chain.source, name="chain_source"),
    path("graph/", chain.graph, name="chain_graph"),
    path("outputs/<uuid:output>/adopt/", chain.adopt, name="chain_adopt"),
    path("outputs/<uuid:output>/dismiss/", chain.dismiss, name="chain_dismiss"),
    path("outputs/<uuid:output>/thumb/", learning.thumb, name="chain_thumb"),
    path("cells/<uuid:cell>/back/", chain.back, name="chain_back"),
    path("cells/<uuid:cell>/release/", chain.release, name="chain_release"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("o/<slug:slug>/notebooks/", pages.notebook_list, name="list"),
    path("o/<slug:slug>/notebooks/new/", pages.create, name="create"),
    path("o/<slug:slug>/trash/", pages.trash, name="trash"),
    path("n/<uuid:notebook>/", editor.notebook, name="notebook"),
    path("n/<uuid:notebook>/chain/", include(chain_routes)),
    path("n/<uuid:notebook>/title/", editor.rename, name="rename"),
    path("n/<uuid:notebook>/duplicate/", pages.duplicate, name="duplicate"),
    path("n/<uuid:notebook>/move/", pages.move, name="move"),
    path("n/<uuid:notebook>/trash/", pages.trash_notebook, name="trash_notebook"),
    path("n/<uuid:notebook>/restore/", pages.restore, name="restore"),
    path("n/<uuid:notebook>/delete/", pages.delete, name="delete"),
    path("n/<uuid:notebook>/updates/", updates.notebook_updates, name="updates"),
    path("n/<uuid:notebook>/downloaded/", learning.downloaded, name="downloaded"),
    path("n/<uuid:notebook>/learning/", learning.notebook, name="learning_notebook"),
    path("n/<uuid:notebook>/fork/", updates.fork, name="fork"),
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
    path("o/<slug:slug>/settings/models/", ai.organization, name="ai_organization"),
    path("o/<slug:slug>/structure/workspaces/<uuid:pk>/models/", ai.workspace, name="ai_workspace"),
    path("settings/learning/", learning.oneself, name="learning_self"),
    path("settings/models/", ai.oneself, name="ai_self"),
    path("sw.js", service_worker.service_worker, name="service_worker"),
    path("s/<str:token>/", sharing.open_link, name="open_link"),
]

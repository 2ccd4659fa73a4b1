"""Who is let in where: one row for every route and method. A route without a row fails the suite.

A row names the route, the method, and everybody who is let in; all others get the page that says
"nothing here" (404), and who is not signed in is led to sign-in. Being let in means an answer other
than that; whether what was asked makes sense is for the tests of the feature.
"""

from dataclasses import dataclass, field

EVERYBODY = "everybody"  # who is not signed in, too

MEMBERS = {
    "guest", "neighbour", "viewer", "commenter", "approver", "editor", "writer", "manager", "lead",
    "auditor", "steward", "admin", "owner",
}  # fmt: skip
SIGNED_IN = MEMBERS | {"stranger", "removed"}
READERS = {"viewer", "commenter", "approver", "editor", "writer", "manager", "lead"}
EDITORS = {"editor", "writer", "manager", "lead"}
KEEPERS = {"writer", "manager", "lead"}  # may manage the notebook
ADMINISTRATORS = {"admin", "owner"}
MANAGERS = ADMINISTRATORS | {"manager", "lead"}  # of people and parts
LEADS = ADMINISTRATORS | {"lead"}
AUDIT_READERS = LEADS | {"auditor"}
CONSOLE_READERS = ADMINISTRATORS | {"auditor"}
STEWARDS = {"steward"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One route by one method."""

    route: str
    method: str
    who: set[str] | str
    # The object behind a parameter, where it is not the one of the parameter's own name.
    names: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)  # {object} stands for its id
    # How who is not signed in is answered; scripts get a status, people the sign-in page.
    anonymous: int = 302
    # Empty, or why nobody gets past the 404 here: the object that it needs is the feature's to make.
    needs: str = ""


def get(route: str, who: set[str] | str, **rest: object) -> Row:
    """Return a row for looking."""
    return Row(route=route, method="GET", who=who, **rest)  # type: ignore[arg-type]


def post(route: str, who: set[str] | str, **rest: object) -> Row:
    """Return a row for doing."""
    return Row(route=route, method="POST", who=who, **rest)  # type: ignore[arg-type]


ROLE = {"pk": "role"}
PERSON = {"pk": "person"}
DIVISION = {"pk": "division"}
WORKSPACE = {"pk": "workspace"}

ROWS = [
    # The instance
    get("health_live", EVERYBODY),
    get("health_ready", EVERYBODY),
    get("console:metrics", set(), anonymous=404, needs="the token, which no person is"),
    get("notebooks:service_worker", EVERYBODY),
    # One's own account
    get("accounts:home", EVERYBODY),
    get("accounts:welcome", set(), anonymous=404),
    post("accounts:welcome", set(), anonymous=404),
    get("accounts:profile", SIGNED_IN),
    post("accounts:profile", SIGNED_IN, data={"name": "New"}),
    post("accounts:theme", SIGNED_IN, data={"theme": "dark"}),
    post("accounts:end_session", set(), names={"pk": "number"}, needs="a session of one's own"),
    # People
    get("organizations:people", MANAGERS),
    post("organizations:invite", MANAGERS),
    post("organizations:withdraw_invitation", MANAGERS, names={"pk": "invitation"}),
    post("organizations:add_role", MANAGERS, names=PERSON),
    post("organizations:change_role", MANAGERS, names=ROLE, data={"role": "viewer"}),
    post("organizations:end_role", MANAGERS, names=ROLE),
    get("notebooks:remove_person", MANAGERS, names=PERSON),
    post("notebooks:remove_person", MANAGERS, names=PERSON, data={"sure": "yes"}),
    get("notebooks:leave", MEMBERS),
    post("notebooks:leave", MEMBERS, data={"sure": "yes"}),
    get("organizations:invitation", EVERYBODY, names={"token": "invitation_token"}),
    post("organizations:invitation", SIGNED_IN, names={"token": "invitation_token"}),
    # The tree
    get("organizations:structure", MANAGERS),
    post("organizations:add_division", ADMINISTRATORS, data={"name": "A", "parent": ""}),
    post("organizations:add_division", LEADS, data={"name": "A", "parent": "{division}"}),
    post("organizations:edit_division", LEADS, names=DIVISION, data={"name": "A", "parent": ""}),
    post("organizations:delete_division", LEADS, names={"pk": "empty_division"}),
    post("organizations:add_workspace", LEADS, data={"name": "A", "division": "{division}"}),
    post(
        "organizations:edit_workspace",
        MANAGERS,
        names=WORKSPACE,
        data={"name": "A", "division": "{division}"},
    ),
    post("organizations:archive_workspace", MANAGERS, names=WORKSPACE),
    get("organizations:settings", ADMINISTRATORS),
    post("organizations:settings", ADMINISTRATORS, data={"name": "A"}),
    post("organizations:retention", ADMINISTRATORS, data={"trash_days": "30"}),
    get("operations:exports", {"owner"}),
    post("operations:exports", {"owner"}),
    get("operations:erasing", ADMINISTRATORS),
    get("operations:erase_person", ADMINISTRATORS),
    post("operations:erase_person", ADMINISTRATORS, data={"typed": "somebody else"}),
    get("operations:erase_output", ADMINISTRATORS),
    post("operations:erase_output", ADMINISTRATORS, data={"typed": "something else"}),
    get("operations:export_file", {"owner"}, names={"pk": "export"}),
    # The log
    get("organizations:audit", AUDIT_READERS),
    post("organizations:audit_export", AUDIT_READERS),
    # The console
    get("console:overview", CONSOLE_READERS),
    get("console:runs", CONSOLE_READERS),
    get("console:run", CONSOLE_READERS),
    get("console:usage", CONSOLE_READERS | {"lead"}),
    post("console:download", CONSOLE_READERS | {"lead"}),
    get("console:machines", CONSOLE_READERS),
    get("console:quotas", CONSOLE_READERS),
    post("console:set_quota", ADMINISTRATORS),
    post("console:remove_quota", ADMINISTRATORS),
    # Models
    get("inference:models", ADMINISTRATORS),
    post("inference:look", set(), needs="an operator of the instance, which no role makes"),
    get("inference:adding", ADMINISTRATORS, names={"pk": "model_import"}),
    post("inference:start", set(), names={"pk": "model_import"}, needs="an operator"),
    post("inference:cancel", set(), names={"pk": "model_import"}, needs="an operator"),
    get("inference:model", ADMINISTRATORS, names={"pk": "variant"}),
    post("inference:model", ADMINISTRATORS, names={"pk": "variant"}, data={"prompt": "Hello"}),
    post("inference:use_as_writer", ADMINISTRATORS, names={"pk": "variant"}),
    post("inference:remove", set(), names={"pk": "variant"}, needs="an operator"),
    get("inference:trial", ADMINISTRATORS, names={"pk": "trial"}),
    # What was learned
    get("learning:list", STEWARDS | {"lead"}),
    get("learning:output", STEWARDS | {"lead"}),
    post("learning:download", STEWARDS),
    get("learning:packages", STEWARDS),
    get("learning:package", STEWARDS),
    # Notebooks of the organization
    get("notebooks:list", MEMBERS),
    get("notebooks:trash", MEMBERS),
    post("notebooks:create", MEMBERS),
    # The switch of writing with models
    post("notebooks:ai_organization", ADMINISTRATORS, data={"on": "1"}),
    post("notebooks:ai_workspace", MANAGERS, names=WORKSPACE, data={"on": "1"}),
    post("notebooks:ai_self", SIGNED_IN, data={"on": "1"}),
    # The switches of what is learned from
    get("notebooks:learning_self", SIGNED_IN),
    post("notebooks:learning_self", SIGNED_IN, data={"learn": "1"}),
    post("notebooks:learning_notebook", KEEPERS),
    # One notebook
    get("notebooks:notebook", READERS),
    post("notebooks:rename", EDITORS, data={"title": "A"}),
    post("notebooks:duplicate", READERS),
    get("notebooks:move", KEEPERS),
    post("notebooks:move", KEEPERS),
    post("notebooks:trash_notebook", KEEPERS),
    post("notebooks:restore", KEEPERS),
    post("notebooks:delete", KEEPERS),
    post("operations:forget_past", KEEPERS),
    get("notebooks:updates", READERS, anonymous=401),
    post("notebooks:updates", READERS, anonymous=401),
    post("notebooks:fork", READERS, anonymous=401),
    post("notebooks:downloaded", READERS),
    post("notebooks:images", EDITORS),
    get("notebooks:image", READERS),
    # Its shares
    get("notebooks:share", KEEPERS),
    get("notebooks:share_search", KEEPERS),
    post("notebooks:share_add", KEEPERS),
    post("notebooks:share_link", KEEPERS),
    post("notebooks:share_audience", KEEPERS),
    post("notebooks:share_owner", KEEPERS),
    post("notebooks:share_change", KEEPERS, data={"level": "10"}),
    post("notebooks:share_withdraw", KEEPERS),
    get("notebooks:open_link", MEMBERS, names={"token": "link_token"}),
    # Its chain
    get("notebooks:chain", READERS),
    get("notebooks:chain_graph", READERS),
    get("notebooks:chain_source", READERS, data={"cell": "{nothing}"}),
    get("notebooks:chain_pick", EDITORS),
    post("notebooks:chain_run", EDITORS),
    post("notebooks:chain_stop", EDITORS),
    post("notebooks:chain_adopt", set(), names={"output": "nothing"}, needs="a waiting output"),
    post("notebooks:chain_dismiss", set(), names={"output": "nothing"}, needs="a waiting output"),
    post("notebooks:chain_thumb", set(), names={"output": "nothing"}, needs="an output"),
    post("notebooks:chain_back", EDITORS, names={"cell": "nothing"}),
    post("notebooks:chain_release", set(), names={"cell": "nothing"}, needs="a cell with a text"),
]

# Routes of other packages, by the beginning of their path: who gets past sign-in there is their matter
# (allauth's own pages are about oneself), or the operator's (the admin; see test_admin.py).
FOREIGN = ("admin/", "accounts/")

# Who may open a socket, by the route's name in inferencecloud.routing; all others are closed with 4404,
# and who is not signed in with 4401.
SOCKETS = {"notebook": READERS}

# Which topics there are, and who hears them: only sockets that the gate above has let in, each on the
# topic of its own notebook and of its own person.
TOPICS = {"notebook", "user"}

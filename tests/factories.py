"""People, companies and notebooks for tests: plain functions that call the real services."""

from dataclasses import dataclass
from itertools import count

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.notebooks import document, markdown
from apps.notebooks.models import Notebook
from apps.notebooks.services.notebooks import create_notebook
from apps.organizations.models import Division, Membership, Organization, Role, Workspace
from apps.organizations.policy import roles_possible_in
from apps.organizations.services import founding, structure

PASSWORD = "a-long-enough-password"
_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Company:
    """An organization of two divisions: Brand with two workspaces, Retail with one."""

    owner: User
    organization: Organization
    brand: Division
    retail: Division
    launches: Workspace
    newsroom: Workspace
    shops: Workspace


def person(name: str = "", *, email: str = "") -> User:
    """Return somebody who can sign in with PASSWORD and belongs nowhere yet."""
    number = next(_numbers)
    return accounts.create_verified_user(
        email=email or f"person{number}@example.com",
        password=PASSWORD,
        name=name or f"Person {number}",
    )


def company(name: str = "Alder") -> Company:
    """Return a company with its owner; nobody else works there yet."""
    owner = person(f"Owner of {name}")
    organization = founding.create_organization(name=name, owner=owner)
    brand = structure.add_division(organization=organization, parent=None, name="Brand", by=owner)
    retail = structure.add_division(organization=organization, parent=None, name="Retail", by=owner)
    return Company(
        owner=owner,
        organization=organization,
        brand=brand,
        retail=retail,
        launches=structure.add_workspace(division=brand, name="Launches", by=owner),
        newsroom=structure.add_workspace(division=brand, name="Newsroom", by=owner),
        shops=structure.add_workspace(division=retail, name="Shops", by=owner),
    )


def member(
    scope: Organization | Division | Workspace, role: str = Role.EDITOR, *, user: User | None = None
) -> User:
    """Return a person (a new one unless given) who holds the role there."""
    user = user or person(f"{Role(role).label} {next(_numbers)}")
    organization = scope if isinstance(scope, Organization) else scope.organization
    Membership.objects.create(
        organization=organization,
        division=scope if isinstance(scope, Division) else None,
        workspace=scope if isinstance(scope, Workspace) else None,
        user=user,
        role=role,
    )
    return user


def one_of_each_role(scope: Organization | Division | Workspace) -> dict[str, User]:
    """Return a new person for every role that can be held in the scope."""
    return {role: member(scope, role) for role in roles_possible_in(scope)}


def notebook(
    workspace: Workspace,
    *,
    by: User | None = None,
    title: str = "Launch plan",
    text: str = "",
    audience: str = Notebook.Audience.WORKSPACE,
) -> Notebook:
    """Return a notebook (of a new editor unless `by` is given), filled from Markdown."""
    return create_notebook(
        workspace=workspace,
        by=by or member(workspace),
        title=title,
        content=document.encode(markdown.parse(text)) if text else None,
        audience=audience,
    )

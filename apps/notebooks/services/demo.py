"""Fill an empty instance with a company, its people and a product launch, to look around in."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.notebooks import document, markdown
from apps.notebooks.models import Notebook
from apps.notebooks.services import demo_chain
from apps.notebooks.services.notebooks import create_notebook
from apps.notebooks.services.sharing import share_with_division, share_with_person
from apps.organizations.models import Division, Organization, Role, Workspace
from apps.organizations.policy import Level
from apps.organizations.services import founding, structure
from apps.organizations.services.memberships import RoleGiven, create_membership

COMPANY = "Alder & Finch"
ACCOUNTS_FILE = "demo-accounts.txt"
TEXTS = Path(__file__).resolve().parent.parent / "demo"


@dataclass(frozen=True, kw_only=True)
class DemoAccount:
    """One person of the demo and how to sign in as that person."""

    role: str
    name: str
    email: str
    password: str


@dataclass(frozen=True, kw_only=True)
class Company:
    """The demo's tree."""

    organization: Organization
    brand: Division
    retail: Division
    launches: Workspace
    newsroom: Workspace
    shops: Workspace


@transaction.atomic
def seed_demo(data_dir: Path) -> list[DemoAccount]:
    """Create the demo and keep its accounts in data_dir (mode 600); nothing where people exist."""
    if User.objects.exists():
        return []
    accounts_made, users = _people()
    company = _company(owner=users["admin"])
    _roles(company, users)
    _notebooks(company, users)
    _keep(data_dir / ACCOUNTS_FILE, accounts_made)
    return accounts_made


def _people() -> tuple[list[DemoAccount], dict[str, User]]:
    cast = [
        ("editor", "Mara Lindqvist", "mara", "Editor in Brand"),
        ("editor_elsewhere", "Tomás Rivera", "tomas", "Editor in Retail Europe"),
        ("approver", "Ines Keller", "ines", "Approver in Brand"),
        ("admin", "Jonas Okafor", "jonas", "Admin (owner of the organization)"),
        ("steward", "Noor Haddad", "noor", "Model steward (what was learned)"),
    ]
    made, users = [], {}
    for color, (key, name, mailbox, role) in enumerate(cast):
        email, password = f"{mailbox}@alderfinch.example", secrets.token_urlsafe(12)
        user = accounts.create_verified_user(email=email, password=password, name=name)
        user.caret_color = color * 2 % 7  # of eight colours those that are easy to tell apart
        user.save(update_fields=["caret_color"])
        users[key] = user
        made.append(DemoAccount(role=role, name=name, email=email, password=password))
    return made, users


def _company(*, owner: User) -> Company:
    company = founding.create_organization(name=COMPANY, owner=owner)
    brand = structure.add_division(organization=company, parent=None, name="Brand", by=owner)
    retail = structure.add_division(
        organization=company, parent=None, name="Retail Europe", by=owner
    )
    return Company(
        organization=company,
        brand=brand,
        retail=retail,
        launches=structure.add_workspace(division=brand, name="Launches", by=owner),
        newsroom=structure.add_workspace(division=brand, name="Newsroom", by=owner),
        shops=structure.add_workspace(division=retail, name="Shop marketing", by=owner),
    )


def _roles(company: Company, users: dict[str, User]) -> None:
    roles: list[tuple[str, Role, Organization | Division]] = [
        ("editor", Role.EDITOR, company.brand),
        ("editor_elsewhere", Role.EDITOR, company.retail),
        ("approver", Role.APPROVER, company.brand),
        ("steward", Role.STEWARD, company.organization),
    ]
    for key, role, scope in roles:
        given = RoleGiven(scope=scope, role=role)
        create_membership(user=users[key], given=given, by=users["admin"])


def _notebooks(company: Company, users: dict[str, User]) -> None:
    """Write the four notebooks and share them as a launch needs it.

    The brief is Brand's and Retail Europe reads it; the plan is written by both; the texts belong
    to Retail Europe's workspace, where Brand writes along and the approver suggests.
    """
    mara, tomas, ines = users["editor"], users["editor_elsewhere"], users["approver"]
    brief = _notebook("brief", "Finch One: launch brief", workspace=company.launches, by=mara)
    plan = _notebook("plan", "Finch One: launch plan", workspace=company.launches, by=mara)
    texts = _notebook(
        "copy", "Finch One: LinkedIn and newsletter", workspace=company.shops, by=tomas
    )
    chain = create_notebook(
        workspace=company.launches,
        by=mara,
        title="Finch Backpack: from brief to texts",
        content=document.encode(demo_chain.chain()),
    )
    share_with_person(notebook=chain, by=mara, person=tomas, level=Level.RUN)
    share_with_division(notebook=brief, by=mara, division=company.retail, level=Level.COMMENT)
    share_with_division(notebook=plan, by=mara, division=company.retail, level=Level.EDIT)
    share_with_person(notebook=texts, by=tomas, person=mara, level=Level.RUN)
    share_with_person(notebook=texts, by=tomas, person=ines, level=Level.SUGGEST)


def _notebook(file: str, title: str, *, workspace: Workspace, by: User) -> Notebook:
    text = markdown.parse((TEXTS / f"{file}.md").read_text(encoding="utf-8"))
    return create_notebook(workspace=workspace, by=by, title=title, content=document.encode(text))


def _keep(path: Path, made: list[DemoAccount]) -> None:
    """Write the accounts where only the person who runs the instance can read them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of an earlier database: an open mode would survive rewriting
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(
            f"{account.role}: {account.name}, {account.email}, {account.password}\n"
            for account in made
        )

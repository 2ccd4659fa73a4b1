"""A company with one person for every way of standing to it, and one of everything a route can name."""

import io
import uuid
from dataclasses import dataclass
from datetime import timedelta

import PIL.Image
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.catalog.models import ModelImport, Trial
from apps.inference.models import Output, Quota
from apps.learning.models import Package
from apps.notebooks.models import Image, Notebook, ShareGrant
from apps.notebooks.services import leaving
from apps.notebooks.services.sharing import create_link, link_token
from apps.operations.models import Export
from apps.organizations.models import Division, Membership, Role
from apps.organizations.policy import Level
from apps.organizations.services import invitations
from apps.organizations.services.memberships import RoleGiven
from tests import factories
from tests.console.history import ran
from tests.inference.builders import deployment
from tests.learning import stories

ANONYMOUS = "anonymous"


@dataclass(frozen=True, kw_only=True)
class World:
    """The objects of one company, and who looks at them."""

    company: factories.Company
    people: dict[str, User | None]
    names: dict[str, str]  # what a route's parameters stand for: object name -> value in the URL


def make_world() -> World:
    """Build it by the real services."""
    company = factories.company()
    writer = factories.member(company.launches)  # owns the notebook
    notebook = factories.notebook(company.launches, by=writer, text="# Plan")
    colleague = factories.member(company.launches)
    people = _people(company, writer)
    return World(
        company=company, people=people, names=_names(company, notebook, colleague=colleague)
    )


def _people(company: factories.Company, writer: User) -> dict[str, User | None]:
    removed = factories.member(company.launches)
    departure = leaving.Departure(organization=company.organization, person=removed, heir=None)
    leaving.leave(departure=departure, by=company.owner)
    return {
        ANONYMOUS: None,
        "stranger": factories.company("Elsewhere").owner,
        "removed": removed,
        "guest": factories.member(company.organization, Role.GUEST),
        "neighbour": factories.member(company.retail, Role.EDITOR),
        "viewer": factories.member(company.launches, Role.VIEWER),
        "commenter": factories.member(company.launches, Role.COMMENTER),
        "approver": factories.member(company.launches, Role.APPROVER),
        "editor": factories.member(company.launches, Role.EDITOR),
        "writer": writer,
        "manager": factories.member(company.launches, Role.WORKSPACE_MANAGER),
        "lead": factories.member(company.brand, Role.DIVISION_LEAD),
        "auditor": factories.member(company.organization, Role.AUDITOR),
        "steward": factories.member(company.organization, Role.STEWARD),
        "admin": factories.member(company.organization, Role.ADMIN),
        "owner": company.owner,
    }


def _names(company: factories.Company, notebook: Notebook, *, colleague: User) -> dict[str, str]:
    empty = Division.objects.create(
        organization=company.organization, parent=company.brand, name="Empty", slug="empty"
    )
    second = factories.member(company.newsroom, Role.VIEWER, user=colleague)
    given = RoleGiven(scope=company.launches, role=Role.VIEWER)
    invited = invitations.invite(given=given, email="", by=company.owner)
    link = create_link(notebook=notebook, by=notebook.owner, level=Level.VIEW, days=7)
    grant = ShareGrant.objects.create(notebook=notebook, division=company.retail, level=0)
    return {
        "organization": company.organization.slug,
        "notebook": str(notebook.pk),
        "person": str(second.pk),
        "role": str(Membership.objects.get(user=second, workspace=company.launches).pk),
        "invitation": str(invited.invitation.pk),
        "invitation_token": invited.url.rstrip("/").rpartition("/")[2],
        "division": str(company.brand.pk),
        "empty_division": str(empty.pk),
        "workspace": str(company.launches.pk),
        "image": str(_image(notebook).pk),
        "grant": str(grant.pk),
        "link_token": link_token(link),
        "output": str(_output(company).pk),
        "export": str(_export(company).pk),
        "package": str(_package(company).pk),
        "run": str(ran(notebook).pk),
        "quota": str(_quota(company).pk),
        **_models(company),
        "nothing": str(uuid.uuid4()),
        "number": "1",
    }


def _output(company: factories.Company) -> Output:
    made = stories.wrote(company.launches)
    stories.settled(made, company.launches)
    return made


def _quota(company: factories.Company) -> Quota:
    return Quota.objects.create(organization=company.organization, tokens_per_day=10**9)


def _models(company: factories.Company) -> dict[str, str]:
    variant = deployment().variant
    house = {"organization": company.organization}
    found = ModelImport.objects.create(
        **house, source="folder", origin="/m", name="m", size_bytes=1,
        context_tokens=512, context_possible=512,
    )  # fmt: skip
    trial = Trial.objects.create(**house, variant=variant, prompt="Hello", status="done")
    return {"variant": str(variant.pk), "model_import": str(found.pk), "trial": str(trial.pk)}


def _image(notebook: Notebook) -> Image:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (2, 2)).save(buffer, "PNG")
    image = Image(notebook=notebook, sha256="0" * 64, mime="image/png", width=2, height=2)
    image.size_bytes = len(buffer.getvalue())
    image.file.save("dot.png", ContentFile(buffer.getvalue()))
    image.save()
    return image


def _export(company: factories.Company) -> Export:
    export = Export(organization=company.organization, status=Export.Status.READY)
    export.expires_at = timezone.now() + timedelta(days=1)
    export.file.save("all.zip", ContentFile(b"all"))
    return export


def _package(company: factories.Company) -> Package:
    packed = Package(organization=company.organization, status=Package.Status.READY)
    packed.expires_at = timezone.now() + timedelta(days=1)
    packed.file.save("packed.zip", ContentFile(b"all"))
    return packed


def client_of(user: User | None) -> Client:
    """Return a browser, signed in unless it is nobody's."""
    client = Client()
    if user is not None:
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client

"""The switch: models write only where organization, workspace and person all want it."""

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.notebooks.models import Notebook


class AiIsOff(DomainError):
    """Somebody switched the models off for this place or this person."""


def is_on(user: User, notebook: Notebook) -> bool:
    """Say whether the person may be shown and use what models do in the notebook."""
    return user.ai_enabled and is_on_in(notebook)


def is_on_in(notebook: Notebook) -> bool:
    """Say whether models may write in the notebook at all."""
    return notebook.organization.ai_enabled and notebook.workspace.ai_enabled


def require(user: User, notebook: Notebook) -> None:
    """Raise AiIsOff, saying whose switch it is."""
    if not notebook.organization.ai_enabled:
        name = notebook.organization.name
        raise AiIsOff(_("Writing with models is switched off at %(name)s") % {"name": name})
    if not notebook.workspace.ai_enabled:
        name = notebook.workspace.name
        raise AiIsOff(_("Writing with models is switched off in %(name)s") % {"name": name})
    if not user.ai_enabled:
        raise AiIsOff(_("You switched writing with models off in your settings"))

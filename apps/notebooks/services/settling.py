"""Say that a text is final for now; what comes of it is apps/notebooks/settling.py's."""

from functools import partial

from django.db import transaction
from kombu.exceptions import OperationalError

from apps.accounts.models import User
from apps.learning.models import EditRecord
from apps.notebooks import projection, tasks
from apps.notebooks.models import Cell
from apps.notebooks.selectors import Access
from apps.organizations import audit


@transaction.atomic
def note_download(*, access: Access, by: User) -> None:
    """Note that the person took the notebook's text along: all of its cells settle soon."""
    projection.project(access.notebook.pk)
    cells = Cell.objects.filter(notebook=access.notebook, kind="prompt")
    cells.update(settle_due=EditRecord.Settle.DOWNLOADED)
    audit.record(
        verb="notebook.downloaded",
        actor=by,
        organization=access.notebook.organization,
        target=access.notebook,
    )
    transaction.on_commit(partial(_call, str(access.notebook.pk)), robust=True)


def _call(notebook_id: str) -> None:
    """Send a worker; the pass over all that is due finds what no worker was told about."""
    try:
        tasks.settle.delay(notebook_id=notebook_id)
    except (OperationalError, OSError):
        return

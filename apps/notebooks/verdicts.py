"""What a person thinks of the outputs that stand in a notebook's cells; nobody sees another's verdict."""

from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.inference.models import Output
from apps.learning import selectors as learning
from apps.notebooks.models import CellOutput, Notebook


def add_to(cells: list[dict[str, Any]], *, user: User, notebook: Notebook) -> None:
    """Add to each cell of the page's state (JSON) the output adopted last, and the person's verdict."""
    adopted = CellOutput.objects.filter(notebook=notebook, status=CellOutput.Status.ADOPTED)
    outputs = dict(adopted.order_by("decided_at").values_list("cell_id", "output_id"))
    thumbs = learning.thumbs_of(user, list(outputs.values()))
    for cell in cells:
        output = outputs.get(UUID(cell["id"]))
        if output is None:
            continue
        thumb = thumbs.get(output)
        cell["verdict"] = {
            "output": str(output),
            "kind": thumb.kind if thumb else "",
            "reasons": thumb.reasons if thumb else [],
        }


def output_of(row: CellOutput) -> Output:
    """Return the output itself."""
    return Output.objects.select_related("organization").get(pk=row.output_id)

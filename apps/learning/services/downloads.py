"""Let somebody take along what may be learned from; that they did is kept."""

from dataclasses import replace

from apps.accounts.models import User
from apps.learning import export
from apps.learning.listing import Wanted, outputs_of
from apps.learning.sight import Sight
from apps.organizations import audit


def download(*, sight: Sight, by: User, wanted: Wanted) -> export.Package:
    """Return the zip of what fits and may be learned from; whoever gets it closes its file."""
    asked = replace(wanted, learnable="")  # nothing else is ever packed
    packed = export.pack(sight.organization, outputs_of(sight, asked), asked=asked.as_json())
    audit.record(
        verb="learning.downloaded",
        actor=by,
        organization=sight.organization,
        target=sight.organization,
        data={"sha256": packed.sha256, **asked.as_json(), **packed.rows},
    )
    return packed

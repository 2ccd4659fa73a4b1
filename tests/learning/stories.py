"""What a model was asked, wrote, and what became of it: rows for the pages and files of what was learned."""

from uuid import UUID, uuid4

from apps.accounts.models import User
from apps.inference.models import Output
from apps.inference.specs import Source, Text, segment_to_json
from apps.learning.distance import normalised
from apps.learning.models import EditRecord, Feedback
from apps.organizations.models import Workspace
from tests.learning.builders import key_of, output, record

DRAFT = "Coffee that takes its time. Press it by hand and utilize every single bean."
EDITED = "Coffee that takes its time. Press it by hand and use all of every bean, slowly."
ASKED = "Write the tagline for "


def wrote(
    place: Workspace,
    text: str = DRAFT,
    *,
    key: str = "",
    brief: str = "A hand-pressed espresso maker",
    source: Output | None = None,
    finish: str = "stop",
) -> Output:
    """Return an output of a prompt that reads one source."""
    key = key or key_of(uuid4())
    ref = source.step_run.key if source else key_of(UUID(key.partition(":")[0]))
    made = output(place.organization, text, key=key, reads={ref: source})
    read = Source(ref=ref, text=brief, output=str(source.pk) if source else None)
    made.prompt = [
        {"role": "system", "segments": [segment_to_json(Text(text="You are the writer."))]},
        {"role": "user", "segments": [segment_to_json(one) for one in (Text(text=ASKED), read)]},
    ]
    made.finish_reason, made.input_hash = finish, f"hash of {brief}"
    made.step_run.label = "tagline"
    made.step_run.save(update_fields=["label"])
    made.save()
    return made


def settled(
    made: Output, place: Workspace, final: str = EDITED, *editors: User, settle: str = "released"
) -> EditRecord:
    """Return the record of the text that stood in the end."""
    share = 1 - normalised(made.text, final)
    kept = round(share * len(made.text))
    return record(made, place, *editors, settle=settle, final_text=final, kept_chars=kept)


def said(made: Output, by: User, kind: str, **more: object) -> Feedback:
    """Return what a person says of it."""
    return Feedback.objects.create(
        organization=made.organization, output=made, user=by, kind=kind, **more
    )

"""Outputs and records for tests of what is learned; every output comes from a real step."""

from itertools import count
from uuid import UUID, uuid4

from apps.accounts.models import User
from apps.inference.models import Output, StepRun
from apps.learning.models import EditRecord
from apps.learning.services import records
from apps.learning.services.records import Settled
from apps.organizations.models import Organization, Workspace
from tests.inference import builders

_numbers = count(1)


def key_of(notebook: UUID, cell: UUID | None = None) -> str:
    return f"{notebook}:{cell or uuid4()}"


def output(
    organization: Organization,
    text: str = "A bar that keeps its promise.",
    *,
    key: str = "",
    reads: dict[str, Output | None] | None = None,
    run_key: str = "",
) -> Output:
    """Return an output of a step with this key, made from what `reads` names."""
    known = StepRun.objects.filter(deployment__isnull=False).first()
    deployment = known.deployment if known else builders.deployment()
    key = key or key_of(uuid4())
    run = builders.start(organization, [builders.spec(key)], key=run_key)
    step = run.steps.get()
    return Output.objects.create(
        organization=organization,
        step_run=step,
        variant=0,
        text=text,
        sha256="",
        finish_reason="stop",
        model_version=deployment.variant.version,
        model_variant=deployment.variant,
        prompt=[],
        inputs=[
            {"ref": ref, "output": str(read.pk) if read else None}
            for ref, read in (reads or {}).items()
        ],
        input_hash="",
        params={},
        seed=1,
        prompt_tokens=1,
        new_tokens=1,
        waited_s=0.0,
        total_s=0.0,
    )


def settled(made: Output, workspace: Workspace, **changes: object) -> Settled:
    facts: dict[str, object] = {
        "workspace": workspace,
        "notebook_id": UUID(made.step_run.key.partition(":")[0]),
        "notebook_title": "Launch",
        "cell_id": UUID(made.step_run.key.partition(":")[2]),
        "cell_name": "tagline",
        "output_id": made.pk,
        "settle": "idle",
        "final_text": made.text,
        "kept_chars": len(made.text),
        "output_chars": len(made.text),
        "document_seq": next(_numbers),
    }
    return Settled(**{**facts, **changes})


def record(made: Output, workspace: Workspace, *editors: User, **changes: object) -> EditRecord:
    people = frozenset(one.pk for one in editors)
    return records.settle(settled=settled(made, workspace, editors=people, **changes))

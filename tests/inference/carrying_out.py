"""Carry out what is due of a run, and read what was written."""

from __future__ import annotations

from apps.inference import execution
from apps.inference.models import Output, Run


def work(run: Run, pool: str = "inference") -> Run:
    """Do what a worker does when it is called once."""
    execution.run_stage(run_id=str(run.pk), pool=pool)
    run.refresh_from_db()
    return run


def texts(run: Run) -> dict[tuple[str, int], str]:
    outputs = Output.objects.filter(step_run__run=run)
    return {(one.step_run.key, one.variant): one.text for one in outputs}

"""Indexes for those who look: the console's lists, and the figures of /metrics.

PostgreSQL makes them while others write; an index that was left invalid by a migration that was cut off is
to be dropped by hand before the next try (docs/operate.md).
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def _can_work_go_on(connection):
    """Say whether an index can be made while others write; a restore does all in one transaction."""
    return connection.vendor == "postgresql" and not connection.in_atomic_block


class AddIndexBesideWork(AddIndexConcurrently):
    """AddIndexConcurrently on PostgreSQL outside of transactions, AddIndex elsewhere."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if _can_work_go_on(schema_editor.connection):
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddIndex.database_forwards(
                self, app_label, schema_editor, from_state, to_state
            )

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        if _can_work_go_on(schema_editor.connection):
            super().database_backwards(app_label, schema_editor, from_state, to_state)
        else:
            migrations.AddIndex.database_backwards(
                self, app_label, schema_editor, from_state, to_state
            )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("inference", "0004_quotas")]

    operations = [
        AddIndexBesideWork(
            "run",
            models.Index(fields=["organization", "-created_at", "-id"], name="run_by_time"),
        ),
        AddIndexBesideWork(
            "run",
            models.Index(
                fields=["organization", "status", "-created_at", "-id"], name="run_by_state"
            ),
        ),
        AddIndexBesideWork(
            "run", models.Index(fields=["-created_at", "status"], name="run_lately")
        ),
        AddIndexBesideWork(
            "output", models.Index(fields=["-created_at"], name="output_lately")
        ),
        AddIndexBesideWork("usage", models.Index(fields=["at"], name="usage_lately")),
        AddIndexBesideWork(
            "delivery",
            models.Index(
                fields=["given_up_at"],
                condition=models.Q(given_up_at__isnull=False),
                name="delivery_given_up",
            ),
        ),
        AddIndexBesideWork(
            "steprun",
            models.Index(
                fields=["pool", "queued_at"],
                condition=models.Q(status="queued"),
                name="step_waiting",
            ),
        ),
    ]

"""Steps know whose viewers see their words: those of the run's subject, for what was written before."""

from typing import Any

from django.db import migrations, models
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Concat


def fill(apps: Any, _schema_editor: Any) -> None:
    runs = apps.get_model("inference", "Run").objects.filter(pk=OuterRef("run"))
    topic = Concat("subject_kind", Value("."), "subject_id", output_field=models.CharField())
    steps = apps.get_model("inference", "StepRun").objects
    steps.update(topic=Subquery(runs.annotate(topic=topic).values("topic")[:1]))


class Migration(migrations.Migration):
    dependencies = [("inference", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="steprun",
            name="topic",
            field=models.CharField(default="", max_length=101),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="steprun",
            index=models.Index(fields=["topic", "-queued_at"], name="step_by_topic"),
        ),
    ]

"""`manage.py serve`: the whole product in one process, with nothing else running beside it."""

import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from inferencecloud.celery import app as celery
from inferencecloud.embedded import first_start, place, web, work

APPLICATION = "inferencecloud.asgi:application"
TASK_THREADS = 12
TASK_GRACE_S = 3.0


class Command(BaseCommand):
    """Serve pages, sockets and background work from one process until Ctrl-C."""

    help = "Serve InferenceCloud from one process (SQLite, worker threads, timer) until Ctrl-C."
    requires_system_checks: list[
        str
    ] = []  # they cost a second at each start; `make check` runs them

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Get ready, serve, end; CommandError says what stands in the way."""
        web.end_quietly_on_signals()
        os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # for the reason given above
        try:
            listening = place.listening_socket(settings.HOST, settings.PORT)
            lock = place.own_data_dir(settings.DATA_DIR)
            place.built_front_end(Path(settings.STATICFILES_DIRS[0]))
        except place.CannotServe as refusal:
            raise CommandError(str(refusal)) from refusal
        with lock:
            self._get_ready()
            with work.background_work(celery, threads=TASK_THREADS, grace_s=TASK_GRACE_S):
                # Held open for good: when the last connection to SQLite closes, it folds the log back
                # into the database, and every request that came alone would pay for that.
                connection.ensure_connection()
                served = web.serve(APPLICATION, listening, when_up=self._say_where)
        _leave(0 if served else 1)

    def _get_ready(self) -> None:
        """Bring database and files up to date; on the first start fill in the demo."""
        first_start.collect_static()
        if first_start.is_outdated():
            self.stdout.write("Preparing the database …")
            first_start.migrate()
        if settings.DEMO and not first_start.has_people():
            self.stdout.write("Filling in the demo …")
            call_command("seed_demo", stdout=self.stdout)

    def _say_where(self) -> None:
        self.stdout.write(f"InferenceCloud is at {settings.SITE_URL}  (Ctrl-C ends it)")
        self.stdout.flush()


def _leave(status: int) -> NoReturn:
    """End now: the interpreter would wait for every thread, and a task may run for minutes."""
    connection.close()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

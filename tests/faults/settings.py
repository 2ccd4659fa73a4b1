"""Settings of the fault tests' own servers: a scripted engine, a short lease, and places to die at."""

import os

if "DATABASE_URL" in os.environ:
    from inferencecloud.settings.prod import *  # noqa: F403
else:
    from inferencecloud.settings.dev import *  # noqa: F403
from inferencecloud.settings.base import CELERY_BEAT_SCHEDULE, DATA_DIR, INSTALLED_APPS
from tests.faults.arming import Armed

INSTALLED_APPS += ["tests.faults.witness"]
INFERENCE_ENGINE = "apps.inference.host.scripted_engine"
INFERENCE_SCRIPT = {"words": 16, "delay_s": 0.004}
INFERENCE_TEMPO = {
    "lease_s": 1.5,
    "heartbeat_s": 0.3,
    "checkpoint_s": 0.02,
    "flush_s": 0.02,
    "wake_again_s": 0.2,
    "attempts": 100,  # a busy machine may be silent for longer than this lease, which looks like a death
}
INFERENCE_RUNS_PER_ORGANIZATION = 1000
INFERENCE_FAULTPOINT = Armed(DATA_DIR / "armed")
CELERY_BEAT_SCHEDULE["inference.reconcile"]["schedule"] = 0.2

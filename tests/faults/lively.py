"""Settings of the storm over everything: production with texts that cost nothing and a short lease."""

from inferencecloud.settings.base import CELERY_BEAT_SCHEDULE
from inferencecloud.settings.prod import *  # noqa: F403

INFERENCE_ENGINE = "apps.inference.host.scripted_engine"
INFERENCE_SCRIPT = {"words": 24, "delay_s": 0.01, "workers": 4}
INFERENCE_TEMPO = {"lease_s": 3.0, "heartbeat_s": 0.5, "wake_again_s": 1.0, "attempts": 100}
CELERY_BEAT_SCHEDULE["inference.reconcile"]["schedule"] = 1.0
CELERY_BEAT_SCHEDULE["notebooks.settle_due"]["schedule"] = 2.0

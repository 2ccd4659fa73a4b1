"""Settings of a server whose models cost nothing but are slow enough to be watched."""

from inferencecloud.settings.dev import *  # noqa: F403

INFERENCE_ENGINE = "apps.inference.host.scripted_engine"
INFERENCE_SCRIPT = {"words": 24, "delay_s": 0.15, "fail_when": "thunder", "workers": 4}

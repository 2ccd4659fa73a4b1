"""Settings of a server whose models cost nothing and are quick: what they write is not the point."""

from inferencecloud.settings.dev import *  # noqa: F403

INFERENCE_ENGINE = "apps.inference.host.scripted_engine"
INFERENCE_SCRIPT = {"words": 24, "delay_s": 0.01, "workers": 4}

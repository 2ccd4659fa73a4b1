"""Settings of a server whose models note what they are asked, and write at once."""

from tests.e2e.chain_settings import *  # noqa: F403

INFERENCE_ENGINE = "tests.inference.engines.noting"
INFERENCE_SCRIPT = {"words": 12, "delay_s": 0.05}

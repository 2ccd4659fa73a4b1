"""One process on one machine: what `make run` starts. Nothing else needs to be installed."""

from inferencecloud.settings.base import *  # noqa: F403
from inferencecloud.settings.base import DATA_DIR, env
from inferencecloud.settings.secret import secret_key

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or secret_key(DATA_DIR)
# A passkey needs https, or a page from this very machine.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True

"""Settings of the test suite: quick hashing, mail in memory, files under a temporary folder."""

import tempfile
from pathlib import Path

from inferencecloud.settings.base import *  # noqa: F403
from inferencecloud.settings.base import DATABASES, STORAGES

SECRET_KEY = "test-only-key-that-protects-nothing-at-all-0123456789"  # noqa: S105
DATA_DIR = Path(tempfile.mkdtemp(prefix="inferencecloud-test-"))
MEDIA_ROOT = DATA_DIR / "media"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["NAME"] = str(DATA_DIR / "test.sqlite3")
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test_run.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ALLOWED_HOSTS = ["*"]
AXES_ENABLED = False
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
INFERENCE_ENGINE = "apps.inference.host.scripted_engine"
WHITENOISE_AUTOREFRESH = True  # or every test client walks through all static files first

"""Production: PostgreSQL, Redis, several processes behind a TLS proxy, all by environment."""

from inferencecloud.settings.base import *  # noqa: F403
from inferencecloud.settings.base import STORAGES, env
from inferencecloud.settings.logs import logging_config

SECRET_KEY = env.str("SECRET_KEY")
# Refuse to start without these two: processes that do not share them would each tell another story.
DATABASE_URL = env.str("DATABASE_URL")
REDIS_URL = env.str("REDIS_URL")

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

DRAIN_SECONDS = env.float("DRAIN_SECONDS", default=2.0)
LOGGING = logging_config(level=env.str("LOG_LEVEL", default="INFO").upper(), as_json=True)

if env.str("S3_BUCKET", default=""):
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": env.str("S3_BUCKET"),
            "endpoint_url": env.str("S3_ENDPOINT_URL", default="") or None,
            "access_key": env.str("S3_ACCESS_KEY", default="") or None,
            "secret_key": env.str("S3_SECRET_KEY", default="") or None,
            "default_acl": None,
            "querystring_auth": True,
        },
    }

"""Settings that hold everywhere. What differs by place stands in dev.py, test.py and prod.py.

Every key read from the environment is described in docs/configuration.md (a test compares both).
"""

import logging
from pathlib import Path
from typing import Any

import environ
from django.utils.translation import gettext_lazy as _

from inferencecloud.settings.inference import *  # noqa: F403
from inferencecloud.settings.inference import CELERY_BEAT_SCHEDULE
from inferencecloud.settings.logs import logging_config
from inferencecloud.settings.operations import *  # noqa: F403
from inferencecloud.settings.operations import OPERATIONS_SCHEDULE
from inferencecloud.settings.security import *  # noqa: F403

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "data"))).resolve()
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
DEMO = env.bool("DEMO", default=True)  # whether a first start without anybody fills in the demo
SITE_URL = env.str("SITE_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")

DEBUG = False
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "apps.core",
    "apps.accounts",
    "apps.organizations",
    "apps.realtime",
    "apps.catalog",
    "apps.inference",
    "apps.learning",
    "apps.notebooks",
    "apps.operations",
    "apps.console",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "channels",
    "csp",
    "django_htmx",
    "django_structlog",
    "rules",
    "template_partials",
]

MIDDLEWARE = [
    "apps.core.metering.MeterMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.core.middleware.RequestLogMiddleware",
    "apps.core.middleware.PrivateByDefaultMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.accounts.middleware.PreferencesMiddleware",
    "apps.organizations.middleware.AuditOriginMiddleware",
    "apps.core.middleware.DomainErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "inferencecloud.urls"
ASGI_APPLICATION = "inferencecloud.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.organizations.context.shell",
            ],
        },
    },
]

# Postgres by DATABASE_URL; SQLite under DATA_DIR otherwise. synchronous=FULL because "Saved"
# promises an append that survives a power cut; IMMEDIATE because a read that becomes a write must
# not deadlock.
DATABASES = {
    "default": env.db_url(
        "DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'inferencecloud.sqlite3'}"
    ),
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000;"
            "PRAGMA secure_delete=ON;"  # what is erased is overwritten, not only forgotten
        ),
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # of the pool: the server may have restarted
    DATABASES["default"]["OPTIONS"] = {
        "pool": {"min_size": 1, "max_size": 16, "timeout": 10},
        "prepare_threshold": 2,  # only for apps/notebooks/statements.py: Django's own bind here
    }

REDIS_URL: str = env.str("REDIS_URL", default="")
CHANNEL_REDIS_URL: str = env.str("CHANNEL_REDIS_URL", default=REDIS_URL)
CACHE_REDIS_URL: str = env.str("CACHE_REDIS_URL", default=REDIS_URL)

CHANNEL_LAYERS: dict[str, dict[str, object]] = {
    "default": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        "CONFIG": {"capacity": 10_000, "expiry": 60},
    },
}
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
if CHANNEL_REDIS_URL:
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [CHANNEL_REDIS_URL], "prefix": "inferencecloud"},
    }
if CACHE_REDIS_URL:
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_REDIS_URL,
        "KEY_PREFIX": "inferencecloud",
        # A cache that hangs must not make every page hang with it.
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }

CELERY_BROKER_URL: str = env.str("CELERY_BROKER_URL", default=REDIS_URL or "memory://localhost")
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = (
    {}
    if CELERY_BROKER_URL.startswith("memory:")
    # A killed worker's task comes back after the timeout, which no task may outlast.
    else {"visibility_timeout": 1800, "unacked_restore_interval": 5, "unacked_restore_throttle": 5}
)
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {"default": {}, "inference": {}}
CELERY_BEAT_SCHEDULE |= OPERATIONS_SCHEDULE | {
    "notebooks.compact_due": {"task": "apps.notebooks.tasks.compact_due", "schedule": 300.0},
    "notebooks.settle_due": {"task": "apps.notebooks.tasks.settle_due", "schedule": 300.0},
    "core.forget_sessions": {"task": "apps.core.tasks.forget_sessions", "schedule": 6 * 3600.0},
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "rules.permissions.ObjectPermissionBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "apps.accounts.forms.SignupForm"
ACCOUNT_ADAPTER = "apps.organizations.adapters.AccountAdapter"
USERSESSIONS_ADAPTER = "apps.organizations.adapters.UserSessionsAdapter"
ACCOUNT_EMAIL_NOTIFICATIONS = True
# axes counts wrong passwords by person and place; these stop guessing spread over many of either.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,50/h/key"}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[InferenceCloud] "
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False
MFA_TOTP_ISSUER = "InferenceCloud"
USERSESSIONS_TRACK_ACTIVITY = True

AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "apps.accounts.throttling.username_of"
AXES_LOCKOUT_CALLABLE = "apps.accounts.throttling.locked_out"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # so that the page can say when it ends
AXES_RESET_ON_SUCCESS = True

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL: str = env.str(
    "DEFAULT_FROM_EMAIL", default="InferenceCloud <noreply@localhost>"
)
SERVER_EMAIL = DEFAULT_FROM_EMAIL

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]  # one that is offered here has a catalogue under locale/
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "build" / "collected"
STATICFILES_DIRS = [BASE_DIR / "build" / "static"]
MEDIA_ROOT = DATA_DIR / "media"  # never served by URL: the gate of each object opens its file
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
UPLOAD_LIMIT_BYTES = 10 * 1024 * 1024  # one image
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
UPDATE_LIMIT_BYTES = 4 * 1024 * 1024  # one document update

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
INSTALLED_APPS += ["django.forms"]

LOG_LEVEL: str = env.str("LOG_LEVEL", default="WARNING").upper()
LOGGING = logging_config(level=LOG_LEVEL, as_json=False)
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
DJANGO_STRUCTLOG_CELERY_ENABLED = True

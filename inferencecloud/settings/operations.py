"""When what was kept long enough is let go of, and exports are looked after; who may watch."""

import environ

env = environ.Env()

# Whoever names it as bearer reads /metrics; without one there is no such page.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
# How long a web process that was asked to end says that it is not ready, and goes on serving.
DRAIN_SECONDS: float = env.float("DRAIN_SECONDS", default=0.0)

OPERATIONS_SCHEDULE: dict[str, dict[str, object]] = {
    "operations.look_after_exports": {
        "task": "apps.operations.tasks.look_after_exports",
        "schedule": 3600.0,
    },
    "learning.look_after_packages": {
        "task": "apps.learning.tasks.look_after_packages",
        "schedule": 300.0,
    },
    "operations.apply_retention": {
        "task": "apps.operations.tasks.apply_retention",
        "schedule": 24 * 3600.0,
    },
}

"""When what was kept long enough is let go of, and exports are looked after."""

OPERATIONS_SCHEDULE: dict[str, dict[str, object]] = {
    "operations.look_after_exports": {
        "task": "apps.operations.tasks.look_after_exports",
        "schedule": 3600.0,
    },
    "operations.apply_retention": {
        "task": "apps.operations.tasks.apply_retention",
        "schedule": 24 * 3600.0,
    },
}

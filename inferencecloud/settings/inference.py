"""What runs the steps: the engine of a worker, how many runs go on at once, how often it is all checked."""

import environ

env = environ.Env()

# Dotted path of the function that makes a worker's engine. apps.inference.host.scripted_engine, whose
# texts cost nothing, is for tests and benchmarks alone.
INFERENCE_ENGINE: str = env.str("INFERENCE_ENGINE", default="apps.inference.host.local_engine")
ENGINE_THREADS: int = env.int("ENGINE_THREADS", default=0)  # 0: the cores that are free, but one
ENGINE_KV_MEMORY_MB: int = env.int("ENGINE_KV_MEMORY_MB", default=1024)  # of each loaded model
ENGINE_KV_BITS: int = env.int("ENGINE_KV_BITS", default=0)  # 8, 32, or 0: 8 for quantized models
# Models that guess for others, which check: NAME=FOLDER, by the name of the one that checks.
ENGINE_DRAFTS: dict[str, str] = env.dict("ENGINE_DRAFTS", default={})
ENGINE_MODELS_KEPT: int = env.int("ENGINE_MODELS_KEPT", default=4)
ENGINE_ADAPTERS_KEPT: int = env.int("ENGINE_ADAPTERS_KEPT", default=16)  # of each loaded model
# Whether models may be served from private addresses: inside the house other things listen, too.
REMOTE_MODELS_PRIVATE: bool = env.bool("REMOTE_MODELS_PRIVATE", default=False)
MODEL_KEYS_SECRET: str = env.str("MODEL_KEYS_SECRET", default="")  # seals the keys of other servers
# Where models are fetched from; empty: from nowhere. The token is for models that a hub gives only to some.
MODEL_HUB_URL: str = env.str("MODEL_HUB_URL", default="https://huggingface.co").rstrip("/")
MODEL_HUB_TOKEN: str = env.str("MODEL_HUB_TOKEN", default="")
# Folders beneath which models may be taken in; none: models/incoming under DATA_DIR.
MODEL_FOLDERS: list[str] = env.list("MODEL_FOLDERS", default=[])
MODELS_TOKEN: str = env.str("MODELS_TOKEN", default="")  # whom `manage.py serve_models` answers
INFERENCE_RUNS_PER_PERSON: int = env.int("INFERENCE_RUNS_PER_PERSON", default=4)
INFERENCE_RUNS_PER_ORGANIZATION: int = env.int("INFERENCE_RUNS_PER_ORGANIZATION", default=16)

CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    # The message is dropped when nobody takes it before the next one comes.
    "inference.reconcile": {
        "task": "apps.inference.tasks.reconcile",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "catalog.look_after_imports": {
        "task": "apps.catalog.tasks.look_after_imports",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "inference.look_after_trials": {
        "task": "apps.inference.tasks.look_after_trials",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
}

# What a person types. Everything that takes thought stands in scripts/prepare.py.
#
#   make run                        serve http://127.0.0.1:8000 (PORT, DATA_DIR, DEMO=0 from the environment)
#   make check                      lint, types, import order
#   make format                     mend what a machine can
#   make test PYTEST_ARGS=…         the tests
#   make prove                      the long runs behind our promises
#   make bench                      the figures, each against a peer
#   make sanitize                   the kernels' tests with every access to memory watched
#   make clean                      remove what was built and installed; your data stays

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTEST_ARGS ?=
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

# What settings/prod.py insists on; nothing is connected to.
PRODUCTION := env DJANGO_SETTINGS_MODULE=inferencecloud.settings.prod ALLOWED_HOSTS=notebooks.example.com \
	SECRET_KEY=only-for-this-check-and-long-enough-0123456789-abcdefghijklm \
	DATABASE_URL=postgres://localhost/nothing REDIS_URL=redis://localhost/0

.PHONY: setup run check format test prove bench sanitize clean

run:
	@$(PYTHON) scripts/prepare.py
	@exec $(BIN)/python manage.py serve

setup:
	@$(PYTHON) scripts/prepare.py --dev

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/djlint templates --check --lint --quiet
	npx --no-install biome check
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/python manage.py makemigrations --check --dry-run --settings inferencecloud.settings.test
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .
	npx --no-install biome check --write
	@for pass in 1 2 3; do $(BIN)/djlint templates --reformat --quiet >/dev/null; done; true

test: setup
	$(BIN)/pytest $(PYTEST_ARGS)

prove: setup
	$(BIN)/pytest -m prove $(PYTEST_ARGS)

bench: setup
	$(BIN)/python benchmarks/peers/prepare.py
	@for figure in benchmarks/*.py; do echo "== $$figure"; $(BIN)/python $$figure || exit 1; done

sanitize: setup
	$(BIN)/python scripts/sanitize_kernels.py $(PYTEST_ARGS)

clean:
	rm -rf .venv node_modules build test-results .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# Two commands are enough: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH_INDEX ?=
SERVE ?= 1
CHAOS_SEEDS ?= 1,2,3
VAR := $(or $(MADSAFE_VAR),var)
BENCHMARKS ?= start import_speed explorer merge withdraw engine storm workers runs_scale
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
MANAGE := $(BIN)/python manage.py
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup demo run test quick lint chaos messages bench pictures

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready $(VAR)/secret_key $(VAR)/encryption_keys ## install everything into .venv (TORCH_INDEX=url for another torch build)

.venv/ready: requirements.txt requirements/train.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "MadSafe needs Python 3.11; set PYTHON=/path/to/python3.11."; exit 1; }
	@echo "Installing into .venv (about 1.5 GB with a CPU build of torch) ..."
	$(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) -r requirements.txt
	$(PIP) --no-deps -r requirements/train.txt
	$(PIP) -r requirements/dev.txt
	@touch $@

$(VAR)/secret_key $(VAR)/encryption_keys:
	@mkdir -p $(VAR)
	@umask 077; $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(48))' > $@

demo: setup ## the whole method on the bundled sample, then the site (SERVE=0: stop after the run)
	@$(MANAGE) demo $(if $(filter 0,$(SERVE)),--no-serve)

run: setup ## serve an existing installation: web and worker
	@$(MANAGE) serve

test: setup ## lint, types, and every test, on SQLite and where TEST_POSTGRES_URL is set on PostgreSQL too
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m tests

quick: setup ## the tests that start no processes
	@$(BIN)/python -m pytest -m "not slow and not browser" -n 2

lint: setup ## ruff, mypy, import-linter, missing migrations
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(MANAGE) makemigrations --check --dry-run

chaos: setup ## kill everything under a run, three seeds on both set-ups (CHAOS_SEEDS=1,2,3); alone on the machine, a quarter of an hour
	@CHAOS_SEEDS=$(CHAOS_SEEDS) $(BIN)/python -m pytest -s tests/chaos/test_engine_kills.py

messages: setup ## gather the texts for the Chinese catalogue and compile it
	@$(BIN)/python scripts/messages.py

bench: setup ## the performance scripts, ours and their baselines
	@for name in $(BENCHMARKS); do $(BIN)/python -m tests.performance.$$name || exit $$?; done

pictures: setup ## take the pictures of the README from the demo installation
	@$(BIN)/python scripts/pictures.py

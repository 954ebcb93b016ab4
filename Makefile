# The habits of the house; `make help` lists them. Each target does the set-up it needs.

SHELL := /bin/sh
# The first Python that fits and really runs (a version manager may leave dead names on the PATH).
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1 \
	&& { echo $$p; exit; }; done)
BIN := .venv/bin
UV := .venv/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults long schedulers bench lint format docs hooks lock clean ci

help: ## List all targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## Make .venv from the locks and fetch the jars; seconds when nothing changed.
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 found: install one, or name it with make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) bootstrap.py

demo: setup ## The whole way once: stack, jobs, a market day, the report.
	@$(BIN)/workbench demo

test: setup ## All tests: unit, integration with a real broker and cluster, notebooks.
	@$(BIN)/python -m pytest

bench: setup ## All benchmarks, about an hour on a quiet machine; writes docs/benchmarks.md.
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench publish

faults: setup ## The fault suite: parts are killed, cut off and filled up under load.
	@$(BIN)/python -m pytest tests/faults -m fault

long: setup ## What `make test` leaves out for its time, but for the faults: jobs, schedulers.
	@$(BIN)/python -m pytest -m "long and not fault"

schedulers: setup ## The files under deploy/ for Dagster and Airflow, executed by these.
	@$(BIN)/python -m pytest tests/deploy -m long

lint: setup ## Formatter, linter, types and the import rule; changes nothing.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Format the code and mend what the linter can mend.
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: setup ## Write docs/reference/ from the commands and the contracts.
	@$(BIN)/python docs/build_reference.py

hooks: ## Let git take the outputs out of exploration notebooks as they are committed.
	@git config core.hooksPath .githooks

lock: setup ## Renew requirements.lock, requirements-bootstrap.lock and jars.lock.
	$(COMPILE) --upgrade --extra flink --extra dev --override overrides.txt \
		--output-file requirements.lock pyproject.toml
	printf 'setuptools\nuv\nwheel\n' | $(COMPILE) --upgrade --no-annotate \
		--output-file requirements-bootstrap.lock -
	$(BIN)/python -m workbench.stack.jars_lock

ci: lint test ## What .ci/run runs.

clean: ## Remove .venv and caches; keep the lake, the reports and the stack's data.
	@test ! -x $(BIN)/workbench || $(BIN)/workbench stack down
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The developer's words; plain `make` lists them. Needs Python 3.11 or later with pip, and make; everything else it gets itself.

PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
RUNTIME := $(VENV)/.runtime
DEV    := $(VENV)/.dev
SERVICES := tools/services.py --connections 200 --with chromium --with libfaketime --with spin --with pgbouncer
PYTEST := pytest -n 3 --dist worksteal

# Tests start hundreds of processes: each would compile all of us anew.
unexport PYTHONDONTWRITEBYTECODE

# pyright would ask the registry for a newer version each time
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo check test test-all coverage test-quick test-compat bench chaos model migration docs links lint types clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(RUNTIME) ## run the library on this machine's own Python sources, with SQLite (under a minute)
	@$(BIN)/jobrunr demo

check: $(DEV) ## all that can be judged without running: format, lint, types, floors, links
	@$(MAKE) --no-print-directory --keep-going lint types links

test: $(DEV) ## every test on everything that can be had: SQLite, PostgreSQL, MariaDB, a browser, old and new versions
	@$(MAKE) --no-print-directory --keep-going test-compat test-all

test-all: $(DEV)
	@$(BIN)/python $(SERVICES) $(BIN)/python -m $(PYTEST) $(ARGS)

coverage: $(DEV) ## the same, and which lines and branches none of it runs (takes half as long again)
	@$(BIN)/python -m coverage erase
	@$(BIN)/python $(SERVICES) $(BIN)/python -m coverage run -m $(PYTEST) $(ARGS)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

test-quick: $(DEV) ## unit tests, and storage on memory and SQLite (seconds)
	@$(BIN)/python -m pytest -q -n 2 -k "not postgresql and not mariadb" src tests/unit tests/storage $(ARGS)

test-compat: $(DEV) ## unit tests and SQLite on the lowest versions allowed, unit tests on every other Python here
	@$(BIN)/python tools/compat.py

bench: $(DEV) ## measure, beside the raw drivers in the same run
	@$(BIN)/python tools/services.py $(BIN)/python -m benchmarks $(ARGS)

chaos: $(DEV) ## try to break it at random: make chaos STORAGE=mariadb MINUTES=30 SEED=17 (postgresql, 5 minutes, any seed)
	@$(BIN)/python -m chaos $(if $(STORAGE),--storage $(STORAGE)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

model: $(DEV) ## check the formal model of who owns a job, and that its broken variants fail
	@$(BIN)/python tools/model.py

migration: $(DEV) ## begin a revision of the tables: make migration NAME="add a column"
	@$(BIN)/python tools/new_migration.py "$(NAME)"

docs: $(DEV) ## write the generated pages anew
	@$(BIN)/python tools/docs.py write

lint: $(DEV) ## format, lint and floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo

types: $(DEV) ## mypy and pyright
	@$(BIN)/mypy
	@$(BIN)/pyright --pythonpath $(BIN)/python

links: $(DEV)
	@$(BIN)/python tools/docs.py check

clean: ## remove what make made
	rm -rf .venv .venv-* build dist .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Debian takes ensurepip out of Python; pip can be put into an environment from outside, too.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "JobRunr needs Python 3.11 or later; there is none in the PATH."; exit 1; }
	@echo "Making an environment in $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
		|| { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } \
		|| { rm -rf $(VENV); echo "$(PYTHON) has neither venv nor pip: on Debian, apt install python3-pip"; exit 1; }

$(RUNTIME): pyproject.toml | $(BIN)/python
	@echo "Installing JobRunr ..."
	@$(PIP) install --quiet --editable '.[dashboard]'
	@touch $@

# uv does in seconds what takes pip a minute. Where it cannot be had, or does not find packages where pip is told to, pip does.
$(DEV): pyproject.toml | $(BIN)/python
	@echo "Installing JobRunr and what its development needs ..."
	@{ $(PIP) install --quiet uv && $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.[dev]'; } \
		|| $(PIP) install --quiet --editable '.[dev]'
	@touch $(RUNTIME) $@

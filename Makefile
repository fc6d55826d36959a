# On a fresh machine this needs Python 3.11 or newer with venv, and make.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check coverage bench clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@echo "making the virtual environment $(VENV); this takes a minute, once"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## train, publish, serve, ask, swap under load; through PREDICTQ_BROKER_URL if that is set
	@$(BIN)/predictq demo

test: $(STAMP)  ## run the tests; pass more with ARGS='-k name'
	$(BIN)/python -m pytest -v $(ARGS)

check: $(STAMP)  ## lint, format, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

coverage: $(STAMP)  ## the tests once more, with what they reach, worker processes included
	$(BIN)/python -m pytest -q --cov --cov-report=term $(ARGS)

bench: $(STAMP)  ## requests a second and latency, on SQLite and on a Redis of its own, beside a bare loop
	$(BIN)/python benchmarks/throughput.py $(ARGS)

clean:  ## remove everything that was made here
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis htmlcov dist build .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

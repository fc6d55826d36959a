# On a fresh machine this needs Python 3.11 or newer with venv, and make.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test others check coverage bench fuzz clean

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

JOBS ?= 5

test: $(STAMP)  ## run the tests, five files at a time; pass more with ARGS='-k name', JOBS=0 for one after the other
	$(BIN)/python -m pytest -v -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

others: $(STAMP) .servers/bin  ## what the engines promise, on RabbitMQ 4, Redis 8 and Valkey 8, which it fetches from Debian
	PREDICTQ_TEST_REDIS=$(CURDIR)/.servers/bin/redis-server $(BIN)/python -m pytest -q tests/contract -k redis
	PREDICTQ_TEST_REDIS=$(CURDIR)/.servers/bin/valkey-server $(BIN)/python -m pytest -q tests/contract -k redis
	PREDICTQ_TEST_RABBITMQ=$(CURDIR)/.servers/bin/rabbitmq-server $(BIN)/python -m pytest -q tests/contract -k rabbitmq

.servers/bin:
	tests/other-servers .servers

check: $(STAMP)  ## lint, format, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

coverage: $(STAMP)  ## the tests once more, with what they reach, worker processes included
	$(BIN)/python -m pytest -q --cov --cov-report=term $(ARGS)

bench: $(STAMP)  ## measure beside what one would pick instead, into docs/benchmarks; ONLY= WHO= SECONDS= ROUNDS= QUICK=1
	$(BIN)/python benchmarks $(foreach name,ONLY WHO SECONDS ROUNDS QUICK FRESH,$(if $($(name)),$(name)=$($(name))))

ENGINE ?= sqlite
SEED ?= 1
MINUTES ?= 0
REQUESTS ?= 100000
FAULTS ?= 200

fuzz: $(STAMP)  ## the generated tests for as long as it takes: random, hundreds of thousands of cases; ARGS='-k wire'
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -v --timeout=0 tests/contract/test_state_machine.py \
	  tests/unit/test_fuzz_*.py $(ARGS)

chaos: $(STAMP)  ## faults under load; ENGINE=redis MINUTES=10 SEED=1 REQUESTS=100000 FAULTS=200 CONTROL= ARGS=
	PYTHONPATH=tests $(BIN)/python -m faults.chaos --engine $(ENGINE) --seed $(SEED) --minutes $(MINUTES) \
	  --requests $(REQUESTS) --faults $(FAULTS) --control '$(CONTROL)' $(ARGS)

clean:  ## remove everything that was made here
	rm -rf $(VENV) .servers .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis htmlcov dist build .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

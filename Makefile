# Every target sets up what it needs; nothing but Python 3.10 or newer and make is taken for granted.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WHEELHOUSE := .cache/wheelhouse
PYTEST_OPTIONS ?=
# In the order of their folders: the longest are among the few tests of a file, so that they would
# come last, and workers wait for one another, if files were taken by their number of tests.
PARALLEL := --numprocesses=auto --dist=loadfile --no-loadscope-reorder

# Tests start many processes, each of which would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup wheelhouse demo demo-fleet test quick long laws mutants lowest check lint types imports format bench size clean

help:
	@echo "make demo    walk through the whole story on real wheels and environments"
	@echo "make demo-fleet  start 10,000 simulated devices, and make the page of their fleet"
	@echo "make test    run the tests"
	@echo "make quick   run the tests that need no environment"
	@echo "make long    run the tests that take long, which make test leaves out"
	@echo "make laws    try the laws with many more examples than the tests do"
	@echo "make mutants change the code in small ways, and count how many a test notices"
	@echo "make lowest  run the tests that reach a dependency with the oldest versions of it"
	@echo "make check   run all that CI runs: linter, types, import directions, tests"
	@echo "make bench   measure start-up and memory against other plugin loaders"
	@echo "make size    count the modules and the lines of code"
	@echo "make format  format the code"
	@echo "make clean   remove everything that these targets made"

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "error: Python 3.10 or newer is needed; name one with make PYTHON=python3.x"; exit 2; }
	$(PYTHON) -m venv $(VENV) || \
		{ echo "error: this Python can't make environments (on Debian: install python3-venv)"; exit 2; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(READY)

wheelhouse: $(READY)
	@$(BIN)/python -m tests.support.wheelhouse $(WHEELHOUSE) > /dev/null

demo: wheelhouse
	@sh fixtures/demo.sh $(abspath $(VENV)) $(abspath $(WHEELHOUSE))

demo-fleet: wheelhouse
	@sh fixtures/demo-fleet.sh $(abspath $(VENV)) $(abspath $(WHEELHOUSE)) $(abspath .cache/fleet.html)

test: wheelhouse
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_OPTIONS)

quick: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) --hypothesis-profile=quick $(PYTEST_OPTIONS) tests/unit

long: wheelhouse
	$(BIN)/python -m pytest -m long $(PARALLEL) $(PYTEST_OPTIONS)

laws: $(READY)
	$(BIN)/python -m pytest $(PARALLEL) --hypothesis-profile=thorough $(PYTEST_OPTIONS) \
		$$(grep -rl --include='*.py' '^@given' tests)

mutants: $(READY)
	$(BIN)/python -m tests.mutants

# In environments of their own, with the lowest versions that are declared, and those of the host.
lowest: $(READY)
	$(BIN)/python -m tests.lowest $(PYTEST_OPTIONS)

check: lint types imports test long lowest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: wheelhouse
	$(BIN)/python -m tests.bench

size: $(READY)
	@$(BIN)/python -m tests.size

clean:
	rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# make run: start the service.  make test: run the tests.  Both make .venv first, once.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?=
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.13 python3.12 python3.11 python3 python)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-long fuzz crash check bench shell openapi lock clean

help:
	@echo 'make run      start the service, with a database of its own'
	@echo 'make test     run the tests (ARGS="..." goes to pytest)'
	@echo 'make test-long  run them with more chance: it takes minutes'
	@echo 'make fuzz     look for bytes that break what is read by hand (ARGS="TARGET SECONDS")'
	@echo 'make crash    kill the service and its store 200 times in the middle of work: it takes ten minutes'
	@echo 'make check    run the tests, the linters and the type checker, as CI does'
	@echo 'make bench    measure what a request costs'
	@echo 'make shell    open a mongo shell on the running service'
	@echo 'make lock     choose the newest versions of all dependencies anew'
	@echo 'make clean    remove what the others made, but never the data'

run: $(STAMP)
	@exec $(BIN)/task-timer serve

shell: $(STAMP)
	@exec $(BIN)/task-timer shell

test: $(STAMP)
	@$(BIN)/python -m pytest -n auto $(ARGS)

test-long: $(STAMP)
	@TEST_LONG=1 $(BIN)/python -m pytest -n auto $(ARGS)

fuzz: $(STAMP)
	@$(BIN)/python -m tests.fuzz.with_atheris $(ARGS)

# The newest figures stand in docs/reliability.rst afterwards.
crash: $(STAMP)
	@CRASH_ROUNDS=200 CRASH_FIGURES=.crash.json $(BIN)/python -m pytest -n 2 tests/crash $(ARGS)
	@$(BIN)/python -m tests.crash.figures .crash.json

check: $(STAMP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@$(BIN)/python -m pytest -n auto --cov --cov-report=term-missing:skip-covered $(ARGS)

bench: $(STAMP)
	@$(BIN)/python -m benchmarks.load $(ARGS)

# The document as it is with no setting set, whatever .env says.
openapi: $(STAMP)
	@$(BIN)/task-timer openapi > openapi.json

# A Python is chosen by running it: the name alone may be a shim with nothing behind it. The stamp
# comes last, so that a .venv which was only half made is made again.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	for python in $(PYTHONS); do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
			>/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
		echo 'Task Timer needs Python 3.11, 3.12 or 3.13 with its venv module, and found none: install one, or name it with make PYTHON=/path/to/python' >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	rm -rf $(VENV); \
	"$$found" -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --require-hashes --only-binary :all: -r constraints.txt; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation -e .; \
	touch $@

# One file for every Python: the newest versions that go together, with the hashes of their wheels.
lock:
	@uv pip compile pyproject.toml --extra embedded --group dev --universal --python-version 3.11 \
		--only-binary :all: --generate-hashes --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--quiet --output-file constraints.txt

clean:
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
		.coverage .coverage.* htmlcov dist
	@find app documents services routes tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

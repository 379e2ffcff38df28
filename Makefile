# make run: start the service.  make test: run the tests.  Both make .venv first, once.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
PYTHON ?=
PYTHONS := $(if $(PYTHON),$(PYTHON),python3.13 python3.12 python3.11 python3 python)
PIP_VERSION ?=
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile
COMPILE = uv pip compile pyproject.toml --extra embedded --universal --python-version 3.11 --only-binary :all: \
	--generate-hashes --no-strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet
ARGS ?=

# Packages are installed uncompiled, and compiled as they are first imported: a process that starts later takes a
# third of the time, of which each test that starts one would pay the rest.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-long fuzz crash check install-check clients mutate bench shell openapi lock clean

help:
	@echo 'make run      start the service, with a database of its own'
	@echo 'make test     run the tests (ARGS="..." goes to pytest)'
	@echo 'make test-long  run them with more chance: it takes minutes'
	@echo 'make fuzz     look for bytes that break what is read by hand (ARGS="TARGET SECONDS")'
	@echo 'make crash    kill the service and its store 200 times in the middle of work: it takes ten minutes'
	@echo 'make check    run the tests, the linters and the type checker, as CI does'
	@echo 'make clients  generate clients from openapi.json, check their types, and run a session with each'
	@echo 'make install-check  install everything into an empty environment, with the pip of Debian 12'
	@echo 'make mutate   put 200 small faults into services/ and documents/, and list those that no test notices'
	@echo 'make bench    measure what a request costs'
	@echo 'make shell    open a mongo shell on the running service'
	@echo 'make lock     choose the newest versions of all dependencies anew'
	@echo 'make clean    remove what the others made, but never the data'

run: $(RUN_STAMP)
	@exec $(BIN)/task-timer serve

shell: $(RUN_STAMP)
	@exec $(BIN)/task-timer shell

test: $(DEV_STAMP)
	@$(BIN)/python -m pytest -n auto $(ARGS)

test-long: $(DEV_STAMP)
	@TEST_LONG=1 $(BIN)/python -m pytest -n auto $(ARGS)

fuzz: $(DEV_STAMP)
	@$(BIN)/python -m tests.fuzz.with_atheris $(ARGS)

# The newest figures stand in docs/reliability.rst afterwards.
crash: $(DEV_STAMP)
	@CRASH_ROUNDS=200 CRASH_FIGURES=.crash.json $(BIN)/python -m pytest -n 2 tests/operation/crash $(ARGS)
	@$(BIN)/python -m tests.operation.crash.figures .crash.json

check: $(DEV_STAMP) install-check clients
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .
	@$(BIN)/python -m pytest -n auto --cov --cov-report=term-missing:skip-covered $(ARGS)

# A Python client and, where there is Node.js, a TypeScript client; what they need is installed below .clients.
clients: $(DEV_STAMP)
	@$(BIN)/python -m tests.clients

# The first run finds out which test executes which line, and takes ten minutes longer.
mutate: $(DEV_STAMP)
	@$(BIN)/python -m tests.mutation $(ARGS)

bench: $(DEV_STAMP)
	@$(BIN)/python -m benchmarks.load $(ARGS)

# The document as it is with no setting set, whatever .env says.
openapi: $(RUN_STAMP)
	@$(BIN)/task-timer openapi > openapi.json

# A Python is chosen by running it: the name alone may be a shim with nothing behind it. A lock is complete, so pip
# resolves nothing (--no-deps) and a release that came later changes nothing; pip check shows that nothing is missing.
# The stamp comes last, so that a .venv that was only half made is made again.
$(RUN_STAMP): pyproject.toml constraints.txt
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
	if [ -n "$(PIP_VERSION)" ]; then $(PIP_INSTALL) 'pip==$(PIP_VERSION)'; fi; \
	$(PIP_INSTALL) --require-hashes --only-binary :all: -r constraints.txt; \
	$(PIP_INSTALL) --no-build-isolation -e .; \
	$(BIN)/python -m pip check >/dev/null; \
	touch $@

$(DEV_STAMP): $(RUN_STAMP) constraints-dev.txt
	@$(PIP_INSTALL) --require-hashes --only-binary :all: -r constraints-dev.txt
	@$(BIN)/python -m pip check >/dev/null
	@touch $@

# Install from both locks into an empty environment, with the pip of Debian 12. It needs Python 3.11: that pip is older
# than the later ones.
install-check:
	@rm -rf .install-check
	@$(MAKE) --no-print-directory VENV=.install-check PIP_VERSION=23.0.1 PYTHON=$(firstword $(PYTHON) python3.11) \
		.install-check/.installed-dev
	@.install-check/bin/task-timer --help >/dev/null
	@rm -rf .install-check

# Two locks for every Python: the newest versions that go together, with the hashes of their wheels. constraints.txt is
# what running needs, constraints-dev.txt what tests and checks need beside it; tests/install/wheels.txt names the wheel of each hash.
lock: $(DEV_STAMP)
	@$(COMPILE) --group build --upgrade --output-file constraints.txt
	@$(COMPILE) --group build --group dev --upgrade --constraints constraints.txt \
		$$(sed -n 's/^\([A-Za-z0-9._-]*\)\(\[.*\]\)\{0,1\}==.*/--no-emit-package \1/p' constraints.txt) \
		--output-file constraints-dev.txt
	@$(COMPILE) --group build --group dev --constraints constraints.txt --constraints constraints-dev.txt \
		--format pylock.toml --output-file .pylock.toml
	@$(BIN)/python -m tests.install.wheel_names .pylock.toml > tests/install/wheels.txt
	@rm .pylock.toml

clean:
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
		.coverage .coverage.* .install-check .clients htmlcov dist
	@find app documents services routes tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

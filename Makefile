# make demo | test | quick | faults | slicer-test | docs | venv | lint | format | file-list | clean. README.md says what each is for.
# GNU make and a POSIX shell; all paths are relative, so the clone may lie in a folder with any name.

PYTHON ?=
PIP_ARGS ?=
DATA ?=
OUTPUT ?= demo-output
SYSTEM_LIBRARIES ?= yes
FUZZ_SECONDS ?= 600
SLICER ?= Slicer
ENGINE_PYTHON ?=

TORCH := torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
EMPTY := $(VENV)/empty.stamp
INSTALLED := $(VENV)/installed.stamp
PROGRAM := CoraNetSlicer Testing docs $(wildcard benchmarks)
DOCS_VENV := .venv-docs
DOCS_INSTALLED := $(DOCS_VENV)/installed.stamp

# Files go to processes in the order of Testing/conftest.py, slow ones first.
BY_FILE := --dist loadfile --no-loadscope-reorder

# Containers often switch compiled files off; then each process that a test starts compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help venv demo test quick faults slicer-test docs lint format file-list clean

help:
	@echo "make demo    train, segment and picture a synthetic data set (DATA=dataset.json for your own, OUTPUT=folder)"
	@echo "make test    lint, type check and the whole test suite"
	@echo "make quick   the tests that neither train nor draw nor damage files, one to two minutes on two cores"
	@echo "make faults  kills, full disks, hostile files, fuzzing: at most 20 minutes (FUZZ_SECONDS=600)"
	@echo "make slicer-test SLICER=<executable>  the whole way in a running 3D Slicer, with pictures (ENGINE_PYTHON=python with PyTorch)"
	@echo "make docs    the documentation as a site, in site/ (its own small .venv-docs)"
	@echo "make venv    only set up .venv (PYTHON=python3.12 PIP_ARGS='...' to choose)"
	@echo "make lint, make format, make file-list, make clean"

venv: $(INSTALLED)

# Rebuilt from nothing when a version changes: a half-updated environment is worse than some minutes.
$(EMPTY): constraints.txt .ci/set-up-venv .ci/find-python .ci/system-libraries
	@PYTHON='$(PYTHON)' SYSTEM_LIBRARIES='$(SYSTEM_LIBRARIES)' sh .ci/set-up-venv '$(VENV)' '$(TORCH)' $(PIP_ARGS)
	@touch '$@'

# The project is linked, not copied, so that `python -m coranet` runs the source tree.
$(INSTALLED): $(EMPTY) pyproject.toml
	@sh .ci/pip-install '$(VENV)' --no-build-isolation -e '.[dev]' $(PIP_ARGS)
	@touch '$@'

demo: $(INSTALLED)
	$(BIN)/python Testing/demo/run.py --output '$(OUTPUT)' $(if $(DATA),--data '$(DATA)')

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto $(BY_FILE)

# One process more than there are processors: some tests wait for other processes.
quick: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' --ignore Testing/faults -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) $(BY_FILE)

# `make test` runs a sample of the same tests.
faults: $(INSTALLED)
	FAULTS=full FUZZ_SECONDS='$(FUZZ_SECONDS)' OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(BY_FILE) Testing/faults

# Needs no environment but the engine's; docs/maintaining.md says how. Under xvfb-run where there is no display.
slicer-test:
	@python=$$(PYTHON='$(PYTHON)' sh .ci/find-python) && "$$python" Testing/real-slicer/slicer_run.py '$(SLICER)' \
		--output slicer-test-output $(if $(ENGINE_PYTHON),--python '$(ENGINE_PYTHON)') $(if $(DATA),--data '$(DATA)')

# An environment of its own, without PyTorch: reference pages are made from the engine's parser, schema and docstrings.
$(DOCS_INSTALLED): constraints.txt docs/requirements.txt .ci/find-python .ci/pip-install
	@rm -rf '$(DOCS_VENV)'
	@python=$$(PYTHON='$(PYTHON)' sh .ci/find-python) && "$$python" -m venv '$(DOCS_VENV)'
	@sh .ci/pip-install '$(DOCS_VENV)' -r docs/requirements.txt
	@touch '$@'

docs: $(DOCS_INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --quiet --strict
	@echo "make docs: open site/index.html"

lint: $(INSTALLED)
	$(BIN)/ruff check $(PROGRAM)
	$(BIN)/ruff format --check $(PROGRAM)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix $(PROGRAM)
	$(BIN)/ruff format $(PROGRAM)

# The files that CMake puts into the extension package.
file-list: $(INSTALLED)
	$(BIN)/python Testing/contracts/module_files.py

clean:
	rm -rf $(VENV) $(DOCS_VENV) site demo-output build dist .pytest_cache .mypy_cache .ruff_cache CoraNetSlicer/*.egg-info
	find CoraNetSlicer Testing -type d -name __pycache__ -prune -exec rm -rf {} +

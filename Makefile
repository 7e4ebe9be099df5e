# Every target installs what it needs; nothing is downloaded but Python packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
export LETHE_DATA ?= $(if $(wildcard ../shared/data),$(abspath ../shared/data),)
# Two workers on two cores get one torch thread each, or they fight and run ten times slower.
SINGLE := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test test-all lint docs bench install clean

demo: $(VENV)/.base
	$(BIN)/lethe demo --out demo

install: $(VENV)/.all

test: $(VENV)/.test
	$(SINGLE) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-all: $(VENV)/.test
	$(SINGLE) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.base
	$(SINGLE) $(BIN)/python benchmarks/speed.py

clean:
	rm -rf $(VENV) site build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# torch first and by its exact version: a range may bring gigabytes of libraries for graphics cards.
$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) --editable ".[test]"
	@touch $@

$(VENV)/.lint: $(VENV)/.base
	$(PIP) --editable ".[test,lint]"
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	$(PIP) --editable ".[docs]"
	@touch $@

$(VENV)/.all: $(VENV)/.test $(VENV)/.lint $(VENV)/.docs
	@touch $@

# Everything runs in a local environment that the first command makes; only Python 3.11 or newer and make are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCENARIO ?= scenarios/xining_6mw.yaml

.PHONY: run test check format lint types floors unit lowest bench picture clean

run: $(VENV)/installed
	$(BIN)/vpp-sim run $(SCENARIO)

test: check unit

check: format lint types floors

format: $(VENV)/installed-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

floors: $(VENV)/installed-dev
	$(BIN)/lint-imports

unit: $(VENV)/installed-dev
	$(BIN)/pytest -n 2

# the oldest versions that pyproject.toml allows, in an environment of their own
lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --upgrade pip
	.venv-lowest/bin/python tests/lowest_versions.py pyproject.toml > .venv-lowest/lowest.txt
	.venv-lowest/bin/pip install --quiet --constraint .venv-lowest/lowest.txt --editable . pytest pytest-xdist hypothesis nbclient nbformat ipykernel
	.venv-lowest/bin/pytest -n 2 -W default

# about half an hour; whole sweeps, which take as long again: python -m benchmarks.sweep
bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks.whole
	$(BIN)/python -m benchmarks.phases
	$(BIN)/python -m benchmarks.run scenario_year
	$(BIN)/python -m benchmarks.run scenario_year_no_demand
	$(BIN)/python -m benchmarks.run sizing_year --limit 300
	$(BIN)/python -m benchmarks.run sizing_year_no_demand --limit 300
	$(BIN)/python -m benchmarks.solver years
	$(BIN)/python -m benchmarks.solver sweep --count 256
	$(BIN)/python -m benchmarks.solver windows --count 8760
	$(BIN)/python -m benchmarks.solver horizon --plot cost_per_step.png
	$(BIN)/python -m benchmarks.solver random --count 5000

picture: $(VENV)/installed
	$(BIN)/python docs/make_picture.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vpp_sim needs Python 3.11 or newer; try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/installed

$(VENV)/installed-bench: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[dev,bench]'
	touch $@ $(VENV)/installed $(VENV)/installed-dev

clean:
	rm -rf $(VENV) .venv-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info

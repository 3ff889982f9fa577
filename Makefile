# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
BASE := .venv-base/bin
INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup demo test test-base check clean

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) torch
	$(BIN)/python $(INSTALL) --editable '.[dev]'
	touch $@

# The environment of a computer at the line: everything above the torch wall, and no torch.
.venv-base/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-base
	$(BASE)/python $(INSTALL) --editable '.[eval,sign,check]'
	touch $@

demo: setup
	$(BIN)/sdgasnet demo demo

test: setup
	$(BIN)/pytest -n 2 -m 'not slow and not gpu'

test-base: .venv-base/.installed
	$(BASE)/python -c "import importlib.util as u; assert u.find_spec('torch') is None, 'torch is installed'"
	$(BASE)/pytest -n 2 -m 'not slow and not gpu'

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q src/sdgasnet

clean:
	rm -rf .venv .venv-base demo

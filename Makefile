# Everything a person does with this project. `make` alone lists it.

PYTHON ?= python3
PORT ?= 8080
SECONDS ?= 120
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test bench load lint format lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(VENV)/test ## install all that training and testing need into .venv

demo: $(VENV)/local ## run the shipped model in the Lambda runtime and answer sample requests
	@$(BIN)/python -m inference.local demo

serve: $(VENV)/local ## the same, and stay up at http://127.0.0.1:PORT (PORT=8080)
	@$(BIN)/python -m inference.local serve --port $(PORT)

test: lint ## lint and all tests
	$(BIN)/python -m pytest

bench: $(VENV)/test ## speed beside a transformers pipeline; leave the machine alone meanwhile
	@$(BIN)/python -m tests.performance.bench

load: $(VENV)/test ## two minutes (SECONDS=120) of all the requests it can take, here or at URL=
	@$(BIN)/python -m tests.performance.load --seconds $(SECONDS) $(if $(URL),--url $(URL))

lint: $(VENV)/test ## ruff, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/test ## rewrite the code in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## renew constraints.txt from the groups in pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock && build/lock/bin/pip install -q -U pip
	build/lock/bin/pip install -q --group test
	build/lock/bin/pip freeze | sed 's/+cpu$$//' > constraints.txt

clean: ## delete the virtual environment and all that was built
	rm -rf $(VENV) build

$(VENV)/pip: Makefile
	@command -v $(PYTHON) >/dev/null || \
	  { echo "Python is missing: install Python 3.11 or newer, or set PYTHON=path" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old: install Python 3.11 or newer, or set PYTHON=path" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make a virtual environment: install its venv module" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check pip==26.3 || \
	  { echo "The Python package index cannot be reached: check the network" >&2; exit 1; }
	@touch $@

$(VENV)/local $(VENV)/test: $(VENV)/%: $(VENV)/pip pyproject.toml constraints.txt
	@echo "Installing what is needed ($*) into $(VENV) ..."
	@$(INSTALL) --group $* || { echo "Installing failed: see above, and check the network" >&2; exit 1; }
	@touch $@

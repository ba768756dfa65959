# Everything a person does with this project. `make` alone lists it.

PYTHON ?= python3
PORT ?= 8080
BUNDLE ?= data/sample-model
ENV ?= dev
STACK ?= text-classifier-$(ENV)
SECONDS ?= 120
WEIGHT ?= 10
HOURS ?= 24
VENV := .venv
BIN := $(VENV)/bin
# All after one option: sam takes the last of several.
PAIRS = $(if $(MODEL_URI),ModelStore=$(patsubst %/,%,$(dir $(MODEL_URI))) \
  ModelVersion=$(notdir $(MODEL_URI))) $(PARAMETERS)
OVERRIDES = $(if $(strip $(PAIRS)),--parameter-overrides $(PAIRS))
ROLE = $(if $(EXECUTION_ROLE),--role-arn $(EXECUTION_ROLE))
SAM := SAM_CLI_TELEMETRY=0 $(BIN)/sam
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo serve sam-local test bench load lint scan format lock build deploy live \
  smoke candidate compare promote rollback destroy clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 11

setup: $(VENV)/test ## install all that training and testing need into .venv

demo: $(VENV)/local ## run the shipped model in the Lambda runtime and answer sample requests
	@$(BIN)/python -m inference.local demo

serve: $(VENV)/local ## the same, and stay up at http://127.0.0.1:PORT (PORT=8080, BUNDLE=folder)
	@$(BIN)/python -m inference.local serve --port $(PORT) --bundle $(BUNDLE)

sam-local: $(VENV)/local ## the stack of template.yaml, its image in Docker, at http://127.0.0.1:PORT
	@$(BIN)/python -m inference.local sam --port $(PORT) --bundle $(BUNDLE)

build: $(VENV)/local ## the image of the function (PARAMETERS="Architecture=arm64")
	$(SAM) build $(OVERRIDES)

deploy: build ## build and deploy to ENV=dev or prod (MODEL_URI=s3://..., PARAMETERS="Access=api-key")
	@$(BIN)/python -m operations.candidate end $(STACK) # CodeDeploy wants the alias undivided
	$(SAM) deploy --config-env $(ENV) --stack-name $(STACK) $(ROLE) $(OVERRIDES)

live: $(VENV)/local ## print the version that serves in ENV=dev or prod
	@$(BIN)/python -m operations.stack $(STACK)

smoke: $(VENV)/local ## ask the API of ENV=dev or prod, or at URL=https://... (HEADER="x-api-key: ...")
	@HEADER="$(HEADER)" $(BIN)/python -m operations.smoke $(or $(URL),$(STACK))

candidate: $(VENV)/local ## let MODEL_URI=s3://... answer WEIGHT=10 percent of the requests to ENV=
	@$(BIN)/python -m operations.candidate start $(STACK) $(MODEL_URI) $(WEIGHT)

compare: $(VENV)/local ## whether the candidate answers otherwise than the model of ENV= (HOURS=24)
	@$(BIN)/python -m operations.compare $(STACK) $(HOURS)

promote: $(VENV)/local ## deploy the candidate of ENV=, by a canary of its own
	@uri=$$($(BIN)/python -m operations.candidate show $(STACK)) && \
	  $(MAKE) deploy ENV=$(ENV) STACK=$(STACK) MODEL_URI=$$uri

rollback: $(VENV)/local ## end the candidate, or serve the version before, in ENV= (or VERSION=number)
	@$(BIN)/python -m operations.rollback $(STACK) $(VERSION)

destroy: $(VENV)/local ## delete the stack of ENV=dev or prod, after asking
	@echo "This deletes the stack $(STACK): API, function, images, logs, alarms, dashboard, API key."
	@echo "It keeps the model store and, where there is one, the table of predictions."
	$(SAM) delete --stack-name $(STACK)

test: lint ## lint and all tests
	$(BIN)/python -m pytest

bench: $(VENV)/test ## speed beside a transformers pipeline; leave the machine alone meanwhile
	@$(BIN)/python -m benchmarks.bench

load: $(VENV)/test ## two minutes (SECONDS=120) of all the requests it can take, here or at URL=
	@$(BIN)/python -m benchmarks.load --seconds $(SECONDS) $(if $(URL),--url $(URL))

lint: $(VENV)/test ## ruff, mypy, cfn-lint, sam validate, hadolint, zizmor
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cfn-lint -- template.yaml operations/github-oidc.yaml
	$(SAM) validate --lint
	$(SAM) validate --region us-east-1
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/zizmor --offline --quiet .github

scan: $(VENV)/test build/scan/bin/checkov ## checkov on the templates and the Dockerfile
	$(BIN)/python -m tests.cloudformation > build/template.json
	build/scan/bin/checkov --config-file .checkov.yaml --compact --quiet --skip-download \
	  --framework cloudformation dockerfile \
	  -f build/template.json operations/github-oidc.yaml docker/Dockerfile

format: $(VENV)/test ## rewrite the code in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## renew constraints.txt and docker/requirements.txt from the groups in pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock && build/lock/bin/pip install -q -U pip
	build/lock/bin/pip install -q --group test
	build/lock/bin/pip freeze | sed 's/+cpu$$//' > constraints.txt
	build/lock/bin/pip install -q uv==0.13.9
	build/lock/bin/uv pip compile --quiet --group inference --constraints constraints.txt \
	  --excludes docker/excludes.txt --generate-hashes --only-binary :all: --python-version 3.13 \
	  --python-platform x86_64-manylinux_2_28 --annotation-style line \
	  --custom-compile-command "make lock" --output-file docker/requirements.txt

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
	@echo "Installing what is needed ($*) into $(VENV) ..." >&2
	@$(INSTALL) --group $* || { echo "Installing failed: see above, and check the network" >&2; exit 1; }
	@touch $@

# In a virtual environment of its own: it needs other versions of what the tests need.
build/scan/bin/checkov:
	@rm -rf build/scan && $(PYTHON) -m venv build/scan
	@build/scan/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30

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
# One option for all of them, because sam heeds only the last of several.
PAIRS = $(if $(MODEL_URI),ModelStore=$(patsubst %/,%,$(dir $(MODEL_URI))) \
  ModelVersion=$(notdir $(MODEL_URI))) $(PARAMETERS)
OVERRIDES = $(if $(strip $(PAIRS)),--parameter-overrides $(PAIRS))
ROLE = $(if $(EXECUTION_ROLE),--role-arn $(EXECUTION_ROLE))
SAM := SAM_CLI_TELEMETRY=0 $(BIN)/sam
# Under another name, because make --dry-run runs every line with $(MAKE).
AGAIN := $(MAKE)
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .

.DEFAULT_GOAL := help
.PHONY: announce help setup demo serve sam-local unit test localstack docs bench load lint scan format lock build \
  image deploy live smoke candidate compare promote rollback destroy clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 11

setup: $(VENV)/test ## install everything for training and testing into .venv

demo: $(VENV)/local ## run the shipped model in the Lambda runtime and answer the sample requests
	@$(BIN)/textclf demo

serve: $(VENV)/local ## the same, but stay up at http://127.0.0.1:PORT (PORT=8080, BUNDLE=folder)
	@$(BIN)/textclf serve --port $(PORT) --bundle $(BUNDLE)

sam-local: $(VENV)/local ## serve template.yaml with its image in Docker, at http://127.0.0.1:PORT
	@$(BIN)/textclf sam-local --port $(PORT) --bundle $(BUNDLE)

unit: $(VENV)/test ## run the unit tests: about a minute, no network
	$(BIN)/python -m pytest tests/unit

# The two commands take about as long as each other. The longest waits, for Docker and for the browser, are
# next to the unit tests, which have nothing to wait for.
test: announce lint ## lint, then run every test: about 20 minutes on two cores
	@mkdir -p build && rm -f build/.coverage*
	@echo "Unit and end-to-end tests run next to the others; their output comes at the end."
	@COVERAGE_FILE=$(CURDIR)/build/.coverage.unit $(BIN)/python -m pytest --cov --cov-report= \
		tests/unit tests/e2e >build/unit.log 2>&1 & unit=$$!; trap 'kill -INT $$unit 2>/dev/null; wait $$unit' EXIT INT TERM; \
	COVERAGE_FILE=$(CURDIR)/build/.coverage.others $(BIN)/python -m pytest --cov --cov-report= \
		tests/integration; others=$$?; \
	wait $$unit; unit=$$?; trap - EXIT INT TERM; cat build/unit.log; [ $$unit = 0 ] && [ $$others = 0 ]
	@$(BIN)/coverage combine --quiet --data-file=build/.coverage build/.coverage.*
	@$(BIN)/coverage report --data-file=build/.coverage

localstack: build/localstack/installed ## install LocalStack, with which the tests execute the state machines

announce:
	@echo "Linting and running every test: about 20 minutes on two cores (make unit takes one)."

docs: $(VENV)/docs ## build the documentation into build/docs, with strict link checking
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/bench ## compare the speed with other implementations: 15 idle minutes (ONLY=bulk, AGAINST=HEAD~1)
	@$(BIN)/python -m benchmarks.bench $(if $(ONLY),--only $(ONLY)) $(if $(AGAINST),--against $(AGAINST))

load: $(VENV)/test ## two minutes (SECONDS=120) of as many requests as it can take, here or at URL=
	@$(BIN)/python -m benchmarks.load --seconds $(SECONDS) $(if $(URL),--url $(URL))

lint: $(VENV)/test ## ruff, mypy, cfn-lint, sam validate, hadolint, zizmor
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cfn-lint -- template.yaml operations/github-oidc.yaml operations/images.yaml
	$(SAM) validate --lint
	$(SAM) validate --region us-east-1
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/zizmor --offline --quiet .github

scan: $(VENV)/test build/scan/bin/checkov ## run checkov on the templates and the Dockerfile
	$(BIN)/python -m tests.cloudformation > build/template.json
	build/scan/bin/checkov --config-file .checkov.yaml --compact --quiet --skip-download \
	  --framework cloudformation dockerfile \
	  -f build/template.json operations/github-oidc.yaml operations/images.yaml docker/Dockerfile

format: $(VENV)/test ## rewrite the code in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## renew constraints.txt and docker/requirements.txt from pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock && build/lock/bin/pip install -q -U pip
	build/lock/bin/pip install -q -e . --group test
	build/lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt
	build/lock/bin/pip install -q uv==0.13.9
	build/lock/bin/uv pip compile --quiet pyproject.toml --constraints constraints.txt \
	  --excludes docker/excludes.txt --generate-hashes --only-binary :all: --python-version 3.13 \
	  --python-platform x86_64-manylinux_2_28 --annotation-style line \
	  --custom-compile-command "make lock" --output-file docker/requirements.txt

build: $(VENV)/local ## build the function's image with sam (PARAMETERS="Architecture=arm64")
	$(SAM) build $(OVERRIDES)

image: $(VENV)/local ## build the image for ENV=dev or prod, push it to ECR and print its URI
	@$(BIN)/textclf image $(STACK) $(PAIRS)

ifneq ($(strip $(REGIONS)),)
# Each region gets the model in a bucket of its own, and a stack. PARAMETERS_eu-west-1="..." adds
# parameters for one of them, such as its CertificateArn.
deploy: $(VENV)/local
	@set -e; $(foreach region,$(REGIONS),echo "$(region):"; \
	  uri=$$($(BIN)/textclf replicate $(MODEL_URI) $(region)); \
	  AWS_REGION=$(region) AWS_DEFAULT_REGION=$(region) $(AGAIN) --no-print-directory deploy REGIONS= \
	    MODEL_URI=$$uri PARAMETERS="$(strip $(PARAMETERS) $(PARAMETERS_$(region)))";)
else
# A shell keeps image and parameters from step to step. `textclf parameters` adds what the stack has
# now: the model that serves, the processor. An IMAGE that was tested before is not built again.
deploy: $(VENV)/local ## build and deploy to ENV=dev or prod (MODEL_URI=s3://..., PARAMETERS="Access=api-key", IMAGE=..., REGIONS="...")
	@set -e; \
	  $(BIN)/textclf check $(STACK) $(PAIRS); \
	  image=$$($(BIN)/textclf image $(STACK) $(PAIRS) $(if $(IMAGE),--image $(IMAGE))); \
	  $(BIN)/textclf candidate end $(STACK); \
	  parameters=$$($(BIN)/textclf parameters $(STACK) $(PAIRS) Image=$$image); \
	  $(SAM) deploy --template-file template.yaml --config-env $(ENV) --stack-name $(STACK) $(ROLE) \
	    --image-repository $${image%@*} --parameter-overrides $$parameters $(if $(TAGS),--tags $(TAGS)); \
	  $(BIN)/textclf prune $(STACK) --with-snapshots
endif

live: $(VENV)/local ## print the version that serves in ENV=dev or prod
	@$(BIN)/textclf live $(STACK)

smoke: $(VENV)/local ## check the API of ENV=dev or prod, or URL=https://... (HEADER="x-api-key: ...")
	@HEADER="$(HEADER)" $(BIN)/textclf smoke $(or $(URL),$(STACK))

candidate: $(VENV)/local ## let MODEL_URI=s3://... answer WEIGHT=10 percent of the requests to ENV=
	@$(BIN)/textclf candidate start $(STACK) $(MODEL_URI) $(WEIGHT)

compare: $(VENV)/local ## compare the candidate's answers with those of the model in ENV= (HOURS=24)
	@$(BIN)/textclf compare $(STACK) --hours $(HOURS)

promote: $(VENV)/local ## deploy the candidate of ENV= to everyone, with a canary
	@uri=$$($(BIN)/textclf candidate show $(STACK)) && \
	  $(MAKE) deploy ENV=$(ENV) STACK=$(STACK) MODEL_URI=$$uri

rollback: $(VENV)/local ## end the candidate, or serve the previous version, in ENV= (or VERSION=number)
	@$(BIN)/textclf rollback $(STACK) $(VERSION)

destroy: $(VENV)/local ## delete the stack of ENV=dev or prod, after asking
	@echo "This deletes the stack $(STACK): API, function, logs, alarms, API key."
	@echo "It keeps the model store, the images, and the table of predictions, if there is one."
	$(SAM) delete --stack-name $(STACK)

clean: ## delete the virtual environment and everything that was built
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

$(VENV)/bench $(VENV)/docs $(VENV)/local $(VENV)/test: $(VENV)/%: $(VENV)/pip pyproject.toml constraints.txt
	@echo "Installing the dependencies for $* into $(VENV) ..." >&2
	@$(INSTALL) --group $* || { echo "The installation failed: see above, and check the network" >&2; exit 1; }
	@touch $@

# checkov needs other versions of the packages that the tests use, so it gets its own environment.
build/scan/bin/checkov:
	@rm -rf build/scan && $(PYTHON) -m venv build/scan
	@build/scan/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30

# LocalStack runs on Python 3.13, with other versions of the packages that the tests use.
build/localstack/installed: export PYENV_VERSION = 3.13
build/localstack/installed: tests/step_functions/requirements.txt
	@rm -rf build/localstack
	@python=$$(for one in python3.13 $(PYTHON); do $$one -c \
	  'import sys; sys.version_info[:2] == (3, 13) and print("'$$one'")' 2>/dev/null; done | head -n 1); \
	  [ "$$python" ] || { echo "LocalStack needs Python 3.13, which is missing" >&2; exit 1; }; \
	  $$python -m venv build/localstack
	@build/localstack/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

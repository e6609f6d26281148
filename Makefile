# Everything runs in .venv, made from requirements.lock when it is missing or older than the lock.
PYTHON ?= python3
RUN ?= runs/latest
DURATION ?= 6h
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 pyproject.toml --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help install soak soak-incident soak-article soak-images soak-release ablate bench calibrate bench-live bench-heap bench-cost soak-self leaks allocators prometheus ui report test test-fast test-browser fuzz lint lock clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed ## Install the locked packages into .venv; the other targets do it, too

soak: .venv/installed ## Soak the embedded gateways, leaky and fixed, for four minutes and make the report
	@$(BIN)/soak run demo

soak-incident: .venv/installed ## The same at its real size: 8 GB, eight minutes, 10 GB of free memory
	@$(BIN)/soak run incident

soak-article: .venv/installed
	@echo 'make soak-article is deprecated; use make soak-incident.' >&2
	@$(BIN)/soak run incident

soak-images: .venv/installed ## The incident of soak, from two images built here: make soak-images ENGINE=docker
	@$(BIN)/python -m images gateway $(if $(ENGINE),--engine $(ENGINE))
	@$(BIN)/soak run images $(if $(ENGINE),--set arms.leaky.engine=$(ENGINE) --set arms.fixed.engine=$(ENGINE))

soak-release: .venv/installed ## The same gateways in real time, day and night: make soak-release DURATION=6h
	@$(BIN)/soak run release --set phases.load_s=$(DURATION)

ablate: .venv/installed ## What each fault of the leaky gateway keeps per request, three minutes
	@$(BIN)/soak ablate

ui: .venv/installed ## Soak by hand in Locust's web UI: Start, Stop, report
	@$(BIN)/soak ui demo

report: .venv/installed ## Make a report again: make report RUN=runs/<id>
	@$(BIN)/soak report $(RUN)

test: .venv/installed ## Run all tests, short real soaks among them, in eight to twelve minutes on two cores
	@$(BIN)/pytest -n $$(($$(nproc) + 1)) # two of them drive load, and wait most of their time

test-fast: .venv/installed ## Run the unit tests without the slow ones, a minute and a half
	@$(BIN)/pytest tests/unit -n logical -m "not slow"

test-browser: .venv/installed ## Run the tests of the web UI in a real browser, a minute and a half
	@SOAKPROOF_REQUIRE_BROWSER=1 $(BIN)/pytest tests/browser

fuzz: .venv/installed ## 37,000 damaged inputs, ten minutes: make fuzz SEED=5 KIND=cells NUMBER=12 repeats one
	@$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED)) $(if $(KIND),--kind $(KIND)) $(if $(NUMBER),--number $(NUMBER)) $(if $(SCALE),--scale $(SCALE))

bench: .venv/installed ## Measure the speed of gateway, sampling, load and report, ten minutes: make bench CSV=bench.csv
	@$(BIN)/python -m bench $(if $(CSV),--csv $(CSV))

bench-cost: .venv/installed ## Measure and draw what soakproof costs by rate, workers, processes and hours, four minutes
	@$(BIN)/python -m bench.cost

bench-live: .venv/installed ## How soon a leak is called while the load runs, twelve minutes
	@$(BIN)/python -m bench.live

calibrate: .venv/installed ## Judge 10,000 simulated recordings with known truth, about half an hour
	@$(BIN)/python -m tests.calibration $(if $(QUICK),--quick)

bench-heap: .venv/installed ## What a census of the heap costs and how exact it is, three minutes
	@$(BIN)/python -m bench.heap

soak-self: .venv/installed ## Soak soakproof itself, watched by a browser; two hours: make soak-self MINUTES=60
	@$(BIN)/python -m bench.self_soak $(if $(MINUTES),--minutes $(MINUTES))

leaks: .venv/installed ## Soak 20 leaks, their fixes and 4 healthy apps: make leaks JOBS=2, 45 minutes
	@$(BIN)/python -m tests.leaks --jobs $(or $(JOBS),1) $(CASES)

allocators: .venv/installed ## Soak leaks in many allocators and mappings, and their healthy twins, 25 minutes
	@$(BIN)/python -m tests.leaks --allocators $(CASES)

prometheus: .venv/installed ## Judge 83 planted services in a real Prometheus: 35 leaks, 48 healthy; three minutes
	@$(BIN)/python -m tests.prometheus

lint: .venv/installed ## Check style, types, the direction of imports and the examples for CI
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows docs/ci/github-*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.gitlab-ci docs/ci/gitlab.yml

lock: .venv/installed ## Renew requirements.lock and requirements-image.lock from pyproject.toml
	$(COMPILE) --upgrade --group dev --extra native --output-file requirements.lock
	$(COMPILE) --group build --constraint requirements.lock --no-annotate --output-file requirements-image.lock

clean: ## Remove .venv and caches; runs/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "soakproof needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) lacks venv; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 2; }
	@echo "Installing into .venv, once; this takes a minute or two ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# One set of commands for people and for CI. `make demo` and `make test` set everything up themselves.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
WEB := control_room/web
WEB_SOURCES := $(shell find $(WEB) -type f -not -path '*/node_modules/*' -not -path '*/.next/*' -not -path '*/out/*' 2>/dev/null)
NODE := infra/dev/with-node
PYTEST := $(BIN)/python -m pytest
SLOWEST := --durations=15 --durations-min=5
FAST_TESTS := tests/unit tests/db tests/contract tests/executors tests/conformance tests/faults
STACK_TESTS := tests/acceptance tests/chaos tests/ui
LAKEHOUSE_TESTS := tests/acceptance/test_demo_lakehouse.py
PROVING := tests/faults tests/conformance \
    tests/unit/test_bench_queue.py tests/db/test_machine.py tests/db/test_race_pairs.py
ENGINE_TESTS := tests/executors/test_trino_statements.py tests/executors/test_trino_control.py \
    tests/executors/test_trino_failures.py tests/executors/test_trino_size.py tests/executors/test_dbt_trino.py \
    tests/executors/test_publication_trino.py tests/executors/test_engine_inputs.py tests/executors/test_spark_sql.py tests/executors/test_spark_code.py \
    tests/executors/test_spark_submit.py tests/executors/test_spark_memory.py tests/executors/test_dbt_spark.py \
    tests/conformance/test_trino_kit.py tests/conformance/test_spark_kit.py \
    tests/acceptance/test_stack_trino.py tests/acceptance/test_stack_spark.py tests/acceptance/test_stack_growth.py
WITHOUT_ENGINES := $(patsubst %,--ignore=%,$(ENGINE_TESTS) $(LAKEHOUSE_TESTS))

.PHONY: help demo demo-lakehouse engines up down setup web fmt lint types sql imports generated web-checks verify test test-fast test-stack test-full test-proving test-engines test-engines-full test-lakehouse test-containers test-containers-quick images bench bench-lock lock clean

help: ## show the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# -- use it ----------------------------------------------------------------------------------------------------------
demo: .venv/.demo web ## set everything up, start the stack, run the pipeline on real data
	@$(BIN)/control-room demo $(if $(INPUT),--input "$(INPUT)")

demo-lakehouse: .venv/.lakehouse web ## the same on real engines: Trino and Spark installed, started, one pipeline over both
	@$(BIN)/control-room demo-lakehouse

engines: .venv/.lakehouse web ## Trino and Spark at hand, with their packages, for control-room up --with trino,spark
	@$(BIN)/control-room engines install

up: .venv/.demo web ## start the embedded stack
	@$(BIN)/control-room up

down: ## stop the embedded stack; nothing is lost
	@if [ -x $(BIN)/control-room ]; then $(BIN)/control-room down; else echo "nothing to stop: not set up yet (make demo)"; fi

# -- set-up ----------------------------------------------------------------------------------------------------------
.venv/.demo: locks/demo.lock pyproject.toml infra/dev/venv
	@infra/dev/venv demo

.venv/.dev: locks/dev.lock pyproject.toml infra/dev/venv
	@infra/dev/venv dev

.venv/.lakehouse: locks/lakehouse.lock pyproject.toml infra/dev/venv
	@infra/dev/venv lakehouse

setup: .venv/.dev web ## everything for work on the project

web: control_room/web_dist/index.html ## build the dashboard

# Node may come from PyPI, into an environment made with .venv's Python.
$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json infra/dev/with-node | .venv/.demo
	@infra/dev/step "dashboard: packages (npm ci)" $(WEB) npm ci --no-audit --no-fund --loglevel=error

control_room/web_dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	@NEXT_TELEMETRY_DISABLED=1 infra/dev/step "dashboard: build" $(WEB) npm run --silent dist

# -- check it --------------------------------------------------------------------------------------------------------
fmt: .venv/.dev ## format Python, web and SQL
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix --exit-zero -q .
	@cd $(WEB) && ../../$(NODE) npx biome check --write .

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/.dev
	$(BIN)/mypy

sql: .venv/.dev
	$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar -q ops_schema/sql

imports: .venv/.dev
	$(BIN)/lint-imports --no-cache

generated: .venv/.dev
	$(BIN)/python -m contract.generate --check
	$(BIN)/python -m control_room.api.export --check
	$(BIN)/python -m ops_schema.migrate check
	$(BIN)/python infra/dev/reference.py --check

web-checks: $(WEB)/node_modules/.package-lock.json
	cd $(WEB) && ../../$(NODE) npm run --silent verify

verify: lint types sql imports generated web-checks ## every static check; a warning is an error

test: setup ## set everything up, pass the tests
	@$(MAKE) --no-print-directory test-fast test-stack

test-fast: .venv/.dev
	$(PYTEST) $(FAST_TESTS) $(WITHOUT_ENGINES) -m "not slow" -n 2 -q $(SLOWEST)

test-stack: .venv/.dev web
	$(PYTEST) $(STACK_TESTS) $(LAKEHOUSE_TESTS:%=--ignore=%) -m "not slow" -n 2 --dist loadfile -q $(SLOWEST)

test-full: setup ## the long suites
	@echo "not among them: make test-proving (half an hour and more), test-engines and test-engines-full (Trino, Spark), test-containers (Docker)"
	$(PYTEST) $(FAST_TESTS) -m slow -n 2 -q $(SLOWEST) $(PROVING:%=--ignore=%) $(WITHOUT_ENGINES)
	$(PYTEST) $(STACK_TESTS) $(WITHOUT_ENGINES) -m slow -q $(SLOWEST)

test-lakehouse: .venv/.dev .venv/.lakehouse web ## demo-lakehouse on a stack of its own, twice, and what it left
	$(PYTEST) $(LAKEHOUSE_TESTS) -q $(SLOWEST) -rs

test-engines: .venv/.dev .venv/.lakehouse web ## Trino and Spark, installed where they are not there: the executors, dbt on them, the kit's quick cases
	$(BIN)/control-room engines install trino spark
	$(PYTEST) $(ENGINE_TESTS) -m "not slow" -q $(SLOWEST) -rs

test-engines-full: .venv/.dev .venv/.lakehouse web ## engines that die, ten million rows, spark-submit, the stack's own Trino and Spark, the kit's slow cases
	$(BIN)/control-room engines install trino spark
	$(PYTEST) $(ENGINE_TESTS) -m slow -q $(SLOWEST) -rs

test-proving: setup ## what proves the proofs: seeded faults, slow kit cases, machine and races on all versions
	$(PYTEST) $(PROVING) -m slow -q $(SLOWEST) -rs

images: ## build every container image and print its size; BASE_IMAGE names another base
	@infra/docker/build

test-containers: .venv/.dev ## images, compose, engines, faults among containers; needs a Docker Engine
	$(PYTEST) tests/containers -q $(SLOWEST)

test-containers-quick: .venv/.dev ## what CI takes of it: server, Python and Trino
	IMAGES="server objectstore python trino" $(PYTEST) tests/containers -m quick -q $(SLOWEST)

# The peers are installed at bench time into .cache: the queue's from locks/bench.lock and tests/bench/queue/peers-npm, those of the executors
# from tests/bench/executors/peers. Trino is measured where it is installed (control-room engines install trino).
bench: .venv/.dev web ## measures, side by side, medians
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench queue --out .cache/bench
	$(BIN)/python -m tests.bench executors --out .cache/bench
	$(BIN)/python -m tests.bench limits --out .cache/bench

bench-lock: .venv/.dev
	$(BIN)/uv pip compile tests/bench/queue/requirements.in -c locks/dev.lock --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links --quiet -o locks/bench.lock

lock: .venv/.dev ## recompile the hashed locks
	@locks/compile.sh

clean: ## remove what was built; keeps .control-room
	rm -rf .venv control_room/web_dist $(WEB)/node_modules $(WEB)/.next $(WEB)/out build *.egg-info

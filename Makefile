# Everything here works from a fresh clone and needs Python 3.11 or newer, and Go where no Pulumi can be had.
# Python packages and the Pulumi engine are kept in ~/.cache/paintshare and shared by all clones.

PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: ci-review ci-stage ci-plan ci-promote ci-rollback ci-smoke ci-watch ci-drift ci-rotation
.PHONY: help rehearse week test quick soak durations lint types pytest bench recording install engine requirements clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Interrupted, they and the tests end what they have started (rehearsal/guarded.py). Finished, the Docker hosts go on.
rehearse: ## practise it all on this machine: both stacks previewed, applied and checked, no account needed
	@$(PYTHON) -m rehearsal.guarded $(PYTHON) -m rehearsal.first up

week: install ## a working week on what was rehearsed: releases, rollbacks, rotation, kill switch, drift
	@$(BIN)/python -m rehearsal.guarded $(BIN)/python -m rehearsal week

test: lint types pytest ## lint, types and every test but the long ones, with the real engine and real Docker hosts

quick: lint types ## lint, types and every test that needs neither the engine nor another program: under a minute
	@$(TESTS) -m "not (engine or docker or real or soak)" $(PYTEST)

soak: engine ## what needs long by its nature: load, power cuts, two nodes, kills at every step, long watches
	@$(TESTS) --soak $(PYTEST)

lint: install ## ruff: rules and format
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

types: install ## mypy, strict
	@$(BIN)/mypy

# How many workers, which tests stay together, and in what order: tests/conftest.py.
TESTS := $(BIN)/python -m rehearsal.guarded --always $(BIN)/python -m pytest -q -n auto --dist loadgroup \
	--no-loadscope-reorder

pytest: engine ## the tests alone; PYTEST="-k adopt" chooses
	@$(TESTS) -m "not soak" $(PYTEST)

durations: engine ## run the tests and note how long each file took, by which workers are loaded alike
	@$(TESTS) -m "not soak" --note-durations $(PYTEST)

# What the workflows run, with their inputs in the environment (tools/ci.py).
ci-review ci-stage ci-plan ci-promote ci-rollback ci-smoke ci-watch ci-drift ci-rotation: ci-%: install
	@$(BIN)/python -m tools.ci $*

bench: install ## previews beside an empty program, into docs/benchmarks.md; BENCH=rollouts times releases
	@$(BIN)/python -m tests.bench $(BENCH)

recording: install ## what `make rehearse` prints, in time, into docs/rehearse.svg
	@$(BIN)/python -m tools.recording

install: ## Python packages into .venv; done by every target that needs it
	@$(PYTHON) -m rehearsal.venv

engine: install ## the Pulumi engine into the cache; done by every target that needs it
	@$(BIN)/python -m rehearsal.engine

requirements: install ## compile requirements*.in into pinned and hashed requirements*.txt
	@for name in requirements requirements-dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			--no-emit-index-url --no-emit-find-links $$name.in -o $$name.txt || exit 1; \
	done

clean: ## remove what was made in this clone: the rehearsal, .venv and the tools' caches
	@if [ -e .rehearsal ]; then $(PYTHON) -m rehearsal reset --yes; fi
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

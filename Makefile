# chroma-sync. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-random test-e2e test-cluster cluster-up cluster-down cluster-status \
        generate check-generated requirements programs lint bench bench-chunk bench-incremental \
        bench-document bench-documents bench-large bench-noise bench-retrieval bench-s3 clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTBED := $(PYTHON) tests/cluster/testbed.py
export PYTHONDONTWRITEBYTECODE := 1

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## make .venv with everything, and the chroma-sync command in it

$(VENV)/.ready: tests/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chroma-sync needs Python 3.11 or newer; set PYTHON=... to one")'
	@echo "making $(VENV) (about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r tests/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: setup ## index parts of this checkout on this machine and ask two questions
	@$(BIN)/python tests/demo.py

test: lint check-generated test-unit test-random test-e2e demo test-cluster ## everything, from unit tests to the real cluster

programs: ## install what reads pictures and old Office files, where that is allowed
	@$(PYTHON) tests/programs.py

test-unit: setup programs ## unit tests alone: no cluster, two or three minutes
	$(BIN)/pytest tests/unit -n auto

test-random: setup ## runs that are killed, doubled and disturbed; CASES=2000 for more, SEED=7 CASES=1 for one
	CASES="$(CASES)" SEED="$(SEED)" $(BIN)/pytest tests/random_runs -n auto -q

test-e2e: setup ## the laptop commands, as a person types them
	$(BIN)/pytest tests/e2e

test-cluster: setup ## the operator on a real Kubernetes; KUBECONFIG=FILE for one of your own
	@$(BIN)/python tests/cluster/run.py

cluster-up: setup ## start the one-machine test cluster (Linux, root)
	@$(TESTBED) check && $(TESTBED) prepare && $(TESTBED) up

cluster-down: ## stop it; nothing is left behind
	@$(TESTBED) down

cluster-status: ## is it up, and where is its kubeconfig
	@$(TESTBED) status

generate: setup ## remake everything that is generated
	@$(BIN)/python -m chroma_sync.api.crd crds charts/chroma-sync/crds
	@$(BIN)/python tests/unit/chunk/golden.py
	@$(BIN)/ruff format --quiet operator tests

check-generated: setup ## fail if what is committed is not what it makes
	@made=$$(mktemp -d) && trap 'rm -rf "$$made"' EXIT && $(BIN)/python -m chroma_sync.api.crd "$$made" && \
	  for folder in crds charts/chroma-sync/crds; do \
	    diff --recursive --exclude=samples "$$made" "$$folder" || { echo "$$folder is stale: run 'make generate' and commit"; exit 1; }; \
	  done

requirements: setup ## choose new versions for the pinned requirements
	@$(BIN)/python tests/requirements.py

lint: setup ## types, style and layers
	$(BIN)/ruff check operator tests
	$(BIN)/ruff format --check --quiet operator tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: setup ## measure speed and memory; prints a table
	@$(BIN)/python tests/bench/run.py

bench-chunk: setup ## measure the chunker beside others, over the source trees of this machine
	@$(BIN)/python tests/bench/peers_environment.py
	@build/peers/bin/python tests/bench/bench_chunk.py

bench-document: setup ## stream one document of 100 MiB in 6.5 million chunks (Linux, root; 30 minutes, 8 GB)
	@$(BIN)/python tests/bench/run.py document

bench-documents: setup programs ## how much of what real documents show is found (a minute; CORPUS=DIR for others)
	@CORPUS="$(CORPUS)" KEEP="$(KEEP)" $(BIN)/python tests/bench/run.py documents

bench-incremental: setup ## what indexing again costs after a small change (5 minutes)
	@$(BIN)/python tests/bench/run.py incremental

bench-large: setup ## fetch and stream 100,000 files within 512 MiB (Linux, root; 10 minutes, 3 GB)
	@$(BIN)/python tests/bench/run.py large

bench-noise: setup ## what machine-made files do to ten projects' records (network; 7 minutes)
	@$(BIN)/python tests/bench/run.py noise

bench-retrieval: setup ## how well our chunks are found, beside other chunkers' (6 minutes)
	@$(BIN)/python tests/bench/run.py retrieval

bench-s3: setup ## read and list buckets, beside a bare loop of boto3 (2 minutes)
	@$(BIN)/python tests/bench/run.py s3

clean: ## remove what setup made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache

# run · test · lint · fix · docs · bench; the rest supports them.
# Everything is done by scripts/house.py, with the standard library of Python 3.11 or later.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
HOUSE = "$(PYTHON)" scripts/house.py

.DEFAULT_GOAL := help
.PHONY: help run test lint fix docs bench bench-gateway bench-gate soak test-vllm test-ray lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 20

run: ## install what is missing and start Fireside (PORT, HOST, FIRESIDE_DATA_DIR)
	@exec $(HOUSE) run

test: ## every check and test (ARGS="tests/chat -k stop" runs some)
	@exec $(HOUSE) test $(ARGS)

lint: ## style, types, import contract; Python and TypeScript
	@exec $(HOUSE) lint

fix: ## format the code and mend what can be mended by itself
	@exec $(HOUSE) fix

docs: ## write docs/reference from the code
	@exec $(HOUSE) docs

bench: bench-gateway bench-gate ## the benchmarks, results in bench/results

bench-gateway: ## speed of the server beside its peers (OUT=file.json)
	@exec $(HOUSE) dev
	@exec .venv/bin/python -m bench.gateway $(if $(OUT),--out "$(OUT)") $(ARGS)

bench-gate: ## who is served when there is too much (TRACE=file.csv.gz, OUT=file.json)
	@exec $(HOUSE) dev
	@exec .venv/bin/python -m bench.gate $(if $(TRACE),--trace "$(TRACE)") $(if $(OUT),--out "$(OUT)") $(ARGS)

soak: ## the long tests that `make test` leaves out
	@exec $(HOUSE) dev
	@exec .venv/bin/python -m pytest -m long $(ARGS)

test-vllm: ## the long tests against a real vLLM (installs 3.7 GB into .venv-vllm once)
	@$(HOUSE) dev && $(HOUSE) vllm
	@exec .venv/bin/python -m pytest -m long tests/engine/test_vllm.py $(ARGS)

test-ray: ## the long tests of the Ray application (installs 500 MB into .venv-ray once)
	@$(HOUSE) dev && $(HOUSE) ray
	@exec .venv/bin/python -m pytest -m long tests/deploy/test_ray.py $(ARGS)

lock: ## renew the lock files from pyproject.toml (ARGS=--upgrade)
	@exec $(HOUSE) lock $(ARGS)

clean: ## remove what was built; keeps data/ and .models/
	rm -rf .venv .venv-node .venv-tools .venv-vllm .venv-ray .stamps .cache web/node_modules web/dist fireside/webui dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# `make help` lists the targets. VENV=DIR uses or makes an environment elsewhere.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto

.DEFAULT_GOAL := help
.PHONY: help train test lint check format docs bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

# The stamps hold the time of the last installation: it is repeated only when the project changes.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

train: $(VENV)/.installed ## train the shipped digits network to 5 % of its weights
	$(BIN)/sparsenet train configs/digits/solver.yaml --output runs/digits --overwrite

test: $(VENV)/.installed-dev ## run the tests, warnings as errors
	$(PYTEST)

lint: $(VENV)/.installed-dev ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## all of it: format, lint, types, and the tests with the layering test

format: $(VENV)/.installed-dev ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed ## regenerate docs/configuration.md from the records
	$(BIN)/python scripts/make_configuration_docs.py

bench: $(VENV)/.installed ## measure the training speed against plain PyTorch loops
	$(BIN)/python scripts/bench_train.py

clean: ## remove the environment and caches, but no run
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

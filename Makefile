# The environment is .venv; it is made, and made anew where pyproject.toml or the constraints changed, by whatever needs it.

PYTHON ?= python3
PROMPT ?= a big castle under a starry night sky
SEED ?= 7

bin := .venv/bin
constraints := constraints/dev.txt
install := $(bin)/python -m pip install --quiet --constraint $(constraints)

# Where the environment for development is there, the demo uses it: what it paints with is then this very checkout.
painter := $(or $(wildcard .venv/installed-dev),.venv/installed)

# What npm writes last.
node_modules := web/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check web docs clean

help: ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

# The prompt goes through the environment, unexpanded, so that quotes, dollars and semicolons are only text.
demo: export INKBLOOM_PROMPT = $(value PROMPT)
demo: $(painter) ## Install, and paint a picture: make demo PROMPT="a cute dog" SEED=1
	$(bin)/inkbloom txt2img "$$INKBLOOM_PROMPT" --seed $(SEED) --n_iter 1 --n_samples 1 --skip_grid
	@echo "The studio, in your browser: $(bin)/inkbloom serve --open"

test: .venv/installed-dev ## Run the tests: make test ARGS="tests/text -x"
	$(bin)/python -m pytest $(ARGS)

# The page is built anew beside the committed one; both must be the same, so that what users load is what is in web/.
check: fresh := $(or $(TMPDIR),/tmp)/inkbloom-page
check: .venv/installed-dev $(node_modules) ## Lint, format, types, floors, spelling: what the CI asks for, besides the tests
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/pyright
	$(bin)/lint-imports
	$(bin)/typos
	cd web && npm run --silent check && npm run --silent test
	cd web && npm run --silent build -- --outDir $(fresh) --logLevel error
	diff -r $(fresh) src/inkbloom/apps/web/dist || { echo "The committed page is not what web/ builds: make web." >&2; exit 1; }

web: $(node_modules) ## Build the page of the studio into the package (needs Node)
	cd web && npm run build

docs: .venv/installed-docs ## Build the documentation into docs/_build, warnings being errors
	$(bin)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build

clean: ## Remove the environment and what tools left; pictures and runs stay
	rm -rf .venv build dist docs/_build src/*.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(node_modules): web/package.json web/package-lock.json
	@command -v npm > /dev/null || { echo "The page is built by Node 20.19 or newer, which is not here: https://nodejs.org" >&2; exit 1; }
	cd web && npm ci --no-audit --no-fund
	@touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml $(constraints) $(shell find src -type f -not -path '*.egg-info/*' -not -name '*.pyc') | .venv/bin/python
	@echo "Installing into .venv; the first time this takes some minutes."
	$(install) '.[server]'
	@touch $@

.venv/installed-dev: pyproject.toml $(constraints) | .venv/bin/python
	@echo "Installing into .venv; the first time this takes some minutes."
	$(install) --editable '.[dev]'
	@touch $@

.venv/installed-docs: pyproject.toml $(constraints) | .venv/bin/python
	@echo "Installing into .venv; the first time this takes some minutes."
	$(install) --editable '.[docs]'
	@touch $@

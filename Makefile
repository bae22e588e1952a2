# Two commands: `make run` serves, `make test` checks. Both make the same environment first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip
ARGS   ?=

.PHONY: run test test-clients audit lint types tests install doctor clean

run: $(VENV)/.installed
	$(BIN)/streamer serve $(ARGS)

test: lint types tests

lint: $(VENV)/.tested
	$(BIN)/ruff check streamer tests
	$(BIN)/ruff format --check streamer tests

types: $(VENV)/.tested
	$(BIN)/mypy

tests: $(VENV)/.tested
	$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

doctor: $(VENV)/.installed
	$(BIN)/streamer doctor $(ARGS)

install: $(VENV)/.installed

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt --editable ".[all]"
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) install --quiet -c constraints.txt --group dev
	touch $@

# Other people's clients, each in an environment of its own.
CLIENTS := $(patsubst tests/clients/%/requirements.txt,.build/clients/%/.installed,$(wildcard tests/clients/*/requirements.txt))

test-clients: $(VENV)/.tested $(CLIENTS)
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/clients $(ARGS)

.build/clients/%/.installed: tests/clients/%/requirements.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet -r $<
	touch $@

# Known vulnerabilities of what constraints.txt pins, by a tool in an environment of its own.
audit: .build/audit/.installed
	.build/audit/bin/python .ci/audit.py

.build/audit/.installed:
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet "pip-audit>=2.10,<3"
	touch $@

clean:
	rm -rf $(VENV) .build build *.egg-info .mypy_cache .ruff_cache .hypothesis

# Everything sets itself up: only Python 3.11+, make and git are needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JS     := tests/clients/js tests/browser/js tests/suite/js tests/foreign/express
JS_READY := $(JS:%=%/node_modules/.package-lock.json)

# The tests start hundreds of Python processes: none of them shall compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup test docs-check lint conformance report load clients field serve clean lock pictures

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): pyproject.toml constraints.txt
	@test -d chatproof/harness || { echo "The links in chatproof/ did not arrive. On Windows turn on Developer Mode, then: git config core.symlinks true && git checkout -- chatproof" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("chatproof needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,clients]'
	@touch $@

# The official JavaScript clients, for tests only. Without npm those tests are left out, and say so.
$(JS_READY): %/node_modules/.package-lock.json: %/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix $* --ignore-scripts --silent && touch $@; \
	else echo "npm is not installed: the tests that need $* are left out"; fi

setup: $(READY)  ## make .venv and install everything into it

# Two more than there are processors: most tests wait for others more than they compute.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(6, (os.cpu_count() or 2) + 2))')

# Tests that hardly watch the time. The first two load what is slow to load: official clients and schemathesis.
BESIDE := tests/clients tests/reference_server/test_openapi.py tests/fake_providers tests/bench \
          tests/harness tests/protocol tests/test_packaging.py tests/test_architecture.py tests/test_documents.py \
          tests/test_documented_commands.py

# Seconds after which pytest ends a test that hangs, and shows where it waits. A test of tests/servers may wait for the
# runs of all others.
PYTEST := $(BIN)/python -m pytest --timeout 400
SERVERS_TIMEOUT := 1600

# They and mypy run beside the others, which wait more than they compute, and take only what those leave.
test: $(READY) $(JS_READY)  ## the project's own tests, with ruff and mypy; shows the ten slowest, and which were left out and why
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@(nice -n 19 $(BIN)/mypy && nice -n 10 $(PYTEST) $(BESIDE)) >$(VENV)/beside.txt 2>&1 & beside=$$!; \
	$(PYTEST) --timeout $(SERVERS_TIMEOUT) tests/servers --durations=10; servers=$$?; \
	$(PYTEST) tests --ignore tests/servers $(BESIDE:%=--ignore %) -p no:schemathesis -n $(WORKERS) --dist loadfile \
	    --durations=10; rest=$$?; \
	wait $$beside; others=$$?; cat $(VENV)/beside.txt; exit $$((servers ? servers : rest ? rest : others))

docs-check: $(READY)  ## every command of README.md and docs/ has somebody who runs it; runs those that no test runs
	$(BIN)/python -m tests.documented_commands

lint: $(READY)  ## ruff and mypy alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

conformance: $(READY)  ## fakes + reference server + the whole suite
	$(BIN)/python -m pytest conformance --start "python -m reference_server --port {port}"

report: $(READY)  ## the same, with its HTML report: reports/chatproof.html
	$(BIN)/python -m pytest conformance --start "python -m reference_server --port {port}" \
	    --report-html reports/chatproof.html --report-md reports/chatproof.md --badge reports/chatproof.svg

load: $(READY)  ## 20 s of load on the offline reference server, judged by the API document's figures
	$(BIN)/chatproof load run --start "python -m reference_server --port {port}" --message "scenario paced" \
		--users 10 --duration 20 --json load.report.json --report-html load.report.html

clients: $(READY)  ## large client libraries against the fakes, installed apart: writes docs/clients.md
	$(BIN)/python -m bench clients

field: $(READY)  ## public servers, installed apart, judged with the fakes behind them: writes docs/field.md; ONLY=litellm judges one again
	$(BIN)/python -m field $(ONLY)

serve: $(READY)  ## the reference server, offline, on port 5000
	$(BIN)/python -m reference_server

# Each picture is made by the test that looks at the same page; docs/load.png is one of a real run of 20 s.
pictures: $(READY)  ## make the pictures in docs/ anew; needs Chromium
	CHATPROOF_SCREENSHOTS=$(CURDIR)/docs $(PYTEST) -p no:schemathesis tests/suite/test_reports.py::test_screenshot \
	    tests/browser/test_playground.py::test_a_screenshot \
	    tests/loadtests/test_command.py::test_the_report_of_a_run_in_chromium

lock: $(READY)  ## write constraints.txt from what is installed
	$(BIN)/python -m pip freeze --exclude-editable --disable-pip-version-check > constraints.txt

clean:  ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build

# make lab: JupyterLab at notebook 00.
# make quick: the tests of the model.  make test: all tests but the slow ones.  make test-all: those too.
# make lint: ruff, isort, mypy.  make pins: can every supported Python and platform install constraints.txt?
# make bench, make bench-browser: the figures in the README.  make publish: notebooks and exercises made anew.
# make architecture: the picture of kitlib's floors in the README.  make screenshots: those of the widgets.
SHELL  := bash
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

# JupyterLab on this machine alone: loopback, a token, no news and no update check.
# Under /doc a notebook has the window's whole width.
LAB_OPTIONS := --ip=127.0.0.1 --LabApp.default_url=/doc/tree/notebooks/00_start_here.ipynb \
  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
  --LabApp.extension_manager=readonly $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)

# A codespace forwards the port under an address of its own: its pages may use kernels, and no others may.
ifdef CODESPACE_NAME
FORWARDED   := https://$(CODESPACE_NAME)-8888.$(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN)
LAB_OPTIONS += --ServerApp.allow_origin=$(FORWARDED)
endif

# JupyterLab would ask whether it may fetch news; nothing is fetched here.
# Long lines of code are wrapped, not cut off; a notebook ends where its last cell does.
SETTINGS := { \
  "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}, \
  "@jupyterlab/notebook-extension:tracker": {"codeCellConfig": {"lineWrap": true}, "scrollPastEnd": false}}

# A line for every package; what goes wrong pip says itself.
define INSTALL
@set -o pipefail; $(BIN)/python -m pip install --disable-pip-version-check -r $(1) | \
  while read -r what name _; do case "$$what $$name" in \
    Collecting*) echo "  $${name%%[^[:alnum:]._-]*}";; \
    "Installing collected") echo "  and now all are unpacked";; esac; done
@touch $@
endef

.PHONY: lab quick lint pins test test-slow test-all bench bench-browser publish architecture screenshots clean
lab: $(VENV)/lab
	$(BIN)/jupyter lab $(LAB_OPTIONS) $(LAB)

quick: $(VENV)/dev
	$(PYTEST) -n 2 tests/model

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/isort --check kitlib tests
	$(BIN)/mypy

pins: $(VENV)/dev
	$(PYTEST) -m 'slow or not slow' -n 2 tests/house/test_pins.py

test: $(VENV)/dev
	$(PYTEST) --nbval -n 2 --dist loadfile $(TESTS)

test-slow: $(VENV)/dev
	$(PYTEST) -m slow -n 2 --dist loadfile

test-all: test test-slow

bench: $(VENV)/dev
	$(BIN)/python tests/bench.py

bench-browser: $(VENV)/dev
	$(BIN)/python tests/bench_browser.py

publish: $(VENV)/dev
	$(BIN)/python -m kitlib.course.publish

architecture: $(VENV)/dev
	$(BIN)/python tests/house/architecture.py

screenshots: $(VENV)/dev
	$(BIN)/python tests/screenshots.py

clean:
	rm -rf $(VENV)

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "The kit needs Python 3.11 or newer; write: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	if [ -x $(BIN)/python ]; then $(BIN)/python -m ensurepip --default-pip; else $(PYTHON) -m venv $(VENV); fi

$(VENV)/lab: requirements.txt pyproject.toml constraints.txt Makefile | $(BIN)/pip
	@echo "Installing into $(VENV): one to six minutes, the first time only."
	@mkdir -p $(VENV)/share/jupyter/lab/settings
	@echo '$(SETTINGS)' > $(VENV)/share/jupyter/lab/settings/overrides.json
	$(call INSTALL,requirements.txt)

$(VENV)/dev: requirements-dev.txt $(VENV)/lab
	$(call INSTALL,requirements-dev.txt)

# make lab: JupyterLab at notebook 00.  make test: the tests.  make test-all: the slow ones too.  make bench, make bench-browser: the figures
# in the README.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# JupyterLab on this machine alone: loopback, a token, no news and no update check.
LAB_OPTIONS := --ip=127.0.0.1 --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
  --LabApp.extension_manager=readonly $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)

# JupyterLab would ask whether it may fetch news; nothing is fetched here. And long lines of code are wrapped, not cut off.
SETTINGS := {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}, \
  "@jupyterlab/notebook-extension:tracker": {"codeCellConfig": {"lineWrap": true}}}

.PHONY: lab test test-slow test-all bench bench-browser publish clean
lab: $(VENV)/lab
	$(BIN)/jupyter lab $(LAB_OPTIONS) $(LAB)

test: $(VENV)/dev
	$(BIN)/python -m pytest --nbval -n 2 --dist loadfile $(TESTS)

test-slow: $(VENV)/dev
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile

test-all: test test-slow

bench: $(VENV)/dev
	$(BIN)/python tests/bench.py

bench-browser: $(VENV)/dev
	$(BIN)/python tests/bench_browser.py

publish: $(VENV)/dev
	$(BIN)/python -m kitlib.course.publish

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "The kit needs Python 3.11 or newer; write: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/lab: requirements.txt pyproject.toml constraints.txt Makefile | $(BIN)/python
	@echo "Installing into $(VENV): a minute or two, the first time only."
	$(PIP) -r requirements.txt
	@mkdir -p $(VENV)/share/jupyter/lab/settings
	@echo '$(SETTINGS)' > $(VENV)/share/jupyter/lab/settings/overrides.json
	@touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/lab
	$(PIP) -r requirements-dev.txt
	@touch $@

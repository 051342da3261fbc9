# `make demo` shows a report; `make test` proves the work. Both make .venv themselves, from pinned
# and hashed files, and do nothing a second time.

PYTHON ?= python3
BIN := .venv/bin

# A stranger's environment must not leak into ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX PIP_USER PIP_TARGET PIP_PREFIX
# The demo compiles what it imports, once, instead of all that it installs.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONNOUSERSITE := 1

.PHONY: demo test test-browser test-full lint docs licences secrets audit lock clean restart
.DELETE_ON_ERROR:

demo: .venv/.demo
	$(BIN)/workbench sweep experiments/demo/engines.yml
	$(BIN)/workbench sweep experiments/demo/study.yml

test: .venv/.full
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not browser"

# JupyterLab and the app in Chromium, with screenshots in runs/screenshots.
test-browser: .venv/.full
	$(BIN)/pytest -m browser

test-full: .venv/.full
	$(BIN)/pytest -n 2 --dist worksteal -m "not browser"

lint: .venv/.full
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, from docs/ and the docstrings; a warning or a dead link inside it fails.
# Pages made from docstrings are made anew: one whose module is listed no more would fail it.
docs: .venv/.full
	rm -rf docs/generated
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -b html docs runs/docs
	@echo "Documentation: runs/docs/index.html"

# Licences of what is installed: listed, and none that would bind ours.
licences: .venv/.full
	$(BIN)/pip-licenses --python $(BIN)/python --from=mixed --order=license --format=plain \
	  --partial-match --fail-on "AGPL;Affero;GPL-2.0-only;GPL-3.0"

# Nothing that looks like a key or token is committed; what only looks so is marked in its line.
secrets: .venv/.full
	git ls-files -z -- . ':!requirements/*' | xargs -0 $(BIN)/detect-secrets-hook

# The pins against known advisories, which needs the network.
audit: licences secrets
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements/all.txt

# The one place where pins are made. Pins that still satisfy pyproject.toml stay as they are; to
# move all of them, empty requirements/all.txt first.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"
lock: .venv/.python
	$(LOCK) --extra dev pyproject.toml --output-file requirements/all.txt
	$(LOCK) --constraints requirements/all.txt --extra server pyproject.toml --output-file requirements/demo.txt
	cp requirements/bootstrap.txt .venv/bootstrap.txt
	$(LOCK) --group bootstrap --output-file .venv/bootstrap.txt
# Written only when it differs: a newer file makes .venv anew.
	cmp -s .venv/bootstrap.txt requirements/bootstrap.txt || cp .venv/bootstrap.txt requirements/bootstrap.txt

# Takes and reports under runs/ are the user's: they stay.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis
	find workbench tests requirements -name __pycache__ -prune -exec rm -rf {} +

# A stamp is written only after all before it succeeded. An install that was cut short leaves
# .installing behind: its packages cannot be trusted, so the environment starts again.
ifneq ($(wildcard .venv/.installing),)
.venv/.python: restart
endif

.venv/.python: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "workbench needs Python 3.11 or newer, and '$(PYTHON)' is not: install one and name it, as in 'make demo PYTHON=python3.12'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Making .venv and, in it, the installer (20 MB)."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
	@touch $@

.venv/.demo: .venv/.python requirements/demo.txt pyproject.toml
	@echo "Installing what the demo needs: about 110 packages, 320 MB to download, 1 GB on disk."
	@$(BIN)/python requirements/install.py requirements/demo.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.full: .venv/.demo requirements/all.txt
	@echo "Adding all the rest, torch included: about 180 packages, 3 GB to download, 6 GB on disk."
	@$(BIN)/python requirements/install.py --compile-bytecode requirements/all.txt
	@touch $@

# Everything runs in .venv, built from requirements.lock when it is missing or older than the lock.
# requirements-installer.lock pins uv, which installs it.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed-from-lock
IN_VENV := . $(VENV)/bin/activate &&
PORT ?= 5000

.PHONY: repro main test test-faults ui install lock

repro: $(STAMP)  ## regenerate every table, picture and MLflow run
	$(IN_VENV) dvc repro

main: $(STAMP)  ## the pipeline's own run alone, without the paper's tables
	$(IN_VENV) dvc repro report && dvc repro --single-item publish

test: $(STAMP)  ## the tests, without those marked slow
	$(IN_VENV) python -m pytest

test-faults: $(STAMP)  ## kill trainings and queue workers, break trackers, disks and files; minutes
	$(IN_VENV) python -m pytest -m injects

ui: $(STAMP)  ## browse the runs on http://127.0.0.1:$(PORT)
	$(IN_VENV) python -m pipeline.tracking.ui --port $(PORT)

install: $(STAMP)

$(STAMP): requirements.lock requirements-installer.lock
	$(PYTHON) -c "import sys; sys.exit('Python %d.%d found, 3.11 or newer needed: make PYTHON=...' % sys.version_info[:2] if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-installer.lock
	# uv installs the lock in a seventh of pip's time; pip remains for indexes that only pip is set up for.
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --require-hashes -r requirements.lock || \
		$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

lock:  ## pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" pyproject.toml -o requirements.lock --upgrade
	echo uv | uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" - -o requirements-installer.lock --upgrade

# Everything runs in .venv, built from requirements.lock when it is missing or older than the lock.
# requirements-installer.lock pins uv, which installs it.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed-from-lock
IN_VENV := . $(VENV)/bin/activate &&
PORT ?= 5000
JOBS ?= 2
export RANKS ?= 1

.DEFAULT_GOAL := help
.PHONY: help repro main queue ui serve publish record docs portable compare test test-slow test-faults test-gpu lint types install lock git

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1|\2/' | column -t -s '|'
	@echo "Experiments: . $(VENV)/bin/activate && dvc exp run -S alpha=0.3 report    (README.md says more)"

git:
	@git rev-parse --is-inside-work-tree > /dev/null 2>&1 || { echo "No Git here, and DVC keeps results by Git: \
	git init && git add --all && git commit -m start    (or, without experiments: dvc config --local core.no_scm true)"; \
	test -f .dvc/config.local && grep -q no_scm .dvc/config.local; }

# The cells of all tables at once, longest first: a stage alone leaves cores idle while its last cell runs.
# What cannot be trained (status 1) is said again by its stage, after the own run.
repro: $(STAMP) git  ## every table, picture and MLflow run: `dvc repro`
	$(IN_VENV) dvc repro extractors rates
	$(IN_VENV) python -m stages.cells --ahead --changed || test $$? = 1
	$(IN_VENV) dvc repro
	@echo "Read artifacts/run/RUN.md (the own run) and reports/results/embedded/paper/README.md (the paper's section 7); make ui"

main: $(STAMP) git  ## the own run alone, without the paper's tables: `dvc repro report`; RANKS=4: by four processes or GPUs
	$(IN_VENV) dvc repro report
	@echo "Read artifacts/run/RUN.md; dvc metrics show; make ui"

queue: $(STAMP) git  ## work off the queued experiments by JOBS workers, then compare them
	$(IN_VENV) OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} python -m reports.tools.work_queue --jobs $(JOBS)

ui: $(STAMP)  ## browse the runs on http://127.0.0.1:PORT
	$(IN_VENV) python -m pipeline.tracking.ui --port $(PORT)

serve: $(STAMP)  ## answer requests to the champion, or to MODEL=..., on http://127.0.0.1:PORT (5001), this machine alone
	$(IN_VENV) python -m pipeline.tracking.serve --port $(if $(filter file,$(origin PORT)),5001,$(PORT)) $(if $(MODEL),--model $(MODEL))

publish: $(STAMP)  ## bring MLflow up to date with the files, after it could not be reached
	$(IN_VENV) dvc repro --single-item publish

record: $(STAMP)  ## copy the own run's pictures and tables to where README.md shows them
	$(IN_VENV) python -m reports.tools.record

docs: $(STAMP)  ## bring the generated parts of README.md and docs/ up to date
	$(IN_VENV) python -m reports.tools.update_documents

portable: $(STAMP)  ## leave out of dvc.lock what only this machine has, before it is committed without a remote
	$(IN_VENV) python -m reports.tools.portable_lock

compare: $(STAMP)  ## BASE=<revision>: which results of a smoke run are bit-equal to those of that revision
	$(IN_VENV) python -m reports.tools.compare_revisions --base $(BASE)

test: $(STAMP)  ## the tests, without those marked slow
	$(IN_VENV) python -m pytest

test-slow: $(STAMP)  ## those marked slow: the whole pipeline as users run it, the queue
	$(IN_VENV) python -m pytest -m slow -n 0

test-faults: $(STAMP)  ## kill trainings and queue workers, break trackers, disks and files
	$(IN_VENV) python -m pytest -m injects -n 0

# Python of a machine from which nothing can be downloaded: make test-gpu GPU_PYTHON=python3 builds no .venv.
test-gpu: $(if $(GPU_PYTHON),,$(STAMP))  ## on a machine with CUDA, 8 minutes at most: tests, bfloat16 against float32, speed
	$(or $(GPU_PYTHON),$(VENV)/bin/python) -c "import sys, torch; sys.exit(None if torch.cuda.is_available() else 'test-gpu: torch sees no CUDA device')"
	timeout 180 $(or $(GPU_PYTHON),$(VENV)/bin/python) -m pytest tests/device -m "not faults" -n 0 --deselect \
		tests/device/test_measurements.py::test_everything_is_measured
	timeout 300 $(or $(GPU_PYTHON),$(VENV)/bin/python) -m benchmarks.accelerator --seconds 240 --json \
		--output reports/results/speed/accelerator.json

lint: $(STAMP)  ## ruff: rules and format
	$(IN_VENV) ruff check . && ruff format --check .

types: $(STAMP)  ## mypy
	$(IN_VENV) python -m mypy

install: $(STAMP)  ## build .venv

$(STAMP): requirements.lock requirements-installer.lock
	$(PYTHON) -c "import sys; sys.exit('Python %d.%d found, 3.11 or newer needed: make PYTHON=...' % sys.version_info[:2] if sys.version_info < (3, 11) else 0)"
	@test ! -L $(VENV) || { echo "$(VENV) is a link: what it leads to would be emptied; build it where it lies, or remove the link"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-installer.lock
	# uv installs the lock in a seventh of pip's time; pip remains for indexes that only pip is set up for.
	# Python that may not keep what it compiles (as in many containers) compiles torch and mlflow anew in each
	# process, of which an experiment has thirteen: then here, once.
	$(VENV)/bin/uv pip install --quiet $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode) --python $(VENV)/bin/python --require-hashes -r requirements.lock || \
		$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

lock:  ## pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --extra dev --extra cluster pyproject.toml -o requirements.lock --upgrade
	echo uv | uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" - -o requirements-installer.lock --upgrade

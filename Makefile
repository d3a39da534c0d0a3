# Needs python3 (3.11 or newer), make, git and a package index; everything else goes into .venv and .uv.
PYTHON ?= python3
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= true

.PHONY: demo test test-all check bench reference install clean

demo:        ## the whole service on this machine, and purchases through it; ROAD= and READ_MODEL= as in the README
	@$(PYTHON) bootstrap.py run
	@$(BIN)/foldstack demo $(if $(ROAD),--config road=$(ROAD)) $(if $(READ_MODEL),--config readModel=$(READ_MODEL)) $(ARGS)

test:        ## the tests, without those marked long
	@$(PYTHON) bootstrap.py
	$(BIN)/pytest -n 2 -m "not long" $(ARGS)

test-all:    ## every test
	@$(PYTHON) bootstrap.py
	$(BIN)/pytest -n 2 $(ARGS)

check:       ## format, lint, types, import contracts
	@$(PYTHON) bootstrap.py
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

bench:       ## each number against its peer, in the same run
	@$(PYTHON) bootstrap.py
	$(BIN)/python -m benchmarks commands $(ARGS)
	$(BIN)/python -m benchmarks coldstart $(ARGS)
	$(BIN)/python -m benchmarks rebuild $(ARGS)
	$(BIN)/python -m benchmarks tenancy $(ARGS)
	$(BIN)/python -m benchmarks consumers $(ARGS)
	$(BIN)/python -m benchmarks lake $(ARGS)
	$(BIN)/python -m benchmarks latency $(ARGS)

reference:   ## docs/reference.md, docs/architecture.svg, contracts/: what is made from the code
	@$(PYTHON) bootstrap.py
	$(BIN)/python -m tests.explain.reference
	$(BIN)/foldstack graph docs/architecture.svg
	$(BIN)/foldstack contracts --write

install:     ## only the environment
	@$(PYTHON) bootstrap.py

clean:       ## the environment and what builds leave; never a stack's data
	rm -rf .venv .uv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

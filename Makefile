# Each target is the only command needed on a fresh clone: it makes the environment on the way.
PYTHON ?= python3
# One worker more than processors, since drills wait for the systems that they start; at most four.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -ge 4 ] && echo 4 || echo $$((n + 1)))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OWN := tests --ignore tests/faults --ignore tests/docker --ignore tests/examples --ignore tests/soak
# A worker that has no test left takes one from another's queue.
WORKERS := -n $(JOBS) --dist worksteal
RUNS ?= 20
# How long the campaigns of make soak are: runs that are killed, histories, seconds of random game days.
MOMENTS ?= 50
HISTORIES ?= 500
BUDGET ?= 120
# Many tests start Python: without its bytecode, each of them compiles the suite again.
unexport PYTHONDONTWRITEBYTECODE
# One planted fault of each kind: gateway, flag, migration, backup, probe, history.
SENTINELS := flag-ignored or downgrade-alters-rows or restore-loses-rows or bad-migration-is-ignored or \
	health-hangs or downgrade-is-empty or version-unchanged or two-heads

FAULTS_rest := -k "not ($(SENTINELS) or healthy_variants)"
FAULTS_healthy := -k healthy_variants

.PHONY: help env drills images test lint types unit slow sentinels faults healthy docker examples soak bench bench-reversibility docs sample new-drill dist clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: $(READY) ## make the environment in .venv (uv if present, else venv and pip)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "rollback-drills needs Python 3.11 or newer; name one with make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "installing the environment into $(VENV) (once; about half a minute)"
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

drills: $(READY) ## perform every rollback of the runbook on the reference gateway (DRILLS=--drill-runtime=…)
	$(BIN)/pytest drills -n $(JOBS) -v $(DRILLS)

images: ## build the base images from Debian's packages, where no registry can be reached
	$(PYTHON) fixtures/images/build.py

# PYTHONS=all: the same on every supported Python of this machine, each with an environment of its own.
ifeq ($(PYTHONS),all)
test: ## lint, types, the suite's own tests, and one planted fault of each kind (PYTHONS=all: on every Python >= 3.11)
	@.ci/pythons | while read -r version python; do \
		echo "== Python $$version ($$python)"; \
		$(MAKE) test PYTHONS= PYTHON=$$python VENV=.venv-$$version </dev/null || exit; \
	done
else
test: lint types unit sentinels
endif

lint: $(READY) ## ruff: lint and format
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

unit: $(READY) ## the suite's own tests that need no Docker, without the slow ones and the planted faults
	$(BIN)/pytest $(OWN) $(WORKERS) -q -m "not slow"

slow: $(READY) ## those of the suite's own tests that take long: documented commands, the same again on workers
	$(BIN)/pytest $(OWN) $(WORKERS) -q -m slow

sentinels: $(READY)
	$(BIN)/pytest tests/faults $(WORKERS) -q -k "$(SENTINELS)"

faults: $(READY) ## plant every fault and see it caught, and every healthy variant without a finding (FAULTS=rest: the faults that make test leaves out; FAULTS=healthy: the variants)
	$(BIN)/pytest tests/faults $(WORKERS) -q $(FAULTS_$(FAULTS))

healthy: $(READY) ## perform RUNS (20) game days on the healthy gateway, which must have no finding at all (WITHIN=seconds)
	$(BIN)/python tests/healthy.py $(RUNS) $(if $(WITHIN),--within $(WITHIN)) -n $(JOBS) $(DRILLS)

docker: $(READY) ## what needs a Docker engine: runtimes, images, Compose, runs that are killed, engines on other hosts
	$(BIN)/pytest tests/docker -n $(JOBS) -q

examples: $(READY) ## the projects of examples/, drilled as their pages say, from the wheel alone; two of them need Docker
	$(BIN)/pytest tests/examples -n 0 -q $(if $(EXAMPLES),-k "$(EXAMPLES)")

soak: $(READY) ## long campaigns: histories against pg_dump, random game days, what kills runs and what hinders them
	ROLLBACK_DRILLS_EXAMPLES=$(HISTORIES) $(BIN)/pytest tests/postgres/test_schema_tracker.py -q -n0
	$(BIN)/pytest drills -k random_game_days --drill-budget $(BUDGET) -v
	ROLLBACK_DRILLS_MOMENTS=$(MOMENTS) $(BIN)/pytest tests/soak -n $(JOBS) -v

bench: $(READY) ## what the harness costs beside the systems that it starts
	$(BIN)/python tests/bench.py

bench-reversibility: $(READY) ## the walk through 1000 migrations beside its neighbours (NEIGHBOURS names their interpreters)
	$(BIN)/python tests/bench_reversibility.py --write $(NEIGHBOURS)

docs: $(READY) ## regenerate what is generated: findings, options, target file, the schemas (docs/reference)
	$(BIN)/python docs/generate.py

sample: $(READY) ## perform a game day on the embedded runtime and put its report into reports/sample
	$(BIN)/python docs/sample.py -n $(JOBS) -q

new-drill: $(READY) ## lay out the files of a new drill: NAME=roll_forward
	@$(BIN)/python tools/new_drill.py $(NAME)

dist: $(READY) ## build the sdist and the wheel into dist
	@rm -rf dist
	$(BIN)/python -m hatchling build

clean: ## remove the environment and what the tools left
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

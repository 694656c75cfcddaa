.PHONY: setup demo test check docs lock lm_eval bench
python := .venv/bin/python

setup: ## make .venv and install the pinned set
	@launch/setup.sh

demo: setup ## GRPO on the bundled model: three to five minutes on two quiet cores, installation included
	@.venv/bin/rayrl demo

test: setup ## the whole suite: the light tests beside those on real Ray, vLLM and the bundled model
	@$(python) -m pytest tests/integration tests/unit -n 2 --no-loadscope-reorder --durations=15

check: setup ## lint, format, types, import boundaries
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy
	@.venv/bin/lint-imports

docs: setup ## docs/metrics.md from the table of metrics, docs/settings.md from the classes of the settings
	@$(python) docs/metrics.py
	@$(python) docs/settings.py

lm_eval: setup ## lm-evaluation-harness, for benchmarks that are its tasks
	@$(python) -m pip --disable-pip-version-check -qq install --no-deps --no-compile -r launch/locks/lm-eval.txt

lock: setup ## resolve the pinned sets anew
	@$(python) launch/lock.py

bench: lm_eval ## speed and memory against TRL, lm-eval, math-verify and floors: one table, on an idle machine
	@$(python) -m pip --disable-pip-version-check -qq install --no-deps --no-compile trl==1.16.0
	@$(python) -m tests.benchmarks.bench

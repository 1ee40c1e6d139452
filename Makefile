# Two commands need nothing but Python: `make demo` and `make test`. Each makes its own environment.

PYTHON ?=
ARGS ?=
DEMO := .venv-demo
TEST := .venv-test

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Python that has wheels of all dependencies: $(PYTHON), or the first of these that is 3.11 to 3.13.
define find_python
found=; \
for candidate in $(or $(PYTHON),python3 python3.12 python3.13 python3.11 python); do \
  if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
    2>/dev/null; then found="$$candidate"; break; fi; \
done; \
if [ -z "$$found" ]; then \
  echo "Sensorium needs Python 3.11 to 3.13; found none. Install one, or name it:" \
    "make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3.12" >&2; exit 1; \
fi
endef

# $(1): the folder of the environment. $(2): what to install into it. uv is quicker, pip the fallback.
# Both compile: Ray starts a dozen processes at once, none of which would find what another compiles,
# and where PYTHONDONTWRITEBYTECODE is set all would do so at every start.
define install
$(find_python); \
if ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
  echo "Making $(1) with $$("$$found" --version)"; \
  "$$found" -m venv --clear $(1) || { \
    echo "Python has no venv with pip here. On Debian and Ubuntu: apt install python3-venv" >&2; \
    rm -rf $(1); exit 1; }; \
fi; \
echo "Installing into $(1): $(2)"; \
$(1)/bin/python -m pip install --quiet --disable-pip-version-check uv \
  && $(1)/bin/python -m uv pip install --quiet --compile-bytecode --python $(1)/bin/python $(2) \
  || { echo "uv could not; trying pip"; \
    $(1)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' \
    && $(1)/bin/python -m pip install --quiet --disable-pip-version-check $(2); } \
  && $(1)/bin/python -m compileall -q engine plugins
@touch $@
endef

.PHONY: help demo demo-kafka test lint soak bench chart constraints programs apiserver clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  ARGS="..." is added to the command, as in: make demo ARGS="--outage 0.3"'

demo: $(DEMO)/.installed ## set up without torch, and classify real sensor streams live, on Ray Serve
	@$(DEMO)/bin/sensorium demo --executor auto $(ARGS)

demo-kafka: $(DEMO)/.installed ## the same through Apache Kafka: a producer, the engine and a consumer
	@$(DEMO)/bin/sensorium demo kafka $(ARGS)

test: $(TEST)/.installed programs ## set up with everything, and run the tests
	$(TEST)/bin/python -m pytest $(ARGS)

lint: $(TEST)/.installed ## style, types and layers
	$(TEST)/bin/ruff check
	$(TEST)/bin/ruff format --check
	$(TEST)/bin/mypy
	$(TEST)/bin/lint-imports --no-cache

soak: $(TEST)/.installed ## the tests with long property runs
	SENSORIUM_SOAK=1 $(TEST)/bin/python -m pytest --timeout 7200 $(ARGS)

bench: $(TEST)/.installed ## measure the engine, the aligner and the modalities
	$(TEST)/bin/python tests/benchmarks/pipeline.py $(ARGS)
	$(TEST)/bin/python tests/benchmarks/align.py
	$(TEST)/bin/python tests/benchmarks/encoding.py
	$(TEST)/bin/python tests/benchmarks/metrics.py
	$(TEST)/bin/python tests/benchmarks/kafka_records.py
	$(TEST)/bin/python tests/benchmarks/kafka_sending.py
	$(TEST)/bin/python tests/benchmarks/kafka.py
	$(TEST)/bin/python tests/benchmarks/kafka_restart.py

chart: $(TEST)/.installed ## make the files of the Helm chart that follow from others
	$(TEST)/bin/python tests/support/chart_schema.py
	$(TEST)/bin/python tests/support/chart_readme.py
	cp deploy/observability/rules.yaml deploy/observability/dashboard.json helm/sensorium/files/

constraints: $(TEST)/.installed ## renew the versions that the container images have
	$(TEST)/bin/python -m uv pip compile --quiet --universal --python-version 3.12 --no-header \
	  --no-annotate --upgrade --extra torch --extra image --extra audio --extra demo pyproject.toml \
	  -o deploy/constraints.txt

# Helm and Compose; without them the tests that need them are skipped with the reason.
programs: $(TEST)/.installed
	-@$(TEST)/bin/python tests/support/programs.py small

apiserver: $(TEST)/.installed ## build helm and a Kubernetes API server for the tests of the chart
	@$(TEST)/bin/python tests/support/programs.py small apiserver

clean: ## remove the environments and everything built
	rm -rf $(DEMO) $(TEST) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEMO)/.installed: pyproject.toml
	@$(call install,$(DEMO),-e '.[demo]')

$(TEST)/.installed: pyproject.toml plugins/sensorium-ecg/pyproject.toml
	@$(call install,$(TEST),-e '.[torch$(comma)train$(comma)image$(comma)audio$(comma)video$(comma)sentence$(comma)digits$(comma)demo]' -e plugins/sensorium-ecg --group dev)

comma := ,

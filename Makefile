# `make train` and `make test` need only Python >= 3.11 (PYTHON=...), make and a network.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKED := requirements-locked.txt
# A plain path, so that a script beside the clone finds the package and not the folder.
EDITABLE := --config-settings editable_mode=compat --editable

.PHONY: help train test test-ci test-slow test-sanitized test-gpu test-gpu-sanitized lint wheel docs clean \
	torture fuzz audit lock locked

help:
	@echo "make train      train on the bundled digits: the main job, a minute"
	@echo "make test       the tests: eight to ten minutes on two cores"
	@echo "make test-ci    one of each kind of slow test"
	@echo "make lint       ruff and mypy"
	@echo "make wheel      dist/asrnn-VERSION-py3-none-any.whl, with configs and spaces"
	@echo "make docs       site/, the pages of docs/ and the reference, to be opened in a browser"
	@echo "make test-slow, make test-sanitized: what takes minutes; make torture, make fuzz: hours"
	@echo "make test-gpu, make test-gpu-sanitized: what needs an NVIDIA GPU"

train: $(VENV)/installed
	$(BIN)/python -m asrnn.train --config=configs/digits.py

# Where `make test-gpu` has installed CUDA, jax would take the GPU for these.
test test-ci test-slow test-sanitized: export JAX_PLATFORMS := cpu

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The kinds: a simulated GPU, kills, several processes, a Ray cluster, a browser, sanitizers, and
# variants of quick tests that say the same of other parameters.
test-ci: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m "slow and ci"

test-slow: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m "slow and not gpu"

# The kernel's tests with its C++ built for the address and undefined-behaviour sanitizers.
test-sanitized: $(VENV)/installed-dev
	ASRNN_NATIVE_SANITIZE=address,undefined ASAN_OPTIONS=detect_leaks=0 \
	LD_PRELOAD="$$(c++ -print-file-name=libasan.so) $$(c++ -print-file-name=libubsan.so) \
	$$(c++ -print-file-name=libstdc++.so)" $(BIN)/python -m pytest tests/recurrence/native

# The CUDA kernels on a GPU; then under compute-sanitizer, which comes with a CUDA toolkit:
# our kernels alone, on one of each kind, and no errors of the API, some of which XLA expects.
test-gpu: $(VENV)/installed-cuda
	$(BIN)/python -m pytest -m gpu

SANITIZED_SIZES := n33-m3 or n70-m5 or n128-m1-True or n130-m2 or n256-m96

test-gpu-sanitized: $(VENV)/installed-cuda
	for tool in memcheck racecheck; do \
	  XLA_PYTHON_CLIENT_ALLOCATOR=platform compute-sanitizer --tool $$tool --error-exitcode 1 \
	    --kernel-regex kns=asrnn_ --report-api-errors no \
	    $(BIN)/python -m pytest -m gpu tests/recurrence/native/cuda/test_values.py \
	    -k 'agrees_with_float64 and ($(SANITIZED_SIZES))' || exit 1; done

# A thousand kills, damages and senseless inputs, and too little of everything: hours.
torture: export JAX_PLATFORMS := cpu
torture: $(VENV)/installed-dev
	$(BIN)/python experiments/torture.py --kills=1000 --out=experiments/results/reliability/torture.json
	$(BIN)/python experiments/damage.py --damages=500 --out=experiments/results/reliability/damage.json
	$(BIN)/python experiments/fuzz.py --inputs=6000 --out=experiments/results/reliability/fuzz.json
	$(BIN)/python experiments/scarcity.py --out=experiments/results/reliability/scarcity.json

# An hour of the readers' bytes, led by the lines that they execute.
fuzz: export JAX_PLATFORMS := cpu
fuzz: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python experiments/coverage_fuzz.py --minutes=60 --out=experiments/results/reliability/coverage-fuzz.json

# What is known against the locked packages; fails where the advisories cannot be reached, too.
audit: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip_audit --requirement $(LOCKED) --require-hashes --disable-pip --strict

# The hashes of everything that Python 3.11 takes; again after a change of constraints.txt.
lock: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/python -m piptools compile --quiet --generate-hashes --constraint constraints.txt \
	  --extra dev --strip-extras --allow-unsafe --no-header --no-annotate --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --output-file $(LOCKED) setup.cfg

# The environment for development with Python 3.11, each package compared with its hash.
locked: $(LOCKED)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $(LOCKED)
	$(BIN)/python -m pip install --quiet --no-deps $(EDITABLE) .
	touch $(VENV)/installed $(VENV)/installed-dev

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What an earlier build left in build/ would get into the wheel.
wheel: $(VENV)/installed
	rm -rf build
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	rm -rf build

# NO_MKDOCS_2_WARNING: the theme would advertise its successor.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "written: site/index.html; with search: $(BIN)/python -m http.server --directory site"

clean:
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "asrnn needs Python >= 3.11: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(EDITABLE) .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(EDITABLE) '.[dev]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(EDITABLE) '.[docs]'
	touch $@

$(VENV)/installed-cuda: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(EDITABLE) '.[dev,cuda]'
	touch $@

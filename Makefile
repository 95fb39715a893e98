# Everything runs in .venv, from pinned wheels: no root, no compiler, Python 3.11 or later and pip.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv links lint test test-toolchain plugins demo clean

# The first interpreter that is new enough, or whatever the caller names: make PYTHON=/path/to/python3.12 test
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
SETUPTOOLS := $(shell sed -n 's/^requires = \["\(setuptools==[0-9.]*\)"\]/\1/p' pyproject.toml)
comma := ,
# Tuned kernels are linked with cc where there is one, else with the wheel of the `link` extra.
# What tests want beside what users need: every reader, model and labeller that comes as a wheel.
TEST_EXTRAS := onnx,data,train,graph,tokens,triton,dev
LINK := $(if $(shell command -v cc 2>/dev/null),,$(comma)link)

DEMO := .demo
DEMO_SECONDS := 150
MAGIKA := magika-1.0.3-py3-none-manylinux_2_28_x86_64.whl
MAGIKA_SHA256 := 3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529
MODEL := magika/models/standard_v3_3/model.onnx
MODEL_SHA256 := fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c

help:
	@echo 'make demo            install into .venv, tune a real model for $(DEMO_SECONDS) s, print a table'
	@echo 'make test            install into .venv, lint, type-check, run every test'
	@echo 'make test-toolchain  the tests that need: apt-get install clang-22 llvm-22 llvm-22-tools mlir-22-tools'
	@echo 'make plugins         build/plugins: for LLVM and MLIR 22 (apt-get install clang-22 llvm-22-dev libmlir-22-dev)'
	@echo 'make venv            only install, with what developing needs'
	@echo 'make links           costmodel/{ir,search,datasets}, for mypy and editors'
	@echo 'make lint            ruff and mypy'
	@echo 'make clean           remove everything that make made'

# Debian without python3-venv has no ensurepip: its own pip then installs pip into the empty environment.
$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo 'make: Python 3.11 or later is needed' >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(VENV) \
	|| { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(PY) install --quiet pip; }
	$(PIP) install $(SETUPTOOLS)
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml setup.py
	$(PIP) install --no-build-isolation -e '.[onnx$(LINK)]'
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) install --no-build-isolation -e '.[$(TEST_EXTRAS)$(LINK)]'
	@touch $@

venv: $(VENV)/.dev links

links:
	@for name in ir search datasets; do ln -sfn ../$$name costmodel/$$name; done

lint: $(VENV)/.dev links
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# As many processes as cores, up to four: each imports torch.
test: lint
	$(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal

test-toolchain: $(VENV)/.dev
	$(PY) -m pytest -m toolchain --require toolchain

# With the weights beside them, where they look for them: `python -m costmodel.cli.main export default --features v1
# --unlabelled FOLDER` makes those of another model.
plugins: $(VENV)/.installed
	$(MAKE) -C costmodel/native OUT=$(CURDIR)/build/plugins

# The wheel is only a container of the model here: it is checked and opened, never installed.
$(DEMO)/$(MAGIKA): | $(VENV)/.installed
	$(PIP) download --no-deps --only-binary :all: --dest $(DEMO) magika==1.0.3
	@echo '$(MAGIKA_SHA256)  $@' | sha256sum --check --quiet

$(DEMO)/model.onnx: $(DEMO)/$(MAGIKA)
	@$(PY) -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile("$<").read("$(MODEL)"))' > $@
	@echo '$(MODEL_SHA256)  $@' | sha256sum --check --quiet

demo: $(VENV)/.installed $(DEMO)/model.onnx
	rm -rf $(DEMO)/out
	$(PY) -m costmodel.cli.main tune $(DEMO)/model.onnx -o $(DEMO)/out --seconds $(DEMO_SECONDS) --input bytes=1,2048

clean:
	rm -rf $(VENV) $(DEMO) build dist costmodel_ir.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f costmodel/ir costmodel/search costmodel/datasets
	find costmodel ir search datasets benchmarks tests -name __pycache__ -type d -exec rm -rf {} +

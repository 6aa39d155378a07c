# SPDX-License-Identifier: Apache-2.0
# The front door. CMake does the building (CMakePresets.json), tools/setup.sh installs what is missing.
BUILD := build/release
PREFIX ?= /usr/local
PYTHON := .venv/bin/python
MODELS := examples/mnist/models

.PHONY: all program python demo test test-all conformance bench bench-latency bench-plots check privacy asan install wheel clean help
.DEFAULT_GOAL := all

all: program python ## the program, build/release/mp2ml, and the Python package, in .venv

program:
	@tools/setup.sh build
	@tools/build.sh release mp2ml

python: program
	@tools/setup.sh venv
	@tools/build.sh python

demo: ## build, serve a bundled network, predict privately, print what it took
	@tools/setup.sh build venv
	@tools/build.sh release mp2ml
	@tools/demo.sh

test: python ## all tests but those that need TensorFlow or PyTorch
	@tools/build.sh release all
	@ctest --test-dir $(BUILD) --output-on-failure -j 2
	@$(PYTHON) -m pytest -q -m "not tensorflow and not torch" tests/python

test-all: test ## also the tests that need TensorFlow or PyTorch, which it installs
	@tools/setup.sh training torch
	@$(PYTHON) -m pytest -q -m tensorflow tests/python
	@# alone: the compiler in some builds of PyTorch ends a process that has TensorFlow's in it
	@$(PYTHON) -m pytest -q -m torch tests/python/test_torch.py

conformance: ## ONNX's own tests of its operators, in the clear and by both parties, as a table
	@tools/setup.sh build
	@tools/build.sh release conformance
	@OMP_WAIT_POLICY=passive tools/conformance.sh $(BUILD) || [ $$? -eq 77 ]

bench: program ## kernels, protocols, networks, beside limits; BENCH=long for more runs
	@tools/build.sh release bench_micro bench_protocol
	@tools/bench.sh $(BENCH)

bench-latency: program ## small requests over simulated links, beside the planner; about half an hour
	@mkdir -p build/bench && rm -f build/bench/latency.json
	@python3 tools/bench_latency.py long --save build/bench/latency.json

bench-plots: ## pictures of what `make bench` and `make bench-latency` measured, in build/bench
	@tools/setup.sh plots
	@$(PYTHON) tools/bench_plots.py build/bench

check: ## format, layers, sizes, documents, symbols, warnings of gcc and clang
	@tools/setup.sh build check venv format
	@tools/check.sh

privacy: ## what travels and what each party holds, measured, with controls that must fail
	@tools/setup.sh build
	@tools/build.sh release all
	@python3 tools/privacy.py $(BUILD)

asan: ## the C tests under the address and undefined-behaviour sanitizers
	@tools/setup.sh build
	@tools/build.sh asan all
	@ctest --test-dir build/asan --output-on-failure -j 2

install: ## the program, its header and its library, under PREFIX (/usr/local)
	@tools/setup.sh build
	@tools/build.sh release mp2ml mp2ml_shared
	@cmake --install $(BUILD) --prefix $(PREFIX)

wheel: ## dist/mp2ml-*.whl, one for all Python versions from 3.11
	@tools/setup.sh build venv
	@$(PYTHON) -m pip wheel -q --no-deps --no-build-isolation -w dist .

clean: ## everything that was built; .venv stays
	@rm -rf build dist

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

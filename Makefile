# The commands of the README. Each sets up what is missing (tools/setup.sh), builds what changed and runs; the second
# time each starts in seconds. The variables are for the command line:
#   ARGS        what `make run` gives the program          make run ARGS="chat"
#   CMAKE_ARGS  extra settings of the release build        make build CMAKE_ARGS=-DTERCET_CUDA=off
#   BENCH_ARGS  what `make bench` gives bench/run.py       make bench BENCH_ARGS="--models demo --peer /opt/llama-bench"
#   JOBS        how many tests run at a time (default: one a core)
#   PREFIX      where `make install` puts it               make install PREFIX=$HOME/.local
# TERCET_SETUP=off in the environment skips the set-up, for systems whose packages are installed in another way.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
ARGS ?= run -p 'Write a Python function `add`: Add two numbers.' -n 200
sources = git ls-files -co --exclude-standard src tests bench | grep -E '\.(h|cc|cu)$$'

.PHONY: run test heavy build bench fmt check-format tidy fuzz install clean distclean FORCE

run: build
	@build/tercet $(ARGS)

test: build/build.ninja
	@tools/setup.sh --test
	@cmake --build build
	@ctest --preset release -j $(JOBS)

# Tests that take tens of minutes and up to 20 GB of memory.
heavy: build/build.ninja
	@cmake --build build --target heavy_tests
	@ctest --preset heavy

build: build/build.ninja
	@cmake --build build --target tercet

# BENCH_ARGS, for example --peer=PATH/llama-bench: see bench/run.py
bench: build
	@cmake --build build --target tokenizer_bench
	@build/venv/bin/python bench/run.py $(BENCH_ARGS)

# setup.sh looks every time, and touches its stamp only when it changed something; then CMake looks again too.
build/setup.stamp: FORCE
	@tools/setup.sh

build/build.ninja: build/setup.stamp $(if $(CMAKE_ARGS),FORCE)
	@cmake --preset release $(CMAKE_ARGS)

fmt:
	@tools/setup.sh --dev
	@$(sources) | xargs clang-format-19 -i

check-format:
	@tools/setup.sh --dev
	@$(sources) | xargs clang-format-19 --dry-run -Werror

# TIDY_FILES narrows it: a regular expression on the paths of the sources. nvcc's command lines are not clang-tidy's. By the preset
# that compiles file by file.
TIDY_FILES ?= /(src|tests|bench)/
tidy: build/setup.stamp
	@tools/setup.sh --dev
	@cmake --preset debug $(CMAKE_ARGS)
	@run-clang-tidy-19 -quiet -p build/debug -j $(JOBS) -warnings-as-errors='*' '$(TIDY_FILES).*\.cc$$'

# Runs every fuzz target for FUZZ_SECONDS; what it learns stays in build/fuzz/corpus.
fuzz:
	@tools/setup.sh --dev
	@cmake --preset fuzz
	@cmake --build build/fuzz --target fuzzers
	@set -e; for fuzzer in build/fuzz/bin/*_fuzz; do \
	  corpus=build/fuzz/corpus/$$(basename $$fuzzer); mkdir -p $$corpus; \
	  $$fuzzer -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 $$corpus; done

install: build
	@cmake --install build --prefix '$(PREFIX)'

# clean keeps what was downloaded; distclean does not.
clean:
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name venv ! -name wgpu-native -exec rm -rf {} +; fi

distclean:
	@rm -rf build

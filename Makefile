# A thin front to CMake, ctest and scripts/. What to build is said in CMakeLists.txt.

BUILD  ?= build
PREFIX ?= /usr/local
# More tests at a time than this would share two cores with the brokers that they start.
JOBS   ?= 2
# ctest's results as a file, e.g. for .ci/run (JUnit XML).
JUNIT  ?=
# How long each fuzz target runs.
FUZZ_SECONDS ?= 60

CONFIGURE = cmake -G Ninja -S .
CTEST     = ctest --output-on-failure --no-tests=error -j $(JOBS) $(if $(JUNIT),--output-junit $(abspath $(JUNIT)))

.DEFAULT_GOAL := all
.PHONY: all demo test test-full asan tsan fuzz bench check-instructions check docs install clean help

all: ## build only, into build/
	$(CONFIGURE) -B $(BUILD) -DCMAKE_BUILD_TYPE=RelWithDebInfo
	cmake --build $(BUILD)

demo: ## install what is missing, build, run the whole story on embedded brokers
	scripts/bootstrap demo
	$(MAKE) all
	$(BUILD)/bin/duet demo

test: ## install what is missing, build, run the tests, real brokers included
	scripts/bootstrap test
	$(MAKE) all
	$(CTEST) --test-dir $(BUILD) -LE '^long$$'

test-full: ## the same and everything long: other broker versions, load, faults, fuzz
	scripts/bootstrap test
	$(MAKE) all
	$(CTEST) --test-dir $(BUILD)
	$(MAKE) fuzz

fuzz: ## each libFuzzer target for FUZZ_SECONDS (default 60), from the corpora in tests/fuzz
	scripts/bootstrap test
	CC=clang $(CONFIGURE) -B build-fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DDUET_FUZZ=ON
	cmake --build build-fuzz --target fuzzers
	tests/fuzz/run build-fuzz $(FUZZ_SECONDS) $(JOBS)

asan: ## unit and in-memory tests under AddressSanitizer and UBSan
	scripts/bootstrap test
	$(CONFIGURE) -B build-asan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DDUET_SANITIZE=address,undefined
	cmake --build build-asan
	$(CTEST) --test-dir build-asan -L 'unit|memory' -LE '^long$$'

tsan: ## unit and in-memory tests under ThreadSanitizer
	scripts/bootstrap test
	$(CONFIGURE) -B build-tsan -DCMAKE_BUILD_TYPE=RelWithDebInfo -DDUET_SANITIZE=thread
	cmake --build build-tsan
	$(CTEST) --test-dir build-tsan -L 'unit|memory' -LE '^long$$'

bench: ## every figure, each beside a peer
	scripts/bootstrap test
	$(MAKE) all
	bench/run

check-instructions: ## instructions per message against what was recorded with this compiler
	scripts/bootstrap test
	$(MAKE) all
	bench/instructions

check: ## format, folder arrows, confined headers, lint
	scripts/check --tidy

docs: ## the HTML reference of the public headers, into build/docs/html; warnings are errors
	$(CONFIGURE) -B $(BUILD) -DCMAKE_BUILD_TYPE=RelWithDebInfo
	mkdir -p $(BUILD)/docs
	doxygen $(BUILD)/Doxyfile

install: all ## into PREFIX (default /usr/local)
	cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build build-asan build-tsan build-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

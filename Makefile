# SPDX-License-Identifier: Apache-2.0
# The front door. Everything is built by Meson in build*/; delete those and nothing is left behind.
SANITIZE = --buildtype=debugoptimized -Db_lundef=false
CLANG = CC=clang-14 CXX=clang++-14
FUZZ_SECONDS ?= 60
KILLS ?= 300
CUTS ?= 1000
DECISIONS ?= 10000
CONTRACT_SECONDS ?= 120
SOAK_SECONDS ?= 600

all: build/build.ninja
	ninja -C build

setup:
	@tools/setup
build/build.ninja: | setup
	meson setup build
build-asan/build.ninja: | setup
	meson setup build-asan $(SANITIZE) -Db_sanitize=address,undefined
build-tsan/build.ninja: | setup
	meson setup build-tsan $(SANITIZE) -Db_sanitize=thread
build-fuzz/build.ninja:
	tools/setup clang
	$(CLANG) meson setup build-fuzz $(SANITIZE) -Db_sanitize=address,undefined -Dfuzz=true

test: build/build.ninja
	tools/test
test-crash: build/build.ninja
	ninja -C build tests/crash/crash_campaign tests/crash/group_campaign tests/crash/live_campaign
	build/tests/crash/crash_campaign $(KILLS) $(CUTS)
	build/tests/crash/group_campaign $(KILLS) $(CUTS)
	build/tests/crash/live_campaign $(KILLS) $(CUTS)
test-crash-server: build/build.ninja
	ninja -C build src/cli/attune tests/crash/live_campaign
	python3 tests/crash/server_campaign.py build/src/cli/attune $(KILLS)
	build/tests/crash/live_campaign 0 $(CUTS)
test-replay: build/build.ninja
	ninja -C build tests/unit/engine/replay_test
	build/tests/unit/engine/replay_test $(DECISIONS)
test-clients: build/build.ninja
	tools/setup clients
	ninja -C build src/cli/attune
	npm ci --prefix tests/clients --ignore-scripts --no-audit --no-fund
	node tests/clients/run.mjs build/src/cli/attune
test-contract: build/build.ninja
	tools/setup pip
	ninja -C build src/cli/attune
	tests/contract/run.py build/src/cli/attune $(CONTRACT_SECONDS)
test-soak: build/build.ninja
	ninja -C build src/cli/attune
	tests/soak/run.py build/src/cli/attune $(SOAK_SECONDS)
test-fault: build/build.ninja
	tools/test --kind fault
asan: build-asan/build.ninja
	ATTUNE_SEEDS=5 tools/test --build build-asan
tsan: build-tsan/build.ninja
	ATTUNE_SEEDS=1 tools/test --build build-tsan --kind unit --kind concurrency --kind integration --wrapper "setarch -R"
fuzz: build-fuzz/build.ninja
	tools/fuzz build-fuzz $(FUZZ_SECONDS)
demo: build/build.ninja
	ninja -C build src/cli/attune
	tools/demo
run: build/build.ninja
	ninja -C build src/cli/attune
	tools/run
bench: build/build.ninja
	meson test -C build --benchmark --verbose
tidy:
	tools/tidy
format:
	tools/setup format
	git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format-14 -i
format-check:
	tools/setup format
	git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format-14 --dry-run -Werror
clean:
	rm -rf build build-*

.PHONY: all setup test test-clients test-contract test-soak test-crash test-crash-server test-fault test-replay asan tsan fuzz demo run bench tidy format format-check clean

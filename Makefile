# SPDX-License-Identifier: GPL-2.0-or-later
# A thin front over Meson; `make help` lists what there is.
BUILD ?= build
NINJA = ninja -C
export BUILD

all: $(BUILD)/build.ninja ## build everything into $(BUILD)
	$(NINJA) $(BUILD)

setup: ## install packages (Debian 12), configure $(BUILD)
	sh -c '. scripts/setup-env.sh && install_packages && build_tree'

run: ## build and start: make run ARGS="-M none -nodefaults"
	sh scripts/run $(ARGS)

check: ## the short test tier
	sh scripts/test

check-unit: all ## only the unit tests
	meson test -C $(BUILD) --no-rebuild --suite unit

check-asan: ## the short tier under ASan and UBSan
	CC="$(SAN_CC)" BUILD=build-asan \
	    SETUP_ARGS="--native-file meson/asan.ini" sh scripts/test

check-tsan: ## the short tier under ThreadSanitizer
	CC="$(SAN_CC)" BUILD=build-tsan \
	    SETUP_ARGS="--native-file meson/tsan.ini" sh scripts/test

check-long: ## full counts: make check-long [T=NAME]
	sh scripts/test long $(T)

check-layers: ## who includes whose headers
	python3 scripts/check-layers.py

compare: all ## what we offer against the installed QEMU
	python3 scripts/compare-qemu.py $(BUILD)/qemu-kvm

bench: all ## start-up time and memory against the installed QEMU
	python3 scripts/bench-startup.py $(BUILD)/qemu-kvm

man: all ## show the manual page
	man -l $(BUILD)/qemu-kvm.1

format: ## clang-format of the files that differ from main
	git diff --name-only --diff-filter=d main -- '*.c' '*.h' | \
	    xargs -r clang-format -i

tidy: all ## clang-tidy
	run-clang-tidy -p $(BUILD) -quiet

clean: ## remove the build directories
	rm -rf build build-asan build-tsan

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | \
	    awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

SAN_CC = $(shell command -v ccache) clang

$(BUILD)/build.ninja:
	CC="$$(command -v ccache) $${CC:-gcc}" meson setup $(BUILD)

.PHONY: all setup run check check-unit check-layers compare check-asan check-tsan check-long \
	bench man format tidy clean help

# What can be done here; `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Where cargo builds; a user's own setting is respected.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# How long `make run` goes on when there is no terminal to show a console on.
FOR ?= 10s
# The configuration that `make run` starts.
CONFIG ?= configs/demo.toml
# One part of the figures: `make bench ONLY=torus`.
ONLY ?=
# One test by name: `make test NAME=two_agents`.
NAME ?=

.PHONY: help
help: ## list what can be made
	@echo 'trefoil: targets'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

.PHONY: deps
deps: ## install the Debian packages that building and tests need, when they are missing
	@scripts/deps

.PHONY: build
build: ## build the release binary, target/release/trefoil
	@scripts/need-toolchain
	cargo build --release --locked -p trefoil-agent --bin trefoil

.PHONY: run
run: ## build, start the demo node, open its console (no terminal: a status table for FOR=10s)
	@scripts/need-toolchain
	@cargo build --quiet --release --locked -p trefoil-agent --bin trefoil
	@if [ -t 0 ] && [ -t 1 ]; then \
	    exec $(TARGET)/release/trefoil run --config $(CONFIG) --console; \
	else \
	    exec $(TARGET)/release/trefoil run --config $(CONFIG) --console --for $(FOR); \
	fi

.PHONY: test
test: ## every test: units, properties, fuzz corpora, tidy, whole system (NAME=... for one)
	@scripts/need-toolchain
	@scripts/test $(NAME)

.PHONY: bench
bench: ## the table of figures, ours and the peers in one run, and target/bench.json (ONLY=torus for a part)
	@scripts/need-toolchain
	cargo build --quiet --release --locked -p trefoil-agent --bin trefoil
	@scripts/deps bench
	cargo build --quiet --release --locked -p trefoil-ekk --example count
	cargo run --quiet --release --locked -p trefoil-bench --features iceoryx2,avm-peers -- --trefoil $(TARGET)/release/trefoil $(if $(ONLY),--only $(ONLY))

.PHONY: lint
lint: ## formatting, clippy with warnings denied, licences and sources of dependencies
	@scripts/need-toolchain
	cargo fmt --all --check
	rustfmt --edition 2024 --check tests/fuzz/fuzz_targets/*.rs
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --package trefoil-bench --features avm-peers --locked -- -D warnings
	@scripts/licences

.PHONY: check-deep
check-deep: ## slow checks: loom, miri, fuzzing for a time, long torture (FUZZ_SECONDS=60)
	@scripts/check-deep

.PHONY: clean
clean: ## remove what was built
	cargo clean
	rm -rf tests/fuzz/target tests/fuzz/artifacts

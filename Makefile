# gosocket. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := helper
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

GO ?= go
REBAR3 ?= rebar3

# What Linux the helper is for. Of these all is compiled at each test; what runs where stands in the README.
ARCHITECTURES := amd64 arm64 riscv64 ppc64le s390x arm

VERSION := $(shell sed -n 's/.*{vsn, *"\([^"]*\)".*/\1/p' erlang/gosocket.app.src 2>/dev/null)
GO_DIRS := cmd dispatch etf port socketcore
# Directories are prerequisites too: taking a file away must rebuild the helper.
GO_SOURCES := go.mod go.sum $(shell find $(GO_DIRS) -type d) \
    $(shell find $(GO_DIRS) -name '*.go' ! -name '*_test.go')

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What the helper is built for: this system, or what the environment tells the Go compiler.
SYSTEM := $(or $(GOOS),$(shell uname -s))

.PHONY: helper
helper: ## build priv/gosocket when its sources changed (nothing to do when GOSOCKET_HELPER names a prebuilt one)
ifndef GOSOCKET_HELPER
ifneq ($(filter Linux linux,$(SYSTEM)),)
helper: priv/gosocket
else
	@echo "gosocket: warning: no helper is built, it runs on Linux and this is $(SYSTEM): gosocket:open will answer {error,enotsup}" >&2
endif
endif
	@:

# build_helper OUTPUT, with what the environment says of GOOS and GOARCH.
# -buildvcs=false: as a dependency the tree often belongs to another user than the one who compiles it,
# and git then refuses to answer go's question about the revision.
build_helper = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o $(1) ./cmd/gosocket

# The new file takes its name in one step: a node that starts meanwhile runs the old helper or the new one.
priv/gosocket: $(GO_SOURCES)
	@command -v $(GO) >/dev/null || { \
	    echo "gosocket: its helper is written in Go, and '$(GO)' is not in the PATH. Install Go" \
	        "$$(sed -n 's/^go //p' go.mod) or later, or set GOSOCKET_HELPER to the path of a prebuilt helper." >&2; \
	    exit 1; }
	@mkdir -p priv
	@trap 'rm -f "priv/.gosocket.$$$$"' EXIT; \
	    $(call build_helper,"priv/.gosocket.$$$$"); \
	    mv -f "priv/.gosocket.$$$$" $@
	@echo "gosocket: built $@"

.PHONY: cross
cross: $(ARCHITECTURES:%=_build/cross/gosocket-linux-%) ## the helper for each architecture, as _build/cross/gosocket-linux-ARCHITECTURE

_build/cross/gosocket-linux-%: $(GO_SOURCES)
	@mkdir -p $(@D)
	@GOOS=linux GOARCH=$* $(call build_helper,$@)
	@echo "gosocket: built $@"

.PHONY: compile
compile: ## the Erlang application and its helper
	@$(REBAR3) compile

.PHONY: deps deps-demo deps-bench deps-arch
deps: ## install what tests, demo and benchmark need and this machine lacks
	@.ci/deps test
deps-demo deps-bench deps-arch:
	@.ci/deps $(@:deps-%=%)

.PHONY: test
test: deps helper ## every check there is; STEPS="lint ct" runs some of them
	@.ci/check $(STEPS)

.PHONY: test-matrix
test-matrix: deps helper ## all suites with 1 and 3 event loops, with and without spinning, on 1, 2 and 4 schedulers, with 1 and 2 default lanes; about two hours
	@.ci/check matrix_all

.PHONY: test-otp
test-otp: deps helper ## compile, xref, dialyzer, all suites, demo and examples on this machine's OTP and on 27 and 29
	@.ci/check compile xref dialyzer ct demo examples elixir otp_all

.PHONY: test-model
test-model: deps helper ## the random calls against the model of the selects, 100,000 of each kind
	@GOSOCKET_MODEL_CALLS=$${GOSOCKET_MODEL_CALLS:-100000} \
	    $(REBAR3) ct --suite test/gosocket_model_SUITE --readable=compact

FUZZ_TARGETS := etf:FuzzDecode etf:FuzzCursor dispatch:FuzzArguments dispatch:FuzzCalls dispatch:FuzzFrames

.PHONY: fuzz
fuzz: ## random bytes for everything that reads terms, FUZZ_SECONDS=60 each; calls and frames with CAP_SYS_ADMIN only
	@for target in $(FUZZ_TARGETS); do \
	    $(GO) test -v -run '^$$' -fuzz "^$${target#*:}$$" -fuzztime "$${FUZZ_SECONDS:-60}s" "./$${target%:*}"; \
	done

.PHONY: fuzz-soak
fuzz-soak: ## the same with the race detector, FUZZ_EXECUTIONS=10000000 each: an hour and a quarter of one processor
	@for target in $(FUZZ_TARGETS); do \
	    .ci/fuzz "$${target%:*}" "$${target#*:}" "$${FUZZ_EXECUTIONS:-10000000}"; \
	done

.PHONY: soak
soak: deps helper ## random traffic and faults, random states of sockets, a million steps of hand-backs, faults with 10,000 sockets 20 times in a row; SOAK_SECONDS=300 SOAK_SEED=N, RAPID_CHECKS=5000 RAPID_SEED=N MODEL_STEPS=N
	@RAPID_CHECKS=$${RAPID_CHECKS:-5000} $(GO) test -count=1 -timeout 60m -v -run AnswersAsTheKernelDoes ./socketcore
	@MODEL_STEPS=$${MODEL_STEPS:-1000000} $(GO) test -count=1 -timeout 0 -v -run TestNothingIsLostOrMixed ./dispatch
	@SOAK_SECONDS=$${SOAK_SECONDS:-300} $(REBAR3) ct --suite test/gosocket_soak_SUITE --readable=compact
	@GOSOCKET_MASSES=$${GOSOCKET_MASSES:-20} $(REBAR3) ct --suite test/gosocket_masses_SUITE --readable=compact

.PHONY: test-sctp
test-sctp: deps helper ## the tests that need SCTP, on a kernel that has it (emulated; x86-64 only)
	@.ci/check sctp

.PHONY: test-arch
test-arch: deps-arch helper ## Go tests and a node's suites on other architectures, under emulation
	@.ci/check arch_all

OTP23 ?=
.PHONY: diff-otp23
diff-otp23: ## OTP23=path of an `erl` of OTP 23: options answer as its socket does, or docs/differences.md says why not
ifeq ($(strip $(OTP23)),)
	@echo "skipped: diff-otp23 compares with the socket of OTP 23; OTP23=/path/to/erl says where that is"
else
	@$(REBAR3) compile
	@.ci/diff-otp23 "$(OTP23)"
endif

.PHONY: reference
reference: ## write what is generated from the option tables: docs/options.md and the rows of a test
	@cd dispatch && $(GO) generate

.PHONY: demo
demo: deps-demo compile ## two nodes exchange data through the helper, with a report
	@examples/run demo

.PHONY: bench
bench: deps-bench compile ## all of it, about 25 minutes; CASES="pingpong call" ROUNDS=7 ROUND_SECONDS=0.4 LOADS="idle busy threads" BESIDE=confined PROTOTYPE=DIR CHART=docs/bench.svg, all optional
	@bench/run main

.PHONY: bench-short
bench-short: deps-bench compile ## what has an aim, in fewer and shorter rounds: below 3 minutes
	@SHORT=1 bench/run main

.PHONY: bench-profile
bench-profile: deps-bench compile ## where the time of a call goes, hop by hop
	@bench/run profile

PROFILED := pingpong udp select burst send recv accept

.PHONY: profile
profile: deps-bench compile ## what the compiler is to make fast: cmd/gosocket/default.pgo anew, of a helper that profiles itself in a benchmark
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	CGO_ENABLED=0 $(GO) build -pgo=off -trimpath -buildvcs=false -tags profile -o "$$dir/gosocket" ./cmd/gosocket; \
	GOSOCKET_HELPER=$$dir/gosocket GOSOCKET_PROFILES=$$dir LOADS=idle ROUNDS=$${ROUNDS:-3} CASES="$${CASES:-$(PROFILED)}" bench/run main || true; \
	find "$$dir" -name '*.prof' -size +0 -exec $(GO) tool pprof -symbolize=none -proto -output "$$dir/default.pgo" {} +; \
	name=$$(printf '%-*s' $$(($${#dir} + 9)) gosocket); \
	gunzip -c "$$dir/default.pgo" | LC_ALL=C sed "s|$$dir/gosocket|$$name|" | gzip -9n >cmd/gosocket/default.pgo

.PHONY: clean
clean: ## remove what was built, but not the tools that `make deps` installed
	rm -rf _build priv/gosocket doc erl_crash.dump

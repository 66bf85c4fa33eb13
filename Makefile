# Everything starts with `make run` or `make test`: both set up what is missing, and only that.
# `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TOOLS := .deps/tools
BIN := bin/qwenvld

# llama.cpp's speed lies in these flags. They are worked out when a recipe runs, because a fresh machine may get its
# compiler from `setup` only moments before.
WITH_ENV := eval "$$(scripts/cgo-env.sh)";

.PHONY: help
help: ## list these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## set up, build and serve; ARGS="--config qwenvld.yaml" passes options
	exec $(BIN) serve $(ARGS)

.PHONY: test
test: build ## set up, build and run every test
	@$(WITH_ENV) scripts/test.sh

.PHONY: build
build: setup ## build bin/qwenvld with kernels for this machine's processor (GO_LDFLAGS="-s -w" leaves symbols out)
	@$(WITH_ENV) go build -ldflags "$(GO_LDFLAGS)" -o $(BIN) ./cmd/qwenvld

.PHONY: cuda
cuda: setup ## build the CUDA backend into lib/qwenvld/cuda, for the cards present or CUDA_ARCHS="90-real"; needs no card
	@scripts/backend.sh cuda

.PHONY: cuda-toolkit
cuda-toolkit: ## fetch nvcc from PyPI into .deps/cuda, where no CUDA toolkit is installed
	@scripts/cuda-toolkit.sh

.PHONY: vulkan
vulkan: setup ## build the Vulkan backend into lib/qwenvld/vulkan
	@scripts/backend.sh vulkan

.PHONY: gpu-check
gpu-check: build ## prove and measure this build on a card (DEVICE=cuda0, MODEL=, PROJECTOR=, LLAMA_SERVER=); build its backend before
	@$(WITH_ENV) go test -c -o bin/llama.test ./engine/llama
	@scripts/gpu-check.sh

.PHONY: image-check
image-check: ## build the image with buildah, start it as a container would, and ask it; needs root on Debian (TARGET=cuda)
	@scripts/image-check.sh

.PHONY: manifests
manifests: ## check the compose files and deploy/kubernetes against their schemas
	@scripts/manifests.sh

.PHONY: workers
workers: setup ## build workers for levels of x86-64 (LEVELS="v3 v4") into lib/qwenvld/workers, for binaries that run anywhere
	@scripts/workers.sh

.PHONY: darwin
darwin: ## vet for Apple's processors what has no C
	@scripts/darwin.sh

.PHONY: bench
bench: setup ## run the Go benchmarks; PKG=./multimodal/... narrows them
	@$(WITH_ENV) go test -run '^$$' -bench . -benchmem $(or $(PKG),./...)

.PHONY: faults
faults: build ## kill, stop, fill, stall and damage a daemon under load; ONLY="decoders,full disk" narrows, MUTANTS=500
	@$(WITH_ENV) go run ./cmd/trial faults -binary $(BIN) $(if $(ONLY),-only "$(ONLY)") -mutants $(or $(MUTANTS),500)

.PHONY: soak
soak: build ## ask a daemon for a while and see whether anything grows; DURATION=30m
	@$(WITH_ENV) go run ./cmd/trial soak -binary $(BIN) -duration $(or $(DURATION),30m)

.PHONY: day
day: build ## install, reload, fill, restart and upgrade a daemon under load, as its unit for systemd says
	@$(WITH_ENV) go run ./cmd/trial day -binary $(BIN)

.PHONY: fuzz
fuzz: setup ## run every fuzz target for FUZZTIME=60s
	@$(WITH_ENV) scripts/fuzz.sh $(or $(FUZZTIME),60s)

.PHONY: conformance
conformance: build ## ask the built-in pair through other languages' SDKs (python3, and node, cargo and maven where installed)
	@tools/conformance/run.sh

.PHONY: metrics-check
metrics-check: build ## have a real Prometheus find what the dashboard and the rules in deploy/ ask for
	@$(WITH_ENV) scripts/metrics-check.sh

.PHONY: envoy-check
envoy-check: build ## have a real Envoy choose between pools by the router, as deploy/envoy tells
	@$(WITH_ENV) scripts/envoy-check.sh

.PHONY: traces-check
traces-check: build ## have a real OpenTelemetry Collector take the traces
	@$(WITH_ENV) scripts/traces-check.sh

.PHONY: lint
lint: setup $(TOOLS)/golangci-lint ## gofumpt, go vet and golangci-lint over all modules
	@$(WITH_ENV) scripts/lint.sh $(TOOLS)

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## rewrite Go files with gofumpt
	@git ls-files -co --exclude-standard '*.go' | xargs $(TOOLS)/gofumpt -w

.PHONY: house
house: setup ## print how the code is built: sizes, imports, comments, tests, what leans on what
	@$(WITH_ENV) go -C tools run ./house ..

.PHONY: check
check: lint test ## lint and test: what CI runs

.PHONY: env
env: ## print the build environment: eval "$(make -s env)"
	@scripts/cgo-env.sh

.PHONY: setup
setup: ## check the compilers and lay the link to llama.cpp's headers
	@scripts/setup.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf bin lib dist

.PHONY: distclean
distclean: clean ## also remove the header link and the lint tools (Go's caches stay)
	rm -rf .deps

# The tools are built without cgo so that the kernels' flags never invalidate them.
$(TOOLS)/golangci-lint: tools/go.mod tools/go.sum
	@echo "building the lint tools (once, a few minutes)"
	@mkdir -p $(TOOLS)
	@CGO_ENABLED=0 go build -modfile=tools/go.mod -o $(TOOLS)/ \
		github.com/golangci/golangci-lint/v2/cmd/golangci-lint mvdan.cc/gofumpt
	@touch $@

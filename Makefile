# LayerCake. `make` alone lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The Go that is installed is the Go that is used.
export GOTOOLCHAIN := local

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IDEA ?= An app to track my house plants and when I last watered them
OUT ?= ./out
DATA ?= ./.layercake-data
ADDR ?= 127.0.0.1:3000

.PHONY: help run example dev build test check gen gen-check bench soak e2e lint clean setup

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing, or say how
	@scripts/setup.sh test

run: ## build, and serve on http://localhost:3000
	@scripts/setup.sh run
	@$(MAKE) --no-print-directory build
	@exec bin/layercake serve --addr "$(ADDR)" --data "$(DATA)"

example: ## build, and carry an example idea to a finished repository in ./out
	@scripts/setup.sh run
	@$(MAKE) --no-print-directory build
	@scripts/example.sh "$(OUT)" "$(DATA)" "$(IDEA)"

dev: ## the example with throw-away folders, after each change you make
	@$(MAKE) --no-print-directory build
	@scripts/example.sh "" "" "$(IDEA)"

build: ## build bin/layercake, one static binary
	@CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/layercake-app/layercake/internal/app/cli.Version=$(VERSION)" -o bin/layercake ./cmd/layercake

test: ## vet, all tests with the race detector, and the coverage
	@scripts/test.sh

lint: ## the linters of .golangci.yml, and the shell scripts' syntax
	@scripts/lint.sh

gen: ## write every generated file
	@go generate ./...

gen-check: ## fail when a generated file is not what `make gen` writes
	@scripts/gen-check.sh

e2e: ## clone what is committed, build it there, and carry an idea through
	@scripts/e2e.sh

check: ## everything CI runs
	@$(MAKE) --no-print-directory lint gen-check build test e2e

bench: ## the figures, as medians of several runs
	@go test -run '^$$' -bench . -benchmem -count 5 ./...

soak: ## a million moves, all ideas, fuzzing: hours
	@scripts/soak.sh

clean: ## remove what was built here (never ./out, never the data folder)
	rm -rf bin build

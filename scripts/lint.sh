#!/usr/bin/env bash
# Runs the linters of .golangci.yml and checks the shell scripts' syntax. The
# linter is built once, into bin/tools.
set -euo pipefail
source "$(dirname "$0")/common.sh"
version=v2.15.0
tool=bin/tools/golangci-lint-$version

if [ ! -x "$tool" ]; then
	say "building golangci-lint $version (once, a few minutes)"
	folder=$(mktemp -d)
	GOBIN=$folder GOFLAGS= go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
	mkdir -p bin/tools
	mv "$folder/golangci-lint" "$tool"
	rmdir "$folder"
fi
for script in scripts/*.sh .ci/run; do
	bash -n "$script"
done
"$tool" run ./...

#!/usr/bin/env bash
# Fails when `make gen` changes a file: what is generated was not generated again
# after its source changed, or was edited by hand.
set -euo pipefail
source "$(dirname "$0")/common.sh"
state() { git ls-files -co --exclude-standard -z | sort -z | xargs -0 sha256sum 2>/dev/null || true; }
before=$(state)
go generate ./...
if ! changed=$(diff <(printf '%s\n' "$before") <(state)); then
	say "generated files are not what \`make gen\` writes; run it and commit the result:" >&2
	fail "$(printf '%s\n' "$changed" | awk '/^[<>]/ {print $3}' | sort -u)"
fi

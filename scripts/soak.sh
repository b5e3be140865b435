#!/usr/bin/env bash
# The tests that are too long for `make check`: a million moves, all ideas, every
# product in every style, the crash test three times, and each fuzz target for
# FUZZTIME. Hours, with both processors busy. What each part did is in its lines
# "moves per second" and "took"; the last line says whether anything failed.
set -euo pipefail
source "$(dirname "$0")/common.sh"
scripts/setup.sh test
export LAYERCAKE_SOAK=1
failed=()
part() {
	say "== $*"
	"$@" || failed+=("$*")
}

part go test -count 1 -v -timeout 2h ./internal/app
part go test -count 2 -timeout 2h -run 'TestKilledRunGoesOn' ./internal/app
part go test -tags soak -count 1 -timeout 2h ./internal/llm/demo/...
while IFS=: read -r file _ line; do
	target=${line#func } target=${target%%(*}
	part go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" "./$(dirname "$file")"
done < <(grep -rn --include='*_test.go' '^func Fuzz' internal)
part go test -count 1 -v -timeout 12h -run 'TestSoak|TestEveryBlueprint' ./internal/flow

if [ ${#failed[@]} -gt 0 ]; then
	printf 'FAILED: %s\n' "${failed[@]}"
	exit 1
fi
say "soak: all parts passed"

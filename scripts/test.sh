#!/usr/bin/env bash
# Vets and tests everything with the race detector, prints the coverage of
# internal/ and fails below 80 %. The last line is "N passed, N failed".
set -euo pipefail
source "$(dirname "$0")/common.sh"
scripts/setup.sh test
mkdir -p build bin/tools
go build -o bin/tools/testreport ./scripts/testreport
go vet ./...

# In CI every test runs. Elsewhere go test repeats the results of packages of which
# nothing has changed since they passed, and the report says of how many.
strict=() anew=()
if in_ci; then strict=(-no-skips) anew=(-count=1); fi
rm -rf build/cover.out build/summary.txt
mkdir -p build/cover-runs
# Whole runs are programs of their own: they leave their coverage in a folder, which
# their tests empty when they begin, and it is added to that of the tests.
export LAYERCAKE_TEST_COVER=$PWD/build/cover-runs
# SQLite itself, C translated to Go, is not ours to check for races, and with the
# detector in it every test of a database takes ten times as long. All that calls
# it, its driver included, is watched. Go's own parser, type checker and regular
# expressions, with which generated products are checked, are left out for the same
# reason.
quick=(
	"-gcflags=go/...=-race=false"
	"-gcflags=regexp/...=-race=false"
	"-gcflags=modernc.org/sqlite/lib=-race=false -d=checkptr=0"
	"-gcflags=modernc.org/libc=-d=checkptr=0"
	"-gcflags=modernc.org/memory=-d=checkptr=0"
)
tests() {
	local status=0
	CGO_ENABLED=1 scripts/with-postgres.sh \
		go test -json -race "${anew[@]}" "${quick[@]}" -timeout 20m -coverprofile=build/cover.out ./... || status=$?
	if [ -n "$(ls -A build/cover-runs)" ]; then
		go tool covdata textfmt -i=build/cover-runs -o build/cover-runs.out
		tail -n +2 build/cover-runs.out >>build/cover.out
	elif in_ci; then
		echo "the whole runs left no coverage in build/cover-runs" >&2
		status=1
	fi
	return $status
}
tests | bin/tools/testreport -summary build/summary.txt -profile build/cover.out \
	-prefix github.com/layercake-app/layercake/internal/ -min-coverage 80 -min-tests 100 "${strict[@]}"

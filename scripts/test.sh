#!/usr/bin/env bash
# Vets and tests everything with the race detector, prints the coverage of
# internal/ and fails below 80 %. The last line is "N passed, N failed".
set -euo pipefail
source "$(dirname "$0")/common.sh"
scripts/setup.sh test
mkdir -p build bin/tools
go build -o bin/tools/testreport ./scripts/testreport
go vet ./...

strict=()
if in_ci; then strict=(-no-skips); fi
rm -f build/cover.out build/summary.txt
CGO_ENABLED=1 scripts/with-postgres.sh \
	go test -json -race -timeout 15m -coverpkg=./internal/... -coverprofile=build/cover.out ./... |
	bin/tools/testreport -summary build/summary.txt -profile build/cover.out \
		-prefix github.com/layercake-app/layercake/internal/ -min-coverage 80 -min-tests 100 "${strict[@]}"

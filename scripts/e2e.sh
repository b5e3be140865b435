#!/usr/bin/env bash
# Does what a reader of the README does: clones what is committed, builds it
# there, and carries an idea through. The result must verify offline, build and
# pass its own tests. (The Go tests carry another idea through.)
set -euo pipefail
source "$(dirname "$0")/common.sh"
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT

git clone --quiet --no-local . "$folder/clone"
make --no-print-directory -C "$folder/clone" build
layercake=$folder/clone/bin/layercake

try() {
	local name=$1 idea=$2 started=$SECONDS
	"$layercake" run "$idea" --auto-approve --json --data "$folder/$name-data" --out "$folder/$name" >"$folder/$name.json" || {
		cat "$folder/$name.json"
		fail "e2e $name: layercake run ended with an error"
	}
	"$layercake" verify "$folder/$name"
	if "$layercake" verify --require-human "$folder/$name" >/dev/null 2>&1; then
		fail "e2e $name: --require-human accepted what --auto-approve decided"
	fi
	[ -z "$(git -C "$folder/$name" status --porcelain)" ] || fail "e2e $name: the repository is not clean"
	git -C "$folder/$name" fsck --strict --no-progress
	(cd "$folder/$name" && go build ./... && go vet ./... && go test -count=1 ./... >"$folder/$name.log") || {
		cat "$folder/$name.log"
		fail "e2e $name: the product does not pass its own tests"
	}
	say "e2e $name: passed in $((SECONDS - started)) s"
}

try ladder "A chess club ladder"

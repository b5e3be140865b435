#!/usr/bin/env bash
# Usage: scripts/setup.sh run|test
# Checks what LayerCake needs, installs what Debian can give it, and says how to
# get the rest. Ends with 1 when something it cannot do without is missing.
# With CI=true nothing may be missing.
set -euo pipefail
source "$(dirname "$0")/common.sh"
purpose=${1:-test}
missing=0

# need <what> <how to get it>
need() {
	say "missing: $1. $2" >&2
	missing=1
}
# want <what> <what will not work> <how to get it>
want() {
	say "missing: $1. Without it $2. $3" >&2
	if in_ci; then missing=1; fi
}
# ensure <command> <Debian packages…> installs what brings the command.
ensure() {
	local command=$1
	shift
	have "$command" && return
	if can_apt && apt "$@"; then have "$command"; else return 1; fi
}

go_version() { go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//'; }
node_version() { node --version 2>/dev/null | sed 's/^v//'; }
git_version() { git --version 2>/dev/null | awk '{print $3}'; }

if ! at_least 1.26 "$(go_version || true)"; then
	need "Go 1.26 or newer (found: $(go_version || true))" "See https://go.dev/doc/install."
fi
ensure git git || true
if ! at_least 2.39 "$(git_version || true)"; then
	need "git 2.39 or newer" "Debian: apt-get install git."
fi
if ! ensure bwrap bubblewrap; then
	want bubblewrap "no check runs and no proof is ever green" "Debian: apt-get install bubblewrap. Fedora: dnf install bubblewrap."
fi
if [ "$purpose" = test ]; then
	if ! { ensure gcc gcc libc6-dev && ensure make make; }; then
		need "a C compiler, for the race detector" "Debian: apt-get install gcc libc6-dev."
	fi
	ensure node nodejs npm || true
	if ! at_least 20 "$(node_version || true)"; then
		want "Node 20 or newer" "the tests of Node products are skipped" "See https://nodejs.org/en/download."
	fi
fi
exit "$missing"

# Sourced by the other scripts: the repository's root as the working directory,
# one Go, and how to say things. Nothing here runs by itself.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export GOTOOLCHAIN=local
# Go's usual place, for shells that do not have it in their PATH.
command -v go >/dev/null || PATH="$PATH:/usr/local/go/bin"

say() { printf '%s\n' "$*"; }
fail() {
	printf '%s\n' "$*" >&2
	exit 1
}
have() { command -v "$1" >/dev/null; }
in_ci() { [ "${CI:-}" = true ]; }

# at_least 2.39 2.40.1 succeeds when the second version is not older.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# apt installs Debian packages when this is Debian and we are root.
can_apt() { [ "$(id -u)" = 0 ] && have apt-get; }
apt() {
	local log
	log=$(mktemp)
	say "installing $*"
	if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

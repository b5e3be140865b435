#!/usr/bin/env bash
# Usage: scripts/with-postgres.sh <command…>
# Runs the command with a PostgreSQL to test against: the one that answers, or a
# throw-away cluster that is gone afterwards. Where PostgreSQL is not installed
# the command runs without, and its tests say so.
set -euo pipefail
source "$(dirname "$0")/common.sh"
dsn=${LAYERCAKE_TEST_POSTGRES:-postgres://postgres@127.0.0.1:5432/postgres}

answers() { have psql && PGCONNECT_TIMEOUT=3 psql --no-password -qAt "$dsn" -c 'SELECT 1' >/dev/null 2>&1; }
if answers; then
	exec "$@"
fi

bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$bin" ]; then
	say "no PostgreSQL answers at $dsn and none is installed: its tests are skipped (Debian: apt-get install postgresql)" >&2
	exec "$@"
fi

folder=$(mktemp -d)
# PostgreSQL refuses to run as root.
as=()
if [ "$(id -u)" = 0 ]; then
	chown postgres "$folder"
	as=(runuser -u postgres --)
fi
stop() {
	"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
	rm -rf "$folder"
}
trap stop EXIT
port=54329
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
"${as[@]}" "$bin/initdb" -D "$folder/data" -U postgres -A trust --no-sync >"$folder/initdb.log" 2>&1 || {
	cat "$folder/initdb.log" >&2
	exit 1
}
(
	cd "$folder"
	"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/data/log" \
		-o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$folder -c fsync=off -c max_connections=200" start >/dev/null
)
export LAYERCAKE_TEST_POSTGRES=postgres://postgres@127.0.0.1:$port/postgres
dsn=$LAYERCAKE_TEST_POSTGRES
answers || fail "the throw-away PostgreSQL does not answer at $dsn"
"$@"

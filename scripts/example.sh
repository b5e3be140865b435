#!/usr/bin/env bash
# Usage: scripts/example.sh <out> <data> <idea>
# Carries an idea to a finished repository. Empty folders mean throw-away ones.
set -euo pipefail
source "$(dirname "$0")/common.sh"
out=$1 data=$2 idea=$3

if [ -z "$out" ]; then
	folder=$(mktemp -d)
	out=$folder/out data=$folder/data
elif [ -e "$out" ] && [ -n "$(ls -A "$out")" ]; then
	say "$out is not empty, and is left alone. Move it away, or choose another folder: make example OUT=./another" >&2
	exit 2
fi
bin/layercake run "$idea" --auto-approve --data "$data" --out "$out"
say "The repository is in $out; its README says how to start it."

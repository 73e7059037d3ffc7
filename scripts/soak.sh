#!/usr/bin/env bash
# Records for DURATION while both processors are busy and another process writes to the disk, and
# compares every frame. Usage: scripts/soak.sh DURATION [quiet]; with "quiet" there is no load.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
duration=${1:?usage: scripts/soak.sh DURATION [quiet]}
figures=$(mktemp) log=${SOAK_OUT:-var/soak}
scratch=$(mktemp -d)
load=
trap '[ -z "$load" ] || { kill "$load" 2>/dev/null; wait "$load" 2>/dev/null; }; rm -rf "$figures" "$scratch"' EXIT
mkdir -p "$log"
binary=$scratch/scout.test
go test -c -o "$binary" ./cmd/scout || exit 1
if [ "${2:-}" != quiet ]; then
  command -v stress-ng >/dev/null || { echo "soak: stress-ng is missing (Debian: apt-get install stress-ng); without load: make soak LOAD=quiet" >&2; exit 1; }
  stress-ng --quiet --cpu 2 --hdd 1 --hdd-bytes 256m --temp-path "$scratch" & load=$!
fi
echo "soak: recording for $duration" >&2
(cd cmd/scout && SCOUT_FIGURES=$figures SCOUT_SOAK=$duration "$binary" -test.v -test.timeout 0 -test.run '^TestSoakRecording$') >"$log/soak.log" 2>&1
status=$?
[ $status = 0 ] || { echo "soak: FAILED, see $log/soak.log" >&2; tail -n 20 "$log/soak.log" >&2; }
scripts/figures.sh "$figures" "Soak of $duration, $(nproc) CPUs${2:+, $2}"
exit $status

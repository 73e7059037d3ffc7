#!/usr/bin/env bash
# Kills the daemon KILLS times (default 100) while titles, labels and a text are changed and a recording goes on, and prints what became of
# all that: daemon-kills.sh [KILLS]
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
SCOUT_DAEMON_KILLS=${1:-100} SCOUT_FIGURES=$figures go test -count=1 -timeout 2h -run '^TestKilledDaemonsForgetNothing$' ./cmd/scout
failed=$?
scripts/figures.sh "$figures" "Daemon killed, $(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg)"
exit "$failed"

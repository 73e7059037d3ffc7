#!/usr/bin/env bash
# Has a person change, restore, delete and transcribe again the texts of TIMES dictations while the second pass over each is published,
# at random moments, and replaces the process in a quarter of them. What the person chose must be there in the end.
# Usage: scripts/edits.sh [TIMES [FROM]], default 1000 from number 0: the number decides what is done.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
times=${1:-1000} from=${2:-0}
figures=$(mktemp) log=${EDITS_OUT:-var/edits}
trap 'rm -f "$figures"' EXIT
mkdir -p "$log"
SCOUT_EDITS=$times SCOUT_EDITS_FROM=$from go test -count=1 -v -timeout 2h -run '^TestAnEditIsNeverLost$' ./internal/dictate >"$log/edits.log" 2>&1
status=$?
text=$(grep -ohE 'edits: .*' "$log/edits.log" | tail -n 1)
[ $status = 0 ] || { echo "edits: FAILED, see $log/edits.log" >&2; grep -hE 'dictation [0-9]+' "$log/edits.log" | head -n 5 >&2; }
printf 'second pass, %s dictations from number %s\twhat a person chose is the text\t%s\tlost 0\t%s\n' "$times" "$from" "${text:-none}" "$([ $status = 0 ] && [ -n "$text" ] && echo ok || echo MISSED)" >"$figures"
scripts/figures.sh "$figures" "Edits during the second pass, $(nproc) CPUs"
exit $status

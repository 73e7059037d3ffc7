#!/usr/bin/env bash
# Runs every fuzz target of the repository for FUZZTIME each, tries every property CHECKS times on random cases, has clients of
# realtime sessions send their messages in ORDERS random orders, and tries every case of the tables of which make test tries some.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-30s}
checks=${CHECKS:-1000}
orders=${ORDERS:-10000}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | sort | while read -r file; do
  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | awk '{print $2}' | while read -r target; do
    echo "== $(dirname "$file") $target ($time)"
    go test "$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$time"
  done
done
# jobtest has the properties of the queue; they are tried on its stores.
grep -rlE '\brapid\.Check\(' --include='*.go' . | xargs -n1 dirname | sed 's|/jobtest$||' | sort -u | while read -r package; do
  echo "== $package ($checks times)"
  go test -count=1 -timeout 2h "$package" -rapid.checks="$checks"
done
echo "== ./internal/realtime TestRandomOrders ($orders orders)"
SCOUT_REALTIME_ORDERS=$orders go test ./internal/realtime -count=1 -run '^TestRandomOrders$'
# Without the race detector: with it, decoding takes up to a hundred times as long.
grep -rlE 'testrun\.(SomeOf|Some|EveryCase)\(' --include='*_test.go' . | xargs -n1 dirname | grep -v '/testrun$' | sort -u | while read -r package; do
  tests=$(awk '/^func Test/ {name = $2; sub(/\(.*/, "", name)} /testrun\.(SomeOf|Some|EveryCase)\(/ {print name}' "$package"/*_test.go | sort -u | paste -sd'|')
  echo "== $package $tests (every case)"
  SCOUT_EVERY_CASE=1 go test -count=1 -timeout 1h "$package" -run "^($tests)\$"
done

#!/usr/bin/env bash
# Runs every fuzz target of the repository for FUZZTIME each.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-30s}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | sort | while read -r file; do
  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | awk '{print $2}' | while read -r target; do
    echo "== $(dirname "$file") $target ($time)"
    go test "$(dirname "$file")" -run '^$' -fuzz "^$target\$" -fuzztime "$time"
  done
done

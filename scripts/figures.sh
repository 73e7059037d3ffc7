#!/usr/bin/env bash
# Prints figures that tests reported (group, figure, value, bound, verdict; tabs between) as one table.
# Usage: scripts/figures.sh FILE TITLE
set -euo pipefail
printf '\n== %s\n' "$2"
awk -F'\t' '
  { group[NR] = $1; name[NR] = $2; value[NR] = $3; bound[NR] = $4; verdict[NR] = $5
    if (length($2) > n) n = length($2)
    if (length($3) > v) v = length($3)
    if (length($4) > b) b = length($4) }
  END {
    for (i = 1; i <= NR; i++) {
      if (group[i] != last) { printf "\n%s\n", group[i]; last = group[i] }
      printf "  %-*s  %-*s  %-*s  %s\n", n, name[i], v, value[i], b, bound[i] == "" ? "" : bound[i], verdict[i]
    }
  }' "$1"
if grep -q 'MISSED$' "$1"; then echo; echo "MISSED: $(grep -c 'MISSED$' "$1")"; fi

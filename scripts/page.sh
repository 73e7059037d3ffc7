#!/usr/bin/env bash
# Builds the page in web/ into internal/page/dist/site, from where it becomes part of bin/scout. make build calls it when a source has changed.
# Without npm the program is built all the same, and says at / that it has no page.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

site=internal/page/dist/site
if ! command -v npm >/dev/null 2>&1; then
  echo "page: there is no npm, so the page is not built, and the rest of Scout is. Install Node 20.19 or later with npm, then run this again." >&2
  exit 0
fi
scripts/setup.sh page
if ! log=$(cd web && npm run --silent build 2>&1); then
  printf '%s\n' "$log" >&2
  exit 1
fi
touch "$site/.built"

#!/usr/bin/env bash
# Measures the page in Debian's Chromium against a daemon of its own, and prints each figure with its limit: size of the scripts, time from navigation to the
# answer to the first key, layout shift, time from stop to final text (ROUNDS dictations, default 20), search and scrolling among TEXTS texts (default 10,000),
# a recording of three hours that plays and scrolls, and wrong words of the page and of the
# command line on the clips in SPEECH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

chromium=$(command -v chromium) || { echo "page-figures: there is no Chromium: apt-get install chromium" >&2; exit 1; }
home=$(mktemp -d /tmp/scout-figs.XXXX)
export SCOUT_DATA="$home/data" SCOUT_RECORDINGS="$home/recordings" XDG_CONFIG_HOME="$home/config" PULSE_SERVER="unix:$home/none" SCOUT_MODELS="${SCOUT_MODELS:-$PWD/var/models}"
cleanup() { bin/scout serve stop >/dev/null 2>&1 || true; rm -rf "$home"; }
trap cleanup EXIT
bin/scout serve --detach --addr 127.0.0.1:0 >/dev/null
server=$(bin/scout status --json | node -e 'process.stdout.write("http://" + JSON.parse(require("fs").readFileSync(0)).http[0].address)')
SCOUT=bin/scout ROUNDS=${ROUNDS:-20} SPEECH=${SPEECH:-} node cmd/scout/testdata/page/figures.mjs <<JSON
{"playwright": "$PWD/.tools/playwright-core", "chromium": "$chromium", "server": "$server", "clip": "$PWD/testdata/jfk.wav", "site": "internal/page/dist/site",
 "home": "$home", "link": "$(bin/scout open --print)"}
JSON

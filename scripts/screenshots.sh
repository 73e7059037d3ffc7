#!/usr/bin/env bash
# Makes the pictures of the page in docs/images from a daemon of its own with a spoken clip, in Debian's Chromium. With ALL=1 it makes every state of the page
# in both themes and three widths, in var/screens, for whoever changes the page (ONLY=now: those of one place).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ -f internal/page/dist/site/index.html ] || { echo "screenshots: the page is not built: run make build with npm installed" >&2; exit 1; }
chromium=$(command -v chromium) || { echo "screenshots: there is no Chromium: apt-get install chromium" >&2; exit 1; }
[ -f .tools/playwright-core/package.json ] || { echo "screenshots: Playwright is not installed: run scripts/setup.sh tests" >&2; exit 1; }

scripts/setup.sh pictures
home=$(mktemp -d /tmp/scout-shots.XXXX)
export SCOUT_DATA="$home/data" SCOUT_RECORDINGS="$home/recordings" XDG_CONFIG_HOME="$home/config" PULSE_SERVER="unix:$home/none" SCOUT_MODELS="${SCOUT_MODELS:-$PWD/var/models}"
cleanup() { bin/scout serve stop >/dev/null 2>&1 || true; rm -rf "$home"; }
trap cleanup EXIT
bin/scout serve --detach --addr 127.0.0.1:0 >/dev/null
server=$(bin/scout status --json | node -e 'process.stdout.write("http://" + JSON.parse(require("fs").readFileSync(0)).http[0].address)')
to=docs/images
[ -z "${ALL:-}" ] || to=var/screens
node cmd/scout/testdata/page/pictures.mjs <<JSON
{"playwright": "$PWD/.tools/playwright-core", "chromium": "$chromium", "server": "$server", "clip": "$PWD/testdata/jfk.wav",
 "link": "$(bin/scout open --print)", "to": "$to", "all": $([ -n "${ALL:-}" ] && echo true || echo false), "names": ["listening"], "only": "${ONLY:-}"}
JSON
echo "the pictures are in $to"

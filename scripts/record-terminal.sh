#!/usr/bin/env bash
# Records a picture of a terminal in the README: scout dictate, as it is, hears a clip through a sound server of its own, and what it
# writes becomes an animated SVG. Usage: scripts/record-terminal.sh [FILE.svg [CLIP]]; default docs/images/dictate.svg and the clip in
# testdata. With CLIP, the dictation goes into a pipe, which waits for the second pass, and the text of the first one is shown after it.
# It needs bin/ (make build), the models (make setup), pulseaudio, paplay, script (util-linux), node and npm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-docs/images/dictate.svg} clip=${2:-testdata/jfk.wav}
typed='scout dictate' rows=6
if [ -n "${2:-}" ]; then # tee is the program that gets the text
  typed='scout dictate | tee note.txt' rows=12
fi
readonly SVG_TERM=svg-term-cli@2.1.1 COLUMNS_SHOWN=64 ROWS_SHOWN=$rows
for program in pulseaudio pactl paplay script node npm; do
  command -v "$program" >/dev/null || { echo "record-terminal: $program is not installed" >&2; exit 1; }
done
[ -x .tools/svg-term/node_modules/.bin/svg-term ] ||
  npm install --silent --no-fund --no-audit --prefix .tools/svg-term "$SVG_TERM" >/dev/null

scratch=$(mktemp -d)
server=
finish() {
  bin/scout serve stop >/dev/null 2>&1 || true
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT
export SCOUT_MODELS=${SCOUT_MODELS:-$PWD/var/models} SCOUT_DATA=$scratch/data SCOUT_RECORDINGS=$scratch/recordings SCOUT_CONFIG=/dev/null
export XDG_RUNTIME_DIR=$scratch PULSE_SERVER=unix:$scratch/native SCOUT_DEVICE=mic.monitor
HOME=$scratch pulseaudio -n --daemonize=no --exit-idle-time=-1 --use-pid-file=no --disable-shm=yes --realtime=no --high-priority=no \
  -L "module-native-protocol-unix auth-anonymous=1 socket=$scratch/native" >"$scratch/pulseaudio.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  pactl info >/dev/null 2>&1 && break
  sleep 0.05
done
pactl load-module module-null-sink sink_name=mic rate=48000 channels=1 >/dev/null
bin/scout dictate --device file:testdata/jfk.wav --duration 5s >/dev/null 2>&1 # the models are loaded now

# The session: somebody types the command, speaks, and presses Ctrl-C.
cat >"$scratch/session" <<END
stty cols $COLUMNS_SHOWN rows $ROWS_SHOWN
printf '\033[32m$\033[0m '
sleep 0.6
typing() { for ((i = 0; i < \${#1}; i++)); do printf '%s' "\${1:i:1}"; sleep 0.05; done; sleep 0.3; echo; }
typing '$typed'
(sleep 0.5; paplay --device=mic '$clip'; sleep 0.4; kill -INT "\$(cat '$scratch/pid')") &
dictate() { sh -c 'echo \$\$ >"$scratch/pid"; exec bin/scout dictate'; }
if [ '$typed' = 'scout dictate' ]; then dictate; else dictate | tee '$scratch/note.txt'; fi
printf '\033[32m$\033[0m '
if [ '$typed' != 'scout dictate' ]; then
  sleep 1.5
  typing 'scout dictate --last --first-pass'
  bin/scout dictate --last --first-pass
  printf '\033[32m$\033[0m '
fi
sleep 3
END
TERM=xterm-256color NO_COLOR='' script --quiet --flush --return --log-out "$scratch/out" --log-timing "$scratch/timing" --logging-format classic \
  --command "bash '$scratch/session'" </dev/null >/dev/null

if [ "$typed" != 'scout dictate' ] && bin/scout dictate --last --first-pass 2>/dev/null | cmp -s - "$scratch/note.txt"; then
  echo "record-terminal: both passes heard the same in $clip, or the second came too late: try again, or with another CLIP" >&2
  exit 1
fi

# script's log as an asciicast (docs.asciinema.org/manual/asciicast/v2).
node - "$scratch/out" "$scratch/timing" "$COLUMNS_SHOWN" "$ROWS_SHOWN" >"$scratch/cast" <<'END'
const fs = require('fs');
const [out, timing, width, height] = process.argv.slice(2);
let bytes = fs.readFileSync(out);
bytes = bytes.subarray(bytes.indexOf(10) + 1); // the first line is script's own
const decoder = new TextDecoder();
let at = 0, time = 0;
console.log(JSON.stringify({version: 2, width: +width, height: +height}));
for (const line of fs.readFileSync(timing, 'utf8').trim().split('\n')) {
  const [delay, count] = line.split(' ').map(Number);
  time += delay;
  console.log(JSON.stringify([time, 'o', decoder.decode(bytes.subarray(at, at += count), {stream: true})]));
}
END
svg_term() { .tools/svg-term/node_modules/.bin/svg-term --in "$scratch/cast" --out "$1" --window --no-cursor --padding 12 "${@:2}"; }
svg_term "$out"
sed -i "s/font-family=\"[^\"]*\"/font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace\"/" "$out"
if [ -n "${FRAMES:-}" ]; then # single pictures, in milliseconds, to look at
  for frame in $FRAMES; do svg_term "${out%.svg}-$frame.svg" --at "$frame"; done
fi
echo "$out: $(wc -c <"$out") bytes"

#!/usr/bin/env bash
# Prints how large the recorder and its parent are, and how often they wake up: recorder-figures.sh [FOLDER of another build's programs]
# Needs make build. SECONDS_EACH (default 10) is how long each state is watched. The device is a tone, so that no sound server is needed;
# DEVICE names another one.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${SECONDS_EACH:-10}
device=${DEVICE:-tone:440}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

switches() { cat /proc/"$1"/task/*/status 2>/dev/null | awk '/ctxt_switches/ {n += $2} END {print n + 0}'; }
ticks() { awk '{print $14 + $15}' /proc/"$1"/stat; }
private() { awk '/^Private_/ {n += $2} END {printf "%.2f", n / 1024}' /proc/"$1"/smaps_rollup; }
resident() { awk '/^VmRSS/ {printf "%.1f", $2 / 1024}' /proc/"$1"/status; }
# watched NAME PID: what a process does in the next seconds.
watched() {
	local s0 t0
	s0=$(switches "$2") t0=$(ticks "$2")
	sleep "$each"
	awk -v name="$1" -v s="$(($(switches "$2") - s0))" -v t="$(($(ticks "$2") - t0))" -v d="$each" -v hz="$(getconf CLK_TCK)" \
		-v private="$(private "$2")" -v resident="$(resident "$2")" \
		'BEGIN {printf "  %-28s %7.1f context switches/s  %5.2f %% CPU  %6s MB private  %5s MB resident\n", name, s / d, 100 * t / hz / d, private, resident}'
}
measure() {
	local bin=$1 recorder parent
	printf '%s\n  %-28s %7.2f MB\n' "$bin" "size of scout-recorder" "$(stat -c %s "$bin/scout-recorder" | awk '{print $1 / 1e6}')"
	export SCOUT_RECORDINGS=$work/$2
	"$bin/scout" record --detach --device "$device" >"$work/out" 2>&1
	recorder=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$SCOUT_RECORDINGS/recorder.json")
	parent=$(awk '/^PPid/ {print $2}' /proc/"$recorder"/status)
	if [ "$(readlink /proc/"$parent"/exe)" != "$(readlink /proc/"$recorder"/exe)" ]; then parent=; fi
	sleep 2
	watched "recorder, recording" "$recorder"
	if [ -n "$parent" ]; then watched "parent, recording" "$parent"; fi
	"$bin/scout" record stop >"$work/out" 2>&1
	sleep 1
	watched "recorder, idle" "$recorder"
	if [ -n "$parent" ]; then watched "parent, idle" "$parent"; fi
	kill "$recorder"
}
if [ $# -gt 0 ]; then measure "$(cd "$1" && pwd)" other; fi
measure "$PWD/bin" this

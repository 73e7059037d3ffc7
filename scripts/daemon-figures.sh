#!/usr/bin/env bash
# Prints the figures of docs/adr/0050-resident-process.md: daemon-figures.sh [SECONDS of idling, default 10]. Needs make build.
set -euo pipefail
cd "$(dirname "$0")/.."
scout=$PWD/bin/scout
idle=${1:-10}
work=$(mktemp -d)
export SCOUT_ENGINE__IDLE=1s SCOUT_DATA=$work/data SCOUT_CONFIG=/dev/null XDG_RUNTIME_DIR=$work PULSE_SERVER=unix:$work/none
finish() {
	"$scout" stop >"$work/last" 2>&1 || true
	"$scout" serve stop >"$work/last" 2>&1 || cat "$work/last"
	rm -rf "$work"
}
trap finish EXIT

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# timed NAME COUNT COMMAND…: the median and the largest time of a command, before each of which "$before" runs.
timed() {
	local name=$1 count=$2 began
	shift 2
	for _ in $(seq "$count"); do
		eval "$before"
		began=${EPOCHREALTIME/[.,]/} # microseconds, without a process that asks the clock
		"$@" >"$work/out"
		echo $(((${EPOCHREALTIME/[.,]/} - began) / 1000))
	done | sort -n | awk -v name="$name" '{t[NR] = $1} END {printf "%-28s median %d ms, largest %d ms, of %d\n", name, t[int((NR + 1) / 2)], t[NR], NR}'
}
before='"$scout" serve stop 2>/dev/null' timed "cold start of status" 10 "$scout" status
before=: timed "warm status" 30 "$scout" status
before=: timed "scout version, no daemon" 30 "$scout" version

pid=$("$scout" status --json | sed -n 's/^  "pid": \([0-9]*\),$/\1/p')
switches() { cat /proc/"$pid"/task/*/status | awk '/ctxt_switches/ {n += $2} END {print n}'; }
ticks() { awk '{print $14 + $15}' /proc/"$pid"/stat; }
# quiet NAME: what the daemon takes while nothing happens.
quiet() {
	local s0 t0 s1 t1
	sleep 10 # until what came before has settled
	s0=$(switches) t0=$(ticks)
	sleep "$idle"
	s1=$(switches) t1=$(ticks)
	awk -v name="$1" -v s="$((s1 - s0))" -v t="$((t1 - t0))" -v d="$idle" -v hz="$(getconf CLK_TCK)" \
		'BEGIN {printf "%-28s %.1f context switches/s, %.2f %% CPU\n", name, s / d, 100 * t / hz / d}'
	awk -v name="$1" '/^Pss:/ {printf "%-28s %.1f MB PSS\n", name, $2 / 1024}' /proc/"$pid"/smaps_rollup
}
quiet "idle daemon"

# A model is loaded for the text of a recording, and unloaded again.
"$scout" start --transcribe --device tone:440 >"$work/id" 2>"$work/out"
sleep 0.5
if "$scout" stop >"$work/text" 2>"$work/out"; then
	until "$scout" status | grep -q '^engine *unloaded'; do sleep 0.2; done
	quiet "loaded, then unloaded"
else
	echo "loaded, then unloaded        left out: $(head -1 "$work/out")"
fi

# A recording runs while daemons are killed at random moments.
"$scout" start --device tone:440 >"$work/id" 2>"$work/out"
for _ in $(seq 20); do
	pid=$("$scout" status --json | sed -n 's/^  "pid": \([0-9]*\),$/\1/p')
	sleep "0.$((RANDOM % 30 + 10))"
	kill -9 "$pid"
	began=$(now_ms)
	"$scout" status >"$work/out"
	echo $(($(now_ms) - began))
done | sort -n | awk '{t[NR] = $1} END {printf "answer after kill -9         median %d ms, largest %d ms, of %d\n", t[int((NR + 1) / 2)], t[NR], NR}'
"$scout" stop --json | awk '/"lost_frames"|"gaps"|"duration_seconds"|"warning"/' | tr -d '\n' | sed 's/^/recording meanwhile:       /'
echo

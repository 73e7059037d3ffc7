#!/usr/bin/env bash
# Prints the figures of docs/adr/0050-resident-process.md, each with its bound, and fails if one is missed: daemon-figures.sh [SECONDS of
# idling, default 10]. Needs make build, and a machine that does nothing else.
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

missed=$work.missed # a file: some figures are judged in a pipe
trap 'finish; rm -f "$missed"' EXIT
# judge NAME FIGURES VALUE BOUND UNIT: the figures, and whether the value is below its bound.
judge() {
	local verdict=ok
	awk -v value="$3" -v bound="$4" 'BEGIN {exit !(value < bound)}' || { verdict=MISSED && echo "$1" >>"$missed"; }
	printf '%-28s %-46s under %s %s: %s\n' "$1" "$2" "$4" "$5" "$verdict"
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
# times NAME BOUND: the median and the largest of the times on standard input. The median is judged where there is a bound.
times() {
	local list middle text
	list=$(sort -n)
	middle=$(awk '{t[NR] = $1} END {print t[int((NR + 1) / 2)]}' <<<"$list")
	text="median $middle ms, largest $(tail -1 <<<"$list") ms, of $(wc -l <<<"$list")"
	if [ "$2" = none ]; then printf '%-28s %s\n' "$1" "$text"; else judge "$1" "$text" "$middle" "$2" ms; fi
}
# timed NAME BOUND COUNT COMMAND…: the time of a command, before each of which "$before" runs.
timed() {
	local name=$1 bound=$2 count=$3 began
	shift 3
	for _ in $(seq "$count"); do
		eval "$before"
		began=${EPOCHREALTIME/[.,]/} # microseconds, without a process that asks the clock
		"$@" >"$work/out"
		echo $(((${EPOCHREALTIME/[.,]/} - began) / 1000))
	done | times "$name" "$bound"
}
before='"$scout" serve stop 2>/dev/null' timed "cold start of status" 300 10 "$scout" status
before=: timed "warm status" 30 30 "$scout" status
before=: timed "scout version, no daemon" none 30 "$scout" version

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
	local rate share memory
	rate=$(awk -v s="$((s1 - s0))" -v d="$idle" 'BEGIN {printf "%.1f", s / d}')
	share=$(awk -v t="$((t1 - t0))" -v d="$idle" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%.2f", 100 * t / hz / d}')
	memory=$(awk '/^Pss:/ {printf "%.1f", $2 / 1024}' /proc/"$pid"/smaps_rollup)
	judge "$1" "$rate context switches/s, at most as many wake-ups" "$rate" 5 /s
	judge "$1" "$share % CPU" "$share" 0.5 %
	judge "$1" "$memory MB PSS" "$memory" 45 MB
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
done | times "answer after kill -9" 1000
lost=$("$scout" stop --json | sed -n 's/^.*"lost_frames": \([0-9]*\).*$/\1/p')
judge "recording meanwhile" "${lost:-0} frames lost" "${lost:-0}" 1 frame
if [ -s "$missed" ]; then
	echo "MISSED: $(sort -u "$missed" | paste -sd, -)"
	exit 1
fi

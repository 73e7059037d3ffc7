#!/usr/bin/env bash
# Takes away everything that recording depends on, TIMES times each, and prints every figure in one table.
# Usage: scripts/chaos.sh [TIMES], default 20; kill -9 of the recorder, and of the daemon while all of it is
# used, is done five times as often.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
times=${1:-20}
figures=$(mktemp) log=${CHAOS_OUT:-var/chaos}
trap 'rm -f "$figures"' EXIT
mkdir -p "$log"
export SCOUT_FIGURES=$figures
failed=0

# run NAME COMMAND… stores the complete output of a test and prints how it ended.
run() {
  local name=$1; shift
  printf 'chaos: %s … ' "$name" >&2
  if "$@" >"$log/$name.log" 2>&1; then echo done >&2; else failed=1; echo "FAILED, see $log/$name.log" >&2; fi
}
# said NAME PATTERN GROUP FIGURE BOUND prints a figure from the log of a test; the test itself checks the bound.
said() {
  local text verdict=ok
  text=$(grep -ohE "$2" "$log/$1.log" | tail -n 1 | cut -f1)
  if [ -z "$text" ] || grep -q '^FAIL' "$log/$1.log"; then verdict=MISSED; fi
  printf '%s\t%s\t%s\t%s\t%s\n' "$3" "$4" "${text:-none}" "$5" "$verdict" >>"$figures"
}

run recording env SCOUT_CHAOS="$times" go test -count=1 -v -timeout 2h -run 'TestChaos' ./cmd/scout
run daemon env SCOUT_DAEMON_KILLS=$((5 * times)) go test -count=1 -v -timeout 2h -run 'TestKilledDaemonsForgetNothing' ./cmd/scout
run wakeups go test -count=1 -v -timeout 10m -run 'TestWakeUps' ./cmd/scout
run kills env SCOUT_TEST_KILLS=$((5 * times)) go test -count=1 -v -timeout 1h -run 'TestAfterKillNine' ./internal/recording
said kills 'missing p50 .*' "recorder killed with -9, $((5 * times)) times" 'what other programs miss' '250ms'
run followers env SCOUT_TEST_FOLLOW_KILLS="$times" go test -count=1 -v -timeout 1h -run 'TestFollowGoesOn' ./internal/recording/remote
printf '%s\tfollowers got every frame once\t%s\tyes\t%s\n' "recorder killed under followers, $times times" \
  "$(grep -q '^ok' "$log/followers.log" && echo yes || echo no)" "$(grep -q '^ok' "$log/followers.log" && echo ok || echo MISSED)" >>"$figures"
run disk go test -count=1 -v -timeout 1h -run 'TestNothingIsLostWhile|TestBeyondTheRing|TestPowerLoss' ./internal/recording
grep -oE '^ *--- (PASS|FAIL): TestNothingIsLostWhile/[a-z_0-9]+' "$log/disk.log" | while read -r _ verdict name; do
  printf 'disk\t%s\tnothing lost\tnothing lost\t%s\n' "$(tr _ ' ' <<<"${name#*/}")" "$([ "$verdict" = PASS: ] && echo ok || echo MISSED)"
done >>"$figures"
said disk 'ok .*internal/recording' 'disk' 'full beyond the ring; loss of power' 'loss is what the gaps say; one sync interval'
run engine go test -count=1 -timeout 30m -run 'TestKilledEngineChangesNothing' ./cmd/scout
printf 'engine killed\tthe text is the same\t%s\tyes\t%s\n' "$(grep -q '^ok' "$log/engine.log" && echo yes || echo no)" \
  "$(grep -q '^ok' "$log/engine.log" && echo ok || echo MISSED)" >>"$figures"

run dictation go test -count="$times" -v -timeout 2h -run 'TestADictationSurvivesItsEngineAndItsDaemon' ./cmd/scout
survived=$(grep -c '^--- PASS' "$log/dictation.log")
printf 'engine and daemon killed in mid-dictation\tdictations with all words, in one stream of events\t%s of %s\tall\t%s\n' "$survived" "$times" \
  "$([ "$survived" = "$times" ] && echo ok || echo MISSED)" >>"$figures"

run secondpass env SCOUT_CHAOS="$times" go test -count="$times" -v -timeout 2h -run 'TestADictationSurvivesItsSecondPass' ./cmd/scout
grep -oE '^ +--- (PASS|FAIL|SKIP): TestADictationSurvivesItsSecondPass/[a-z_0-9]+' "$log/secondpass.log" | sed 's/.*--- //' | sort -t/ -k2 |
  awk -v OFS='\t' -v times="$times" '
    { name = $2; sub(/.*\//, "", name); gsub(/_/, " ", name); seen[name] = 1; if ($1 == "PASS:") whole[name]++ }
    END { for (name in seen) print "second pass: " name, "dictations whose first text is whole, and that say what became of the second", whole[name] + 0 " of " times, "all", whole[name] == times ? "ok" : "MISSED" }' >>"$figures"

run realtime env SCOUT_REALTIME_KILLS="$times" go test -count=1 -v -timeout 2h -run 'TestARealtimeSessionSurvivesItsEngine' ./cmd/scout

# Load, and an engine that hangs: what the tool says of its bounds.
speech=${SPEECH:-../shared/speech/dev}
if [ -f "$speech/manifest.tsv" ]; then
  run service bin/scout-bench service "$speech" --figure kills,hung --kills "$times"
  awk -F '  +' -v OFS='\t' '/^(met|SHORT|NOT MEASURED)/ { print "daemon killed under load, engine that hangs", $2, $3, $4, $1 == "met" ? "ok" : "MISSED" }' "$log/service.log" >>"$figures"
else
  echo "chaos: no speech in $speech (SPEECH=DIR): the daemon is not killed under load" >&2
fi

scripts/figures.sh "$figures" "Chaos, $(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg)"
if grep -q 'MISSED$' "$figures"; then failed=1; fi
exit "$failed"

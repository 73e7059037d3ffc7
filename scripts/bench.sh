#!/usr/bin/env bash
# Measures and prints every figure that Scout claims. Usage: scripts/bench.sh SPEECH-DIR
# If NOISES names a folder of real recordings without words, it is used; otherwise scripts/noises.sh fetches some.
set -euo pipefail
cd "$(dirname "$0")/.."
speech=$1
noises=${NOISES:-.tools/noises}
bench=bin/scout-bench
out=${BENCH_OUT:-var/bench}
mkdir -p "$out"
[ -f "$speech/manifest.tsv" ] || { echo "bench: no speech in $speech: set SPEECH=DIR with a manifest.tsv (see scout-bench transcribe --help)" >&2; exit 1; }

part() { printf '\n== %s\n' "$*"; }
summary() { grep -E '^(group|short,|long,|total|decodes|probability|memory|RTF|median|peak|against|without|said)' || true; }


part "Machine: $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), $(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg)"

part "Yardstick: sherpa-onnx with its own defaults"
$bench transcribe "$speech" --backend sherpa --profile plain --json >"$out/yardstick.json"
part "Scout"
$bench transcribe "$speech" --json >"$out/scout.json"  # to keep, for --baseline
$bench transcribe "$speech" --baseline "$out/yardstick.json" | tee "$out/scout.txt" | summary

part "Long recordings: cut every ten seconds, and at pauses"
$bench transcribe "$speech" --long --cut fixed:10s | grep '^long,' | sed 's/^/fixed  /'
$bench transcribe "$speech" --long --cut quiet     | grep '^long,' | sed 's/^/quiet  /'

part "All clips joined without a pause (compare with the total above)"
$bench transcribe "$speech" --joined | summary

part "The engine against the yardstick, in turn: time, memory, slots, cancelling, an hour of speech"
failed=0
$bench engine "$speech" | tee "$out/engine.txt" || failed=1 # the rest is measured all the same

part "Noise: words found in it, and words lost through it"
[ -n "${NOISES:-}" ] || scripts/noises.sh "$noises"
if [ -d "$noises" ]; then $bench noise "$speech" --recordings "$noises"; else $bench noise "$speech"; fi

part "Word times: aligned recordings, and sentences of a synthesizer whose times are known"
$bench words "$speech"

part "Hot words: names that are said, and names that are not"
$bench hotwords "$speech" --words testdata/hot-words.txt

part "The engine killed with -9 in the middle of a long file: the same text"
go test -count=1 -run 'TestKilledEngineChangesNothing' ./cmd/scout

part "Building blocks"
go test -run '^$' -bench . -benchmem ./internal/audio/... ./internal/engine/... 2>&1 | grep -E '^(Benchmark|pkg|cpu)'
exit "$failed"

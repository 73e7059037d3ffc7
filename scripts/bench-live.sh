#!/usr/bin/env bash
# Measures every figure of live dictation at the rate of speech, quick ones first: bench-live.sh SPEECH-DIR [FIGURE...]
# It takes three hours. What was measured is kept in BENCH_OUT (default var/bench), and a later call continues there, so that it can
# be stopped at any time. To begin anew, remove live.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
speech=$1
shift
out=${BENCH_OUT:-var/bench}
mkdir -p "$out"
[ -f "$speech/manifest.tsv" ] || { echo "bench-live: no speech in $speech: set SPEECH=DIR with a manifest.tsv (see scout-bench live --help)" >&2; exit 1; }
[ $# -gt 0 ] || set -- 2s 10s commands words memory core warm cold quiet 60s kills long noise
echo "Machine: $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), $(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg)"
failed=0
for figure; do
  case $figure in
    warm | cold) takes=100 ;;
    long) takes=60 ;; # three of ten minutes
    *) takes=40 ;;
  esac
  bin/scout-bench live "$speech" --figure "$figure" --takes "$takes" --report "$out/live.json" --plot "$out/live.html" >"$out/live.txt" || failed=1 # it said why: a bound that is SHORT, or what could not be measured
done
cat "$out/live.txt"
echo "every dictation: $out/live.json, $out/live.html"
exit "$failed"

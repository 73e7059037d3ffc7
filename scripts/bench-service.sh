#!/usr/bin/env bash
# Measures the service under load and faults, quick figures first: bench-service.sh SPEECH-DIR [FIGURE...]
# It takes half an hour. What was measured is kept in BENCH_OUT (default var/bench); a figure that is measured again takes the place of the
# former one. BENCH_FLAGS has further flags of scout-bench service, such as "--connections 10 --time 10s".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
speech=$1
shift
out=${BENCH_OUT:-var/bench}
mkdir -p "$out"
[ -f "$speech/manifest.tsv" ] || { echo "bench-service: no speech in $speech: set SPEECH=DIR with a manifest.tsv (see scout-bench service --help)" >&2; exit 1; }
[ $# -gt 0 ] || set -- idle hung slow disk load fair kills loops
echo "Machine: $(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo), $(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg)"
failed=0
for figure; do
  # shellcheck disable=SC2086 # several flags
  bin/scout-bench service "$speech" --figure "$figure" --report "$out/service.json" ${BENCH_FLAGS:-} >"$out/service.txt" || failed=1 # it said why: a bound that is SHORT, or what could not be measured
done
cat "$out/service.txt"
echo "everything that was measured: $out/service.json"
exit "$failed"

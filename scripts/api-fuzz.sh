#!/usr/bin/env bash
# Asks a daemon of its own everything that the document of the interface allows, and much that it does not: api-fuzz.sh [EXAMPLES]
# Schemathesis makes EXAMPLES requests (default 50) for each operation, and sequences of requests, and compares every answer with
# /openapi.json. Then the order of calls is fuzzed for FUZZTIME (default 30s). API_FUZZ_FLAGS has further flags of schemathesis run.
# It needs Python 3.10 or newer with venv; Schemathesis comes from PyPI into .tools/api-fuzz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
examples=${1:-50}
venv=${API_FUZZ_VENV:-.tools/api-fuzz}
want=$(sed -n 's/^schemathesis==//p' scripts/api-fuzz.txt)
if ! "$venv/bin/python" -c "from importlib.metadata import version; assert version('schemathesis') == '$want'" 2>/dev/null; then
	echo "api-fuzz: installing schemathesis $want into $venv" >&2
	"${PYTHON:-python3}" -m venv "$venv"
	"$venv/bin/python" -m pip --disable-pip-version-check --quiet install --only-binary :all: -r scripts/api-fuzz.txt
fi

house=$(mktemp -d /tmp/sfXXXXXX)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export SCOUT_DATA=$house/d SCOUT_CONFIG=$house/settings.toml SCOUT_AUTH__LOOPBACK=key XDG_RUNTIME_DIR=$house PULSE_SERVER=unix:$house/none SCOUT_MODELS=$house/models
here=$PWD
: >"$SCOUT_CONFIG"
# It may be asked to install models and to delete them: it has a folder of its own with a copy of the small one, and downloads nothing.
mkdir -p "$SCOUT_MODELS"
cp -r var/models/moonshine-tiny-en "$SCOUT_MODELS/"
HTTPS_PROXY=http://127.0.0.1:9 bin/scout serve --addr "127.0.0.1:$port" >"$house/output" 2>&1 &
daemon=$!
cleanup() {
	kill "$daemon" 2>/dev/null || true
	wait "$daemon" 2>/dev/null || true
	rm -rf "$house"
}
trap cleanup EXIT
for _ in $(seq 200); do
	curl -fsS "http://127.0.0.1:$port/readyz" >/dev/null 2>&1 && break
	sleep 0.1
done
key=$(bin/scout keys create fuzz --role owner 2>/dev/null)
# Something to ask for: a text, and an upload with its job.
curl -fsS -H "Authorization: Bearer $key" -F file=@testdata/jfk.wav "http://127.0.0.1:$port/api/v1/jobs" >/dev/null

# Streams do not end, a test message would go to an address that was made up, and the key that is used here would be deleted.
failed=0
venv=$(cd "$venv" && pwd)
(cd "$house" && SCHEMATHESIS_HOOKS=api_fuzz PYTHONPATH=$here/scripts PYTHONDONTWRITEBYTECODE=1 "$venv/bin/schemathesis" --config-file "$here/scripts/api-fuzz.toml" run "http://127.0.0.1:$port/openapi.json" -H "Authorization: Bearer $key" \
	--max-examples "$examples" --generation-database none --exclude-path-regex '(/events|/stream|/webhooks/\{id\}/test|/keys/\{id\})$' --request-timeout 70 --continue-on-failure ${API_FUZZ_FLAGS:-}) || failed=1
if ! kill -0 "$daemon" 2>/dev/null; then
	echo "api-fuzz: the daemon ended: $(tail -c 2000 "$house/output")" >&2
	failed=1
fi
go test ./internal/api -run '^$' -fuzz '^FuzzOrderOfCalls$' -fuzztime "${FUZZTIME:-30s}" || failed=1
exit "$failed"

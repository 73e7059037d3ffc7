#!/usr/bin/env bash
# Installs faster-whisper for "scout-bench transcribe --peer faster-whisper", in .tools/peer. Needs Python 3.10 to 3.13 with venv.
# The versions are fixed, and so are the checksums of what decodes; the libraries around it have fixed versions.
set -euo pipefail
cd "$(dirname "$0")/.."
peer=${PEER:-.tools/peer}
python=${PYTHON:-python3}

if "$peer/bin/python" -c 'import faster_whisper as f, ctranslate2 as c; assert (f.__version__, c.__version__) == ("1.2.1", "4.8.5")' 2>/dev/null; then
	exit 0
fi
echo "peer: installing faster-whisper 1.2.1 into $peer" >&2
"$python" -m venv "$peer"
pip() { "$peer/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
pip install --no-deps --require-hashes --only-binary :all: -r scripts/peer-hashed.txt
pip install --only-binary :all: -r scripts/peer.txt
"$peer/bin/python" -c 'import faster_whisper'

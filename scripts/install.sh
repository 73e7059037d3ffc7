#!/usr/bin/env bash
# Installs the programs in bin/ and the models that make setup fetched, or removes them again: make install, make uninstall.
#
#   PREFIX/bin/scout                     the program
#   PREFIX/lib/scout                     scout-recorder, scout-engine, their libraries, and the list of installed files
#   PREFIX/share/scout/models            Moonshine tiny, and Whisper base unless SETUP=small, with their prepared graphs; for
#                                        PREFIX=~/.local the user's own folder
#   PREFIX/share/man/man1                the manual pages
#   PREFIX/share/bash-completion, zsh, fish   completion
#   ~/.config/systemd/user               with --units, and nothing else then: the units of packaging/systemd
#
# With DESTDIR the files are put below it, for building packages. Only files on the list are removed, and folders only if
# this script made them and they are empty: pulled models and recordings stay. BIN names another folder of programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

models=(moonshine-tiny-en) # as scripts/setup.sh
[ "${SETUP:-full}" = small ] || models+=(whisper-base)
readonly models
readonly MODELS="${SCOUT_MODELS:-$PWD/var/models}"
prefix=${PREFIX:-$HOME/.local}
[[ $prefix != "~"* ]] || prefix=$HOME${prefix#\~} # not every shell replaces it
[[ $prefix == /* ]] || { echo "install: PREFIX=$prefix is not an absolute path" >&2; exit 2; }
readonly BIN=${BIN:-bin}
readonly root="${DESTDIR:-}$prefix"
readonly list="$root/lib/scout/installed.txt"

# Every path on the list is relative to the prefix. A path that ends with "/" is a folder that only Scout uses. A path that begins
# with "@" is a folder that this script made; it comes after the folder that contains it.
remove() {
  [ -f "$list" ] || { echo "uninstall: Scout was not installed in $root by make install" >&2; exit 1; }
  local path lines
  mapfile -t lines <"$list"
  rm -f -- "$list"
  for path in "${lines[@]}"; do
    case $path in
      "" | /* | *..* | @*) continue ;;
      */) rm -rf -- "${root:?}/$path" ;;
      *) rm -f -- "$root/$path" ;;
    esac
  done
  for ((i = ${#lines[@]} - 1; i >= 0; i--)); do
    path=${lines[i]}
    case $path in
      *..*) continue ;;
      @*) rmdir -- "$root/${path#@}" 2>/dev/null || true ;; # something else is in it
    esac
  done
  echo "removed Scout from $root"
}

installed=()
# note_folders PATH records the parent folders of PATH that do not exist yet.
note_folders() {
  local folder="" part parts
  IFS=/ read -ra parts <<<"${1%/*}"
  for part in "${parts[@]}"; do
    folder=$folder${folder:+/}$part
    [ -d "$root/$folder" ] || { mkdir -p "$root/$folder" && installed+=("@$folder"); }
  done
}

# put MODE FILE PATH installs one file and records it.
put() {
  note_folders "$3"
  install -D -m "$1" "$2" "$root/$3"
  installed+=("$3")
}

# put_model ID installs one model, unless it is there.
put_model() {
  local folder=share/scout/models/$1
  if "$BIN/scout" --models-dir "$root/share/scout/models" models verify "$1" >/dev/null 2>&1; then
    return 0 # where the user pulled it, it is not ours to remove
  fi
  note_folders "$folder"
  rm -rf "${root:?}/$folder" "$root/$folder.new"
  cp -R --preserve=mode,timestamps "$MODELS/$1" "$root/$folder.new"
  mv "$root/$folder.new" "$root/$folder"
  installed+=("$folder/" "share/scout/models/.$1.lock" share/scout/models/.noted-english-only)
}

add() {
  local page lib file id
  for file in "$BIN"/scout "$BIN"/scout-recorder "$BIN"/scout-engine; do
    [ -f "$file" ] || { echo "install: $file is missing: run make setup first" >&2; exit 1; }
  done
  for id in "${models[@]}"; do
    [ -f "$MODELS/$id/model.json" ] || { echo "install: there is no model $id in $MODELS: run make setup first (SETUP=small needs ${models[0]} only)" >&2; exit 1; }
  done
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  mkdir "$made/man"
  # In an empty environment, so that defaults are Scout's and not those of this shell.
  env -i HOME="$HOME" PATH="$PATH" "$BIN/scout" manual "$made/man"
  env -i HOME="$HOME" PATH="$PATH" "$BIN/scout" completion bash >"$made/bash"
  env -i HOME="$HOME" PATH="$PATH" "$BIN/scout" completion zsh >"$made/zsh"
  env -i HOME="$HOME" PATH="$PATH" "$BIN/scout" completion fish >"$made/fish"

  [ ! -f "$list" ] || mapfile -t installed <"$list" # of an earlier time
  put 755 "$BIN/scout-recorder" lib/scout/scout-recorder
  put 755 "$BIN/scout-engine" lib/scout/scout-engine
  shopt -s nullglob
  for lib in "$BIN"/lib/*; do put 644 "$lib" "lib/scout/lib/${lib##*/}"; done
  put 755 "$BIN/scout" bin/scout
  for page in "$made"/man/*.1; do put 644 "$page" "share/man/man1/${page##*/}"; done
  put 644 "$made/bash" share/bash-completion/completions/scout
  put 644 "$made/zsh" share/zsh/site-functions/_scout
  put 644 "$made/fish" share/fish/vendor_completions.d/scout.fish
  for id in "${models[@]}"; do put_model "$id"; done
  printf '%s\n' "${installed[@]}" | awk '!seen[$0]++' >"$list.new"
  mv "$list.new" "$list"

  echo "installed Scout in $root: bin/scout, ${models[*]}, manual pages (man scout), completion for bash, zsh and fish"
  [ -n "${DESTDIR:-}" ] || [[ :$PATH: == *":$prefix/bin:"* ]] ||
    echo "$prefix/bin is not on your PATH: add it, for example in ~/.profile: PATH=\"$prefix/bin:\$PATH\""
}

readonly units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
readonly mark="# Installed by make install-user of Scout in $prefix."

# put_unit FILE NAME installs one unit, unless somebody else wrote one of that name.
put_unit() {
  if [ -e "$units/$2" ] && ! grep -qF "${mark%% in *}" "$units/$2"; then
    echo "install: $units/$2 is not of make install-user and stays as it is" >&2
    return 0
  fi
  mkdir -p "$(dirname "$units/$2")"
  { echo "$mark"; sed -e "s|@BIN@|$prefix/bin|g" -e "s|@LIB@|$prefix/lib/scout|g" "$1"; } >"$units/$2.new"
  mv "$units/$2.new" "$units/$2"
}

# remove_unit NAME removes one unit of this prefix, and its folder if that is a folder of its own.
remove_unit() {
  if [ -f "$units/$1" ] && grep -qxF "$mark" "$units/$1"; then
    rm -f -- "$units/$1"
    [[ $1 != */* ]] || rmdir -- "$units/${1%/*}" 2>/dev/null || true # something else is in it
  fi
}

# add_units installs the units for this user. They are not started: that is for the user to say.
add_units() {
  local unit name
  for unit in packaging/systemd/*.{service,socket}.in; do
    name=${unit##*/}
    put_unit "$unit" "${name%.in}"
  done
  # In a user namespace a process has rights over what is in it; some systems forbid that.
  if unshare --user --map-root-user --mount true 2>/dev/null; then
    for unit in scout.service scout-recorder@.service; do put_unit packaging/systemd/namespaces.conf.in "$unit.d/namespaces.conf"; done
  else
    echo "install: user namespaces are not allowed here: the units do without namespaces.conf" >&2
    remove_unit scout.service.d/namespaces.conf
    remove_unit scout-recorder@.service.d/namespaces.conf
  fi
  echo "installed scout.service, scout.socket and scout-recorder@.service in $units"
  echo "to use them: systemctl --user daemon-reload && systemctl --user enable --now scout.socket"
}

# remove_units removes those of this prefix. What somebody else wrote stays.
remove_units() {
  local unit name
  for unit in packaging/systemd/*.{service,socket}.in; do
    name=${unit##*/}
    remove_unit "${name%.in}"
    remove_unit "${name%.in}.d/namespaces.conf"
  done
}

case "${1:-}" in
  "") add ;;
  --units) add_units ;;
  --remove) remove && remove_units ;;
  *) echo "usage: scripts/install.sh [--units | --remove]" >&2; exit 2 ;;
esac

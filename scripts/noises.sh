#!/usr/bin/env bash
# Fetches real recordings without words for the noise benchmark: music without voice and the keys of a keyboard, from
# Debian's packages, whose checksums apt verifies. Usage: scripts/noises.sh FOLDER. Needs apt-get, dpkg-deb and ffmpeg;
# without them, or without a network, the benchmark uses only the sounds that Scout makes itself.
set -euo pipefail
folder=$1
music=asterisk-moh-opsound-wav
keys=bucklespring-data

[ -f "$folder/typing.wav" ] && exit 0
for program in apt-get dpkg-deb ffmpeg; do
    command -v "$program" >/dev/null || { echo "noises: no $program: only sounds made by Scout are measured" >&2; exit 0; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "noises: fetching recordings of music and typing ($music, $keys)" >&2
if ! (cd "$work" && apt-get download -qq "$music" "$keys" >/dev/null 2>&1); then
    echo "noises: cannot download: only sounds made by Scout are measured" >&2
    exit 0
fi
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/files"; done

convert() { ffmpeg -nostdin -loglevel error -y "$@"; }
mkdir -p "$work/out"
find "$work/files" -path '*moh*' -name '*.wav' | sort | while read -r file; do
    convert -i "$file" -t 45 -ac 1 -ar 16000 "$work/out/music-$(basename "$file" .wav).wav"
done
find "$work/files" -path '*buckle*' -name '*.wav' | sort | sed "s/.*/file '&'/" >"$work/keys.txt"
convert -f concat -safe 0 -i "$work/keys.txt" -ac 1 -ar 16000 "$work/out/typing.wav"
mkdir -p "$folder"
for file in "$work"/out/music-*.wav; do mv "$file" "$folder/"; done
mv "$work/out/typing.wav" "$folder/" # last: its presence says that all is there

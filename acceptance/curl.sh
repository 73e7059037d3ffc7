#!/usr/bin/env bash
# Requests as people type them, and that of Open WebUI. Each line of the output is one check.
failed=0
check() { # NAME PATTERN COMMAND…
  local name=$1 pattern=$2 got; shift 2
  got=$("$@" 2>&1)
  if printf '%s' "$got" | tr '\n' ' ' | grep -qiE "$pattern"; then echo "ok - $name"; else echo "not ok - $name: $(printf '%s' "$got" | tr '\n' ' ' | cut -c1-200)"; failed=1; fi
}
ask() { curl -sS "$@"; }
said='ask not what your country'
T="$SCOUT_HTTP/v1/audio/transcriptions"
check "a file and no model" "\"text\":.*$said" ask -F file=@"$SCOUT_CLIP" "$T"
check "fields behind the file" "$said" ask -F file=@"$SCOUT_CLIP" -F model=whisper-1 -F language=en -F response_format=text "$T"
check "repeated arrays" '"words":\[\{' ask -F file=@"$SCOUT_CLIP" -F model=moonshine-tiny-en -F response_format=verbose_json -F 'timestamp_granularities[]=word' -F 'timestamp_granularities[]=segment' "$T"
check "an array as JSON" '"words":\[\{' ask -F file=@"$SCOUT_CLIP" -F model=moonshine-tiny-en -F response_format=verbose_json -F 'timestamp_granularities=["word"]' "$T"
check "srt" '00:00:0[0-9],[0-9]{3} --> ' ask -F file=@"$SCOUT_CLIP" -F response_format=srt "$T"
check "a stream, -N" 'transcript.text.delta.*transcript.text.done' ask -N -F file=@"$SCOUT_CLIP" -F stream=true "$T"
check "chunked, without a length" "$said" ask -H 'Transfer-Encoding: chunked' -F file=@"$SCOUT_CLIP" "$T"
check "over TLS, HTTP/2" "HTTP/2 200.*$said" ask -i --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $SCOUT_KEY" -F file=@"$SCOUT_CLIP" "$SCOUT_HTTPS/v1/audio/transcriptions"
check "over TLS, HTTP/1.1" "HTTP/1.1 200.*$said" ask -i --http1.1 --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $SCOUT_KEY" -F file=@"$SCOUT_CLIP" "$SCOUT_HTTPS/v1/audio/transcriptions"
check "Open WebUI's request: file and model" "$said" ask -H "Authorization: Bearer any" -F "file=@$SCOUT_CLIP;filename=a.wav;type=audio/wav" -F model=whisper-1 "$T"
check "Open WebUI's request: an error has .error.message" '"error":\{"message":".*gpt-9' ask -H "Authorization: Bearer any" -F file=@"$SCOUT_CLIP" -F model=gpt-9 "$T"
check "models" '"object":"list"' ask "$SCOUT_HTTP/v1/models"
check "an unknown path" '"code":"unknown_url"' ask "$SCOUT_HTTP/v1/chat/completions"
recording=$(curl -sS -H "Authorization: Bearer $SCOUT_KEY" -F file=@"$SCOUT_CLIP" "$SCOUT_HTTP/api/v1/jobs" | sed 's/.*"recording_id":"\([^"]*\)".*/\1/')
check "a range of the audio" 'HTTP/1.1 206.*RIFF' ask -i -H "Authorization: Bearer $SCOUT_KEY" -r 0-3 "$SCOUT_HTTP/api/v1/recordings/$recording/audio"
exit $failed

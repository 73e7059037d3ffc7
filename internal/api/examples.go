package api

import (
	"encoding/json"
	"strings"
)

// example is a request with its answer. The document shows it, docs/formats/api-examples.md prints it, and a test sends it.
type example struct {
	// query is added to the path of the operation.
	query string
	// headers are those that the operation needs, each "Name: value".
	headers []string
	// body is that of the request, status and answer are what comes back.
	body   string
	status int
	answer string
}

// tusResumable is the header of every request about an upload.
const tusResumable = "Tus-Resumable: 1.0.0"

// raw is JSON as it is.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

// exampleOf returns the example of an operation.
func exampleOf(operation string) (example, bool) {
	e, found := examples()[operation]
	return e, found
}

// Parts of several examples.
const (
	exampleRecording = `{"id":"20261128T215900123Z-7f3a9c2e41d0","state":"finished","source":"microphone","device":{"id":"mic","name":"Built-in microphone"},
 "started_at":"2026-11-28T21:59:00.123Z","ended_at":"2026-11-28T21:59:00.373Z","duration_seconds":0.25,"lost_frames":0,"size_bytes":8144,
 "audio":"present","media_type":"audio/wav","format":{"sample_rate":16000,"channels":1,"sample_format":"s16"},"frames":4000,"end_reason":"stopped",
 "transcript":{"state":"done","version":1,"kind":"first","model":"moonshine-tiny-en","words":8,"preview":"Good morning, Zoë. The budget is 40 euros."},"transcribed_at":"2026-11-28T22:00:00.000Z"}`
	exampleSummary = `{"id":"20261128T215900123Z-7f3a9c2e41d0","recording":"20261128T215900123Z-7f3a9c2e41d0","version":1,"kind":"first",
 "model":"moonshine-tiny-en","language":"en","duration":4.5,"words":8,"created_at":"2026-11-28T22:00:00.000Z",
 "text":"Good morning, Zoë. The budget is 40 euros.","preview":"Good morning, Zoë. The budget is 40 euros."}`
	exampleText = `{"id":"20261128T215900123Z-7f3a9c2e41d0","version":1,"kind":"first","created_at":"2026-11-28T22:00:00.000Z",
 "model":"moonshine-tiny-en","language":"en","duration":4.5,"text":"Good morning, Zoë. The budget is 40 euros.",
 "segments":[{"start":0,"end":2.25,"text":"Good morning, Zoë."},{"start":2.5,"end":4.5,"text":"The budget is 40 euros."}]}`
	exampleDone = `{"id":"20261128T215900123Z-7f3a9c2e41d0","state":"finished","source":"microphone","device":{"id":"mic","name":"Built-in microphone"},
 "started_at":"2026-11-28T21:59:00.123Z","ended_at":"2026-11-28T21:59:00.373Z","duration_seconds":0.25,"lost_frames":0,"size_bytes":8144,
 "audio":"present","media_type":"audio/wav","format":{"sample_rate":16000,"channels":1,"sample_format":"s16"},"frames":4000,"end_reason":"stopped","transcript":{"state":"none"}}`
	exampleHealth = `{"status":"Healthy","reasons":[],"uptime_seconds":12.5,"version":"0.5.0","degradation":{"level":0,"name":"high"},"components":[
 {"name":"store","status":"Healthy","critical":true,"last_check":"2026-11-28T22:00:00.000Z"}]}`
	exampleSettings = `{"file":"/home/ann/.config/scout/settings.toml","values":{"record":{"rate":48000},"log":{"level":""}},
 "origin":{"record.rate":"file","log.level":"default"},"from":{"record.rate":"/home/ann/.config/scout/settings.toml:2"},"restart_required":[]}`
	exampleJob = `{"id":"job_01kb5ja0c8t2v6m4q9w3e7r1ya","kind":"transcribe","state":"queued","priority":"normal","recording_id":"20261128T215900123Z-7f3a9c2e41d0",
 "options":{"model":"moonshine-tiny-en"},"attempt":0,"max_attempts":5,"created_at":"2026-11-28T22:00:00.000Z","progress":{"fraction":0,"done_seconds":0,"total_seconds":0.25}}`
	exampleModel    = `{"id":"moonshine-tiny-en","name":"Moonshine tiny (English)","family":"moonshine","backend":"moonshine","languages":["en"],"licence":"MIT","size_bytes":28000000,"size_exact":true,"state":"installed","default":true,"roles":["fast"],"tested":true,"own":false,"loaded":true,"memory_bytes":94371840,"measured":{"speed":73.5,"wer":0.094,"memory_bytes":94371840}}`
	examplePull     = `{"id":"job_01kb5ja0c8t2v6m4q9w3e7r1ya","kind":"model_pull","state":"queued","priority":"normal","options":{"model":"whisper-small","from":"/media/usb/whisper-small"},"attempt":0,"max_attempts":5,"created_at":"2026-11-28T22:00:00.000Z"}`
	exampleImport   = `{"id":"job_01kb5ja0c8t2v6m4q9w3e7r1ya","kind":"import","state":"queued","priority":"normal","options":{"audio":true,"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","size_bytes":40960},"attempt":0,"max_attempts":5,"created_at":"2026-11-28T22:00:00.000Z"}`
	exampleQueue    = `{"paused":false,"counts":{"queued":1,"running":0,"retrying":0,"paused":0,"succeeded":0,"dead":0,"cancelled":0},"oldest_seconds":0.5,"slots":2,"degradation":0}`
	exampleKey      = `{"id":"key_01kb3f8m6v2c9q4t7x5z0w1y2a","name":"notes","role":"client","created_at":"2026-11-28T22:00:00.000Z"`
	exampleWebhook  = `{"id":"whk_01kb5ja0c8t2v6m4q9w3e7r1ya","url":"https://notes.example/hooks/scout","events":["job.dead","job.succeeded"],"include_text":false,"enabled":true,"created_at":"2026-11-28T22:00:00.000Z"`
	exampleDelivery = `{"n":1,"message_id":"msg_01kb5ja0c8t2v6m4q9w3e7r1yb","event":"job.succeeded","recording_id":"20261128T215900123Z-7f3a9c2e41d0","at":"2026-11-28T22:00:00.000Z",`
	exampleRealtime = `{"type":"transcription","object":"realtime.transcription_session","id":"sess_01kb5ja0c8t2v6m4q9w3e7r1ya","expires_at":1795853400,"include":null,
 "audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"transcription":{"model":"default","language":"","languages":null,"keywords":[],"prompt":null,"delay":null},
 "noise_reduction":null,"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500}}}}`
	exampleRealtimeBeta = `{"id":"sess_01kb5ja0c8t2v6m4q9w3e7r1ya","object":"realtime.transcription_session","expires_at":1795853400,
 "client_secret":{"value":"ek_q3Zk0mYv7Jr2Xw9dTn5LbHs8Pf1GcAe4UoKi6NxVtRy","expires_at":1795853400},"input_audio_format":"pcm16",
 "input_audio_transcription":{"model":"default","language":"","prompt":""},"input_audio_noise_reduction":null,
 "turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500},"include":[]}`
	exampleOpenAIModel = `{"id":"moonshine-tiny-en","object":"model","created":1795824000,"owned_by":"moonshine","shutdown_date":null}`
	exampleDeleted     = `{"undo_until":"2026-12-28T22:00:00.000Z"}`
)

// exampleAudio stands for the bytes of a file.
const exampleAudio = "RIFF…"

// formOfExample is a body in parts: fields, each a name and a value, and behind them a file.
func formOfExample(fields ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		b.WriteString("--b\nContent-Disposition: form-data; name=\"" + fields[i] + "\"\n\n" + fields[i+1] + "\n")
	}
	b.WriteString("--b\nContent-Disposition: form-data; name=\"file\"; filename=\"meeting.wav\"\n\n" + exampleAudio + "\n--b--\n")
	return b.String()
}

// examples are those of all operations, by operation.
func examples() map[string]example {
	return map[string]example{
		"get-version": {status: 200, answer: `{"version":"0.5.0","api":1,"recordings_dir":"/home/ann/.local/share/scout/recordings"}`},
		"get-status": {status: 200, answer: `{"pid":4711,"version":"0.5.0","started_at":"2026-11-28T22:00:00.000Z",
 "uptime_seconds":12.5,"ready":true,"data_dir":"/home/ann/.local/share/scout","recordings_dir":"/home/ann/.local/share/scout/recordings","models_dir":"/home/ann/.local/share/scout/models",
 "processes":[{"name":"scout","pid":4711,"rss_bytes":37687296,"cpu_percent":0.3}],"degradation":{"level":0,"name":"high"},
 "limits":{"processors":8,"body_bytes":1048576,"header_bytes":32768,"connections":512,"streams":256,"streams_per_client":32},"sessions":{"live":0,"realtime":0,"wyoming":0},"engine":{"state":"loaded","model":"whisper-base","breaker":"closed","starts":1},"engines":[{"state":"loaded","model":"whisper-base","breaker":"closed","starts":1}],"second_pass":{"state":"ready","model":"whisper-base"},"transcriptions":{"count":0,"failed":0,"data":[]},
 "recorder":{"state":"idle"},"retention":{"audio_days":30,"trash_days":30},"connections":1,"streams":0}`},
		"get-status-history": {status: 200, answer: `{"span":"hour","step_seconds":10,"since":"2026-11-28T22:00:00.000Z","data":[{"at":"2026-11-28T22:05:10.000Z","memory_bytes":219152384,"memory_soft_bytes":513802240,"processor_percent":12.5,"level":0,"waiting":1,"running":1,"behind_seconds":0,"errors":0,"texts":2,"text_p50_ms":131.2,"text_p95_ms":190}]}`},
		"get-storage": {status: 200, answer: `{"data":[{"kind":"recordings","path":"/home/ann/.local/share/scout/recordings","bytes":61865984,"files":42},{"kind":"database","path":"/home/ann/.local/share/scout/scout.db","bytes":1396736,"files":3}],"sessions":1,
 "outgoing":[{"kind":"webhook","id":"whk_01kb5f0v9nqf2m8xw3c6r7t1ab","address":"https://example.org/scout","text":true}]}`},
		"post-storage-remove": {body: `{"kind":"trash"}`, status: 200, answer: `{"kind":"trash","removed":3,"freed_bytes":4194304}`},
		"get-health":          {status: 200, answer: exampleHealth},
		"post-health-check":   {status: 200, answer: exampleHealth},
		"get-healthz":         {status: 200, answer: exampleHealth},
		"get-livez":           {status: 200, answer: `{"status":"ok"}`},
		"get-readyz":          {status: 200, answer: `{"status":"ok"}`},
		"get-metrics":         {status: 200, answer: "scout_connections{kind=\"http\"} 1\n"},
		"get-settings":        {status: 200, answer: exampleSettings},
		"patch-settings":      {body: `{"record":{"rate":48000},"log":{"level":null}}`, status: 200, answer: exampleSettings},
		"get-settings-schema": {status: 200, answer: `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"record":{"type":"object"}}}`},
		"get-keys":            {status: 200, answer: `{"data":[` + exampleKey + `}]}`},
		"post-keys":           {body: `{"name":"notes","role":"client","requests_per_minute":60}`, status: 201, answer: exampleKey + `,"requests_per_minute":60,"key":"sk-scout-q3Zk0mYv7Jr2Xw9dTn5LbHs8Pf1GcAe4UoKi6NxVtRy"}`},
		"delete-keys-id":      {status: 204},
		"post-session":        {status: 204},
		"delete-session":      {status: 204},
		"post-session-link":   {status: 200, answer: `{"url":"http://127.0.0.1:7268/open/q3Zk0mYv7Jr2Xw9dTn5LbHs8Pf1GcAe4UoKi6NxVtRy","expires_at":"2026-11-28T22:05:00.000Z"}`},
		"get-open-link":       {status: 303},
		"get-docs":            {status: 200, answer: "<!doctype html>"},
		"get-assets-docs-js":  {status: 200, answer: "\"use strict\";"},
		"get-assets-docs-css": {status: 200, answer: ":root"},
		"get-devices": {status: 200, answer: `{"backend":"pulseaudio","data":[{"id":"mic","name":"Built-in microphone","default":true,"monitor":false,
 "formats":[{"sample_rate":48000,"channels":2,"sample_format":"s16"}]}]}`},
		"get-models":    {status: 200, answer: `{"data":[` + exampleModel + `]}`},
		"get-models-id": {status: 200, answer: exampleModel},
		"get-backup":    {status: 200, answer: "SQLite format 3"},
		"get-recorder":  {status: 200, answer: `{"state":"idle","disk":{"free_bytes":1073741824,"left_seconds":3600,"low":false}}`},
		"post-recorder-start": {body: `{"device":"Built-in","title":"Monday","tags":["work"],"labels":{"room":"4"}}`, status: 201, answer: `{"id":"20261128T215900123Z-7f3a9c2e41d0","already":false,"state":"recording","source":"microphone","title":"Monday","tags":["work"],"labels":{"room":"4"},
 "started_at":"2026-11-28T21:59:00.123Z","format":{"sample_rate":16000,"channels":1,"sample_format":"s16"},"device":{"id":"mic","name":"Built-in microphone"},"duration_seconds":0,"lost_frames":0,"size_bytes":64,
 "audio":"present","media_type":"audio/wav","transcript":{"state":"none"},"waited_seconds":0.12,"left_seconds":3600,"path":"/home/ann/.local/share/scout/recordings/20261128T215900123Z-7f3a9c2e41d0.wav"}`},
		"post-recorder-stop":                      {status: 200, answer: `{"recording":` + exampleDone + `,"already":true}`},
		"post-recorder-cancel":                    {status: 200, answer: `{"recording":` + exampleDone + `,"already":false}`},
		"post-recorder-toggle":                    {body: `{"device":"Built-in","title":"Note","tags":["idea"]}`, status: 202, answer: `{"state":"starting","id":"20261128T215900123Z-7f3a9c2e41d0"}`},
		"post-live-check":                         {body: `{"language":"en"}`, status: 200, answer: `{"ready":true}`},
		"post-live-id-cancel":                     {status: 200, answer: `{"recording":` + exampleDone + `,"already":false}`},
		"post-live-id-inserted":                   {body: `{"method":"paste","proved":true}`, status: 200, answer: `{"method":"paste","proved":true}`},
		"get-live-id-events":                      {query: "after=0", status: 200, answer: ": ok\n\nid: 1\nevent: state\ndata: {\"seq\":1,\"type\":\"state\",\"state\":\"listening\"}\n"},
		"get-recorder-level":                      {status: 200, answer: `{"at":"2026-11-28T22:00:00.000Z","device":"mic","rms":0.1,"peak":0.5,"rms_dbfs":-20,"peak_dbfs":-6}`},
		"get-recorder-level-stream":               {query: "hz=10", status: 200, answer: ": ok\n\nevent: level\ndata: {\"at\":\"2026-11-28T22:00:00.000Z\",\"device\":\"mic\",\"rms\":0.1,\"peak\":0.5,\"rms_dbfs\":-20,\"peak_dbfs\":-6}\n"},
		"get-events":                              {query: "after=0&topics=recording", status: 200, answer: ": ok\n\nid: 1\nevent: recording.finished\ndata: {\"id\":1,\"type\":\"recording.finished\",\"at\":\"2026-11-28T22:00:00.000Z\",\"data\":{\"recording\":\"20261128T215900123Z-7f3a9c2e41d0\"}}\n"},
		"get-recordings":                          {query: "state=finished&limit=20", status: 200, answer: `{"data":[` + exampleRecording + `]}`},
		"get-tags":                                {status: 200, answer: `{"data":[{"tag":"work","recordings":1}]}`},
		"get-recordings-id":                       {status: 200, answer: exampleRecording},
		"patch-recordings-id":                     {body: `{"title":"Monday","tags":["work"],"labels":{"room":"4","old":null}}`, status: 200, answer: exampleRecording},
		"delete-recordings-id":                    {status: 200, answer: exampleDeleted},
		"post-recordings-id-restore":              {status: 200, answer: exampleRecording},
		"post-recordings-id-verify":               {status: 200, answer: `{"intact":true}`},
		"get-recordings-id-audio":                 {status: 200, answer: "RIFF"},
		"get-recordings-id-peaks":                 {query: "points=4", status: 200, answer: `{"duration_seconds":0.25,"peaks":[[0.5,-0.5,0.5,-0.5]]}`},
		"get-recordings-id-export":                {query: "format=txt", status: 200, answer: "Good morning, Zoë."},
		"post-recordings-prune":                   {body: `{"dry_run":true}`, status: 200, answer: `{"dry_run":true,"removed":{"audio":0,"recordings":0,"texts":0},"freed_bytes":0}`},
		"get-transcriptions":                      {status: 200, answer: `{"count":0,"failed":0,"data":[]}`},
		"get-transcriptions-id":                   {status: 200, answer: `{"id":"20261128T215900123Z-7f3a9c2e41d0","state":"done","version":1,"revision":0}`},
		"post-jobs":                               {body: `{"kind":"transcribe","recording_id":"20261128T215900123Z-7f3a9c2e41d0","model":"moonshine-tiny-en","priority":"normal","webhook":{"url":"https://notes.example/hooks/scout","secret":"whsec_q3Zk0mYv7Jr2Xw9dTn5LbHs8Pf1GcAe4UoKi6NxVtRw="}}`, status: 202, answer: exampleJob},
		"post-import":                             {headers: []string{"Content-Type: multipart/form-data; boundary=b"}, body: "--b\nContent-Disposition: form-data; name=\"file\"; filename=\"scout.db\"\n\nSQLite format 3…\n--b--", status: 202, answer: exampleImport},
		"get-jobs-id-export":                      {status: 200, answer: "PK"},
		"get-jobs":                                {query: "state=queued&limit=20", status: 200, answer: `{"data":[` + exampleJob + `]}`},
		"get-jobs-id":                             {status: 200, answer: exampleJob[:len(exampleJob)-1] + `,"position":1}`},
		"get-jobs-id-events":                      {status: 200, answer: ": ok\n\nevent: job\ndata: " + strings.ReplaceAll(exampleJob, "\n ", "") + "\n"},
		"patch-jobs-id":                           {body: `{"priority":"low"}`, status: 200, answer: strings.Replace(exampleJob, "normal", "low", 1)},
		"delete-jobs-id":                          {status: 204},
		"post-jobs-id-cancel":                     {status: 200, answer: strings.Replace(exampleJob, "queued", "cancelled", 1)},
		"post-jobs-id-retry":                      {status: 200, answer: exampleJob},
		"post-jobs-id-pause":                      {status: 200, answer: strings.Replace(exampleJob, "queued", "paused", 1)},
		"post-jobs-id-resume":                     {status: 200, answer: exampleJob},
		"options-uploads":                         {status: 204},
		"post-uploads":                            {headers: []string{tusResumable, "Upload-Length: 8044", "Upload-Metadata: filename dGFsay53YXY=,language ZW4="}, status: 201},
		"get-uploads":                             {query: "limit=20", status: 200, answer: `{"data":[{"id":"upl_01kb5ja0c8t2v6m4q9w3e7r1ya","filename":"talk.wav","offset":4000,"length":8044,"created_at":"2026-11-28T22:00:00.000Z","expires_at":"2026-11-29T22:00:00.000Z"}]}`},
		"head-uploads-id":                         {headers: []string{tusResumable}, status: 200},
		"patch-uploads-id":                        {headers: []string{tusResumable, "Upload-Offset: 0", "Content-Type: application/offset+octet-stream"}, body: "RIFF", status: 204},
		"delete-uploads-id":                       {headers: []string{tusResumable}, status: 204},
		"post-jobs-retry":                         {body: `{"state":"dead","code":"model_not_installed"}`, status: 200, answer: `{"count":0,"left":0}`},
		"post-models-id-pull":                     {body: `{"from":"/media/usb/whisper-small"}`, status: 202, answer: examplePull},
		"post-models-id-use":                      {body: `{"role":"fast"}`, status: 200, answer: exampleModel},
		"post-models-id-load":                     {status: 200, answer: exampleModel},
		"post-models-id-unload":                   {status: 200, answer: strings.Replace(exampleModel, `"loaded":true,"memory_bytes":94371840`, `"loaded":false`, 1)},
		"post-models-id-verify":                   {status: 200, answer: exampleModel},
		"delete-models-id":                        {status: 204},
		"get-queue":                               {status: 200, answer: exampleQueue},
		"post-queue-pause":                        {status: 200, answer: strings.Replace(exampleQueue, "false", "true", 1)},
		"post-queue-resume":                       {status: 200, answer: exampleQueue},
		"get-webhooks":                            {status: 200, answer: `{"data":[` + exampleWebhook + `}]}`},
		"post-webhooks":                           {body: `{"url":"https://notes.example/hooks/scout","events":["job.succeeded","job.dead"],"include_text":false}`, status: 201, answer: exampleWebhook + `,"secret":"whsec_q3Zk0mYv7Jr2Xw9dTn5LbHs8Pf1GcAe4UoKi6NxVtRw="}`},
		"get-webhooks-id":                         {status: 200, answer: exampleWebhook + `}`},
		"patch-webhooks-id":                       {body: `{"enabled":true,"events":["job.succeeded"]}`, status: 200, answer: exampleWebhook + `}`},
		"delete-webhooks-id":                      {status: 204},
		"post-webhooks-id-test":                   {status: 200, answer: `{"status":204,"duration_ms":12}`},
		"get-webhooks-id-deliveries":              {query: "limit=20", status: 200, answer: `{"data":[` + exampleDelivery + `"state":"delivered","attempts":1,"status":204,"ended_at":"2026-11-28T22:00:00.100Z"}]}`},
		"post-webhooks-id-deliveries-n-redeliver": {status: 200, answer: exampleDelivery + `"state":"waiting","attempts":0,"next_attempt_at":"2026-11-28T22:10:00.000Z"}`},
		"get-transcripts": {query: "q=budget", status: 200, answer: `{"data":[` + exampleSummary[:len(exampleSummary)-1] + `,
 "snippets":[{"text":"The budget is 40 euros.","marks":[[4,10]],"start":2.5}]}]}`},
		"post-transcripts": {body: `{"title":"talk.mp3","transcript":{"model":"moonshine-tiny-en","language":"en","duration":4.5,"text":"Good morning, Zoë.",
 "segments":[{"start":0,"end":2.25,"text":"Good morning, Zoë."}]}}`, status: 201, answer: exampleSummary},
		"get-transcripts-id":                           {status: 200, answer: exampleText},
		"patch-transcripts-id":                         {body: `{"edits":[{"segment":1,"text":"The budget is 50 euros."}]}`, status: 200, answer: exampleText},
		"delete-transcripts-id":                        {status: 200, answer: exampleDeleted},
		"post-transcripts-id-restore":                  {status: 200, answer: exampleText},
		"get-transcripts-id-versions":                  {status: 200, answer: `[{"version":1,"kind":"first","model":"moonshine-tiny-en","created_at":"2026-11-28T22:00:00.000Z","words":8,"current":true}]`},
		"post-recordings-id-transcribe":                {body: `{"model":"moonshine-tiny-en"}`, status: 202, answer: exampleJob},
		"post-transcripts-id-versions-version-restore": {status: 200, answer: exampleText},
		"get-live": {
			headers: []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: scout-live.v1"},
			status:  101, answer: `Sec-WebSocket-Protocol: scout-live.v1`,
		},
		"post-v-audio-transcriptions": {
			headers: []string{"Content-Type: multipart/form-data; boundary=b"}, body: formOfExample("model", "gpt-4o-transcribe", "include[]", "logprobs"),
			status: 200, answer: `{"text":"Hello Zoë.","languages":[{"code":"en"}],"logprobs":[{"token":"Hello","logprob":-0.25,"bytes":[72,101,108,108,111]},{"token":" Zoë","logprob":-0.25,"bytes":[32,90,111,195,171]},{"token":".","logprob":-0.25,"bytes":[46]}],
 "usage":{"type":"tokens","input_tokens":50,"output_tokens":3,"total_tokens":53,"input_token_details":{"audio_tokens":50,"text_tokens":0}}}`,
		},
		"post-v-audio-translations": {
			headers: []string{"Content-Type: multipart/form-data; boundary=b"}, body: formOfExample("response_format", "json"), status: 200, answer: `{"text":"Hello Zoë."}`,
		},
		"get-v-models":       {status: 200, answer: `{"object":"list","data":[` + exampleOpenAIModel + `,{"id":"whisper-1","object":"model","created":1795824000,"owned_by":"scout","shutdown_date":null}]}`},
		"get-v-models-id":    {status: 200, answer: exampleOpenAIModel},
		"delete-v-models-id": {status: 200, answer: `{"id":"moonshine-tiny-en","object":"model","deleted":true}`},
		"get-v-realtime": {
			query:   "intent=transcription",
			headers: []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: realtime"},
			status:  101, answer: `Sec-WebSocket-Protocol: realtime`,
		},
		"post-v-realtime-client-secrets":         {body: `{"expires_after":{"anchor":"created_at","seconds":600},"session":{"type":"transcription"}}`, status: 200, answer: `{"value":"ek_q3Zk0mYv7Jr2Xw9dTn5LbHs8Pf1GcAe4UoKi6NxVtRy","expires_at":1795853400,"session":` + exampleRealtime + `}`},
		"post-v-realtime-transcription-sessions": {body: `{"input_audio_format":"pcm16"}`, status: 200, answer: exampleRealtimeBeta},
		"post-v-realtime-sessions":               {body: `{"input_audio_format":"pcm16"}`, status: 200, answer: exampleRealtimeBeta},
	}
}

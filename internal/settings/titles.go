package settings

import (
	"regexp"
	"strings"
)

// titles are what people read where the name of a setting or of a group does not say it by itself.
var titles = map[string]string{
	"data": "What Scout keeps", "record": "Recording", "transcribe": "Making texts", "insert": "Inserting text", "trace": "Traces", "retention": "What is removed when", "http": "Network",
	"tls": "Encrypted connections", "auth": "Who may use Scout", "live": "Live sound", "api": "OpenAI's interface",
	"data.dir": "Folder", "models.dir": "Folder", "models.fast": "Fast model", "models.accurate": "Accurate model", "recordings.dir": "Folder",
	"record.device": "Microphone", "record.rate": "Sample rate", "record.on_loss": "When the microphone is away", "record.preroll": "Sound from before the start",
	"transcribe.vote": "Vote of both models", "transcribe.progressive": "Text of the fast model first", "transcribe.second_look": "Better texts when idle", "transcribe.second_look_days": "Days back for better texts",
	"dictation.warm": "Keep the microphone open", "insert.wait": "Wait for the second pass", "log.level": "Lowest severity", "trace.endpoint": "Address",
	"daemon.idle": "End when idle", "engine.idle": "Unload models when idle", "http.addr": "Addresses", "tls.cert": "Certificate", "tls.keep_ca_key": "Keep the key of the authority",
	"metrics.addr": "Addresses", "metrics.key_file": "File of the key", "auth.loopback": "Programs of this machine",
	"limits.memory_mb": "Memory in megabytes", "limits.cpu_percent": "Processor in percent", "limits.upload_bytes": "Largest upload in bytes", "limits.audio_seconds": "Longest audio in seconds",
	"limits.realtime_unheard_seconds": "Realtime sound not heard yet, in seconds",
	"limits.requests_per_minute":      "Requests a minute of a key", "limits.streams": "Long answers at a time", "limits.streams_per_client": "Long answers at a time, of one client",
	"limits.sync_wait_seconds": "Longest wait of a request in seconds", "limits.request_seconds": "Longest request in seconds", "live.resume_seconds": "Wait for a connection that broke, in seconds",
	"uploads.keep": "Keep broken uploads", "exports.keep": "Keep exports", "webhooks.keep": "Keep deliveries", "health.start_selftest": "Self-test at the start", "health.cold_selftest": "Self-test when idle",
	"api.keep": "Keep of requests", "retention.audio_days": "Days of audio", "retention.trash_days": "Days in the trash",
}

// abbreviations are written in capitals.
var abbreviations = regexp.MustCompile(`\b(cpu|mb|ca|http|tls)\b`)

// titleOf is what people call a setting or a group: one without a title of its own is called by its name, audio_days "Audio days".
func titleOf(name string) string {
	if title := titles[name]; title != "" {
		return title
	}
	name = name[strings.LastIndex(name, ".")+1:]
	if strings.Contains(name, "-") {
		return name // a name of OpenAI's
	}
	said := abbreviations.ReplaceAllStringFunc(strings.ReplaceAll(name, "_", " "), strings.ToUpper)
	return strings.ToUpper(said[:1]) + said[1:]
}

package observe

// Log events that any component may write. Every other event is a constant in its component's package. The name is the
// message of the line. It is a contract with people who search the logs, and is never renamed.
// docs/formats/log-events.md lists all.
const (
	eventMetricRejected = "metric_rejected"
	eventPanicRecovered = "panic_recovered"
)

// Keys of log attributes that several components use. Values are flat: strings, numbers, booleans.
const (
	keyComponent  = "component"
	KeyCode       = "code"
	KeyError      = "error"
	KeyDurationMS = "duration_ms"
	KeyModel      = "model"
	KeyAudioMS    = "audio_ms"
	KeyAttempt    = "attempt"
	KeyPID        = "pid"
	KeyReason     = "reason"
	KeyRSSBytes   = "rss_bytes"
	KeyTrace      = "trace_id"
)

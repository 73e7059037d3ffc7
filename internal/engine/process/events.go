package process

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	EventEngineStderr = "engine_stderr"
)

package pool

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	EventEngineFailed   = "engine_failed"
	eventEngineRecycled = "engine_recycled"
	eventEngineStarted  = "engine_started"
	eventEngineUnloaded = "engine_unloaded"
)

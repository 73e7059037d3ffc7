package pool

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	EventEngineFailed   = "engine_failed"
	EventEngineRecycled = "engine_recycled"
	EventEngineStarted  = "engine_started"
	EventEngineUnloaded = "engine_unloaded"
)

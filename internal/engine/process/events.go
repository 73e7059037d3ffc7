package process

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventEngineNotMeasurable = "engine_not_measurable"
	eventEngineNotOffered    = "engine_not_offered"
	eventEngineStderr        = "engine_stderr"
)

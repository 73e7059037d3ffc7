package recognize

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventModelPrepared = "model_prepared"
)

package model

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	EventModelPullFailed   = "model_pull_failed"
	EventModelPullFinished = "model_pull_finished"
	EventModelPullStarted  = "model_pull_started"
	EventModelRemoved      = "model_removed"
)

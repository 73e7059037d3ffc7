package model

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventModelPullFailed   = "model_pull_failed"
	eventModelPullFinished = "model_pull_finished"
	eventModelPullStarted  = "model_pull_started"
	eventModelRemoved      = "model_removed"
	eventSumsNotWritten    = "model_sum_cache_not_written"
)

package resilience

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventBreakerState = "breaker_state_changed"
	EventRetry        = "retry_scheduled"
)

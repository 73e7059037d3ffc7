package server

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventAnswerNotSent = "answer_not_sent"
	eventRequestFailed = "request_failed"
)

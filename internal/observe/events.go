package observe

// Names of log events: the message of the line. They are a contract with whoever searches the logs
// and are never renamed. The attributes beside each are listed in docs/formats/log-events.md.
const (
	EventMetricRejected = "metric_rejected"
	EventPanicRecovered = "panic_recovered"
	EventRetry          = "retry_scheduled"
	EventBreakerState   = "breaker_state_changed"

	EventTraceExportFailed = "trace_export_failed"

	EventEngineStarted  = "engine_started"
	EventEngineFailed   = "engine_failed"
	EventEngineRecycled = "engine_recycled"
	EventEngineUnloaded = "engine_unloaded"
	EventEngineStderr   = "engine_stderr"

	EventTranscriptionStarted  = "transcription_started"
	EventTranscriptionFinished = "transcription_finished"
	EventTranscriptionFailed   = "transcription_failed"
	EventPieceSetAside         = "piece_set_aside"
	EventPieceDecodedAgain     = "piece_decoded_again"
	EventTextLost              = "text_lost"

	EventModelPullStarted  = "model_pull_started"
	EventModelPullFinished = "model_pull_finished"
	EventModelPullFailed   = "model_pull_failed"
	EventModelRemoved      = "model_removed"
	EventModelPrepared     = "model_prepared"
)

// Keys of log attributes that several components use. Values are flat: strings, numbers, booleans.
const (
	KeyComponent  = "component"
	KeyCode       = "code"
	KeyError      = "error"
	KeyDurationMS = "duration_ms"
	KeyModel      = "model"
	KeyAudioMS    = "audio_ms"
	KeyAttempt    = "attempt"
	KeyPID        = "pid"
	KeyReason     = "reason"
	KeyRSSBytes   = "rss_bytes"
)

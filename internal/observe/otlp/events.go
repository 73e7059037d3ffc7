package otlp

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventTraceExportFailed = "trace_export_failed"
)

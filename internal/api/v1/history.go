package v1

// Spans of a history.
const (
	HistoryHour = "hour"
	HistoryDay  = "day"
)

// StatusHistory is GET /status/history.
type StatusHistory struct {
	Span        string         `json:"span" enum:"hour,day"`
	StepSeconds int            `json:"step_seconds" doc:"How much time a point is about"`
	Since       Time           `json:"since" format:"date-time" doc:"When the daemon started: there is nothing before"`
	Data        []HistoryPoint `json:"data" doc:"Oldest first. Times in which nothing was measured, for example while the machine slept, have no points"`
}

// HistoryPoint is how the daemon was in one step.
type HistoryPoint struct {
	At          Time     `json:"at" format:"date-time" doc:"When the step begins"`
	MemoryBytes uint64   `json:"memory_bytes" doc:"Of all processes of Scout, the most"`
	MemoryLimit uint64   `json:"memory_soft_bytes" doc:"Beyond it Scout reduces its work"`
	Processor   *float64 `json:"processor_percent,omitempty" doc:"Of all processors, on average; absent while it is not known"`
	Level       int      `json:"level" minimum:"0" maximum:"4" doc:"Of degradation, the highest"`
	Waiting     int      `json:"waiting" doc:"Jobs that waited, the most"`
	Running     int      `json:"running" doc:"Jobs that ran, the most"`
	Behind      float64  `json:"behind_seconds" doc:"By how much live text was late, the most"`
	Errors      uint64   `json:"errors" doc:"Errors that somebody was told of"`
	Texts       uint64   `json:"texts" doc:"Dictations and other live texts that were completed"`
	P50         *float64 `json:"text_p50_ms,omitempty" doc:"Half of them were complete so long after the stop; absent where there was none"`
	P95         *float64 `json:"text_p95_ms,omitempty" doc:"19 of 20 of them"`
}

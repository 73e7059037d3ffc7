package recording

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Log events of recordings; the message of the line.
const (
	EventRecordingStarted   = "recording_started"
	EventRecordingResumed   = "recording_resumed"
	EventRecordingStopped   = "recording_stopped"
	EventRecordingFailed    = "recording_failed"
	EventRecordingRecovered = "recording_recovered"
	EventRecordingProblem   = "recording_problem"
	eventRecordingGap       = "recording_gap"
	eventRecordingWaits     = "recording_waits_for_disk"
	eventRecordingGoesOn    = "recording_goes_on"
	eventRecordingRewritten = "recording_rewritten"
	eventManifestNotSaved   = "manifest_not_saved"
	eventSyncFailed         = "recording_sync_failed"
	EventDiskLow            = "disk_low"
	EventDiskSilent         = "disk_does_not_answer"
	EventHelperFailed       = "recording_helper_failed"
	eventFileDamaged        = "recording_file_damaged"
	eventFileSavedAgain     = "recording_saved_again"
)

// Keys of the attributes of those events.
const (
	KeyRecording  = "recording"
	KeyDevice     = "device"
	KeySampleRate = "sample_rate"
	KeyChannels   = "channels"
	KeyBufferSize = "buffer_size"
	KeyFrames     = "frames"
)

// durationBuckets are 1 s to 4 h in steps of about two (S7).
func durationBuckets() []float64 {
	return []float64{1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400}
}

// Metrics are the metrics of recordings. A nil *Metrics counts nothing.
type Metrics struct {
	duration *metric.Histogram
	errors   *metric.CounterVec
	active   *metric.Gauge
	ledger   *ledger
	sync     *metric.Histogram
	// What State and events say, as metrics.
	condition *metric.GaugeVec
	busy      *metric.GaugeVec
	damages   *metric.CounterVec
	ends      *metric.CounterVec
}

// NewMetrics registers the metrics of recordings with the scope.
func NewMetrics(s observe.Scope) *Metrics {
	m := &Metrics{
		duration: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_recording_duration_seconds", Help: "Length of recordings, observed when one ends for any reason.",
			Buckets: durationBuckets(),
		})),
		errors: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_recording_errors_total", Help: "Failed starts, lost devices and failed writes of recordings, by error code.",
		}, []string{"code"})),
		active: observe.Register(s, metric.NewGauge(metric.Opts{
			Name: "scout_active_recordings", Help: "Recordings that are being recorded now.",
		})),
		ledger: observe.Register(s, newLedger()),
		sync: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_recording_sync_seconds", Help: "Time that one sync of a recording to the disk took.",
			Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30},
		})),
		condition: observe.Register(s, metric.NewGaugeVec(metric.Opts{
			Name: "scout_recording_condition", Help: "1 for each condition that keeps the recording under way from being written; all 0 if there is none.",
		}, []string{"condition"})),
		busy: observe.Register(s, metric.NewGaugeVec(metric.Opts{
			Name: "scout_recording_disk_wait_seconds", Help: "How long the disk has not answered, by operation; 0 below a second.",
		}, []string{"operation"})),
		damages: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_recording_file_damaged_total", Help: "How often other programs deleted, moved, replaced or changed the files of a recording under way, by kind.",
		}, []string{"damage"})),
		ends: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_recording_ends_total", Help: "Recordings that ended, by reason.",
		}, []string{"reason"})),
	}
	m.Trouble(Trouble{Condition: ConditionOK})
	for _, reason := range EndReasons() {
		m.ends.WithLabelValues(string(reason))
	}
	return m
}

// Began counts a recording as active.
func (m *Metrics) Began() {
	if m != nil {
		m.active.Inc()
	}
}

// Ended counts a recording as no longer active, by its reason, and observes its length. It is called once for each
// Began, however the recording ends.
func (m *Metrics) Ended(length time.Duration, reason EndReason) {
	if m != nil {
		m.active.Dec()
		m.duration.Observe(length.Seconds())
		m.ends.WithLabelValues(string(reason)).Inc()
		m.Trouble(Trouble{Condition: ConditionOK})
	}
}

// Trouble publishes the condition of writing.
func (m *Metrics) Trouble(t Trouble) {
	if m == nil {
		return
	}
	for _, c := range conditions() {
		value := 0.0
		if c == t.Condition {
			value = 1
		}
		m.condition.WithLabelValues(string(c)).Set(value)
	}
	for _, o := range Operations() {
		waited := 0.0
		if o == t.Operation {
			waited = t.For.Seconds()
		}
		m.busy.WithLabelValues(string(o)).Set(waited)
	}
}

func (m *Metrics) damaged(d Damage) {
	if m != nil {
		m.damages.WithLabelValues(string(d)).Inc()
	}
}

// Failed counts a failure by its code.
func (m *Metrics) Failed(err error) { m.failed(err) }

func (m *Metrics) failed(err error) {
	if m != nil && err != nil {
		m.errors.WithLabelValues(string(scout.CodeOf(err))).Inc()
	}
}

// Follow counts from now on what is written of a recording and what is missing; what was there before is not counted
// again. filling, if set, returns gaps whose silence is already being written but that the writer does not know yet. It
// is called whenever the metrics are read. Settle ends it.
func (m *Metrics) Follow(w *Writer, filling func() []scout.Gap) {
	if m != nil {
		m.ledger.follow(w, filling)
	}
}

// Settle counts a recording for the last time, from its manifest. A recording that is not followed is not counted.
func (m *Metrics) Settle(w *Writer) {
	if m != nil {
		m.ledger.settle(w)
	}
}

func (m *Metrics) synced(took time.Duration) {
	if m != nil {
		m.sync.Observe(took.Seconds())
	}
}

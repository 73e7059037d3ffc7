package capture

import (
	"math"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/level"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Names of log events.
const (
	eventDeviceOpened  = "device_opened"
	eventDeviceChanged = "device_changed"
	eventDeviceLost    = "device_lost"
	eventCaptureGap    = "capture_gap"
	eventCaptureFailed = "capture_failed"
	eventStreamLeft    = "stream_left_open"
)

// metrics are the metrics of sessions. Several sessions of a process share them.
type metrics struct {
	overruns *metric.CounterVec
	lost     *metric.CounterVec
	level    *metric.Histogram
	samples  *metric.Counter
	outages  *metric.CounterVec
	attempts *metric.Counter
	opened   *metric.Counter
	drift    *metric.Gauge
	invalid  *metric.Counter
	age      *metric.Gauge
}

// overrunCallback is the reader label of the queue between callback and session.
const overrunCallback = "callback"

func newMetrics(s observe.Scope) *metrics {
	m := &metrics{
		overruns: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_buffer_overruns_total", Help: "How often a reader of the audio buffer was too slow and missed frames, by reader.",
		}, []string{"reader"})),
		lost: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_buffer_lost_frames_total", Help: "Frames that a reader of the audio buffer missed because it was too slow, by reader.",
		}, []string{"reader"})),
		level: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_audio_level", Help: "RMS of the audio, full scale 1, once a second while recording.", Buckets: levelBuckets(),
		})),
		samples: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_samples_processed_total", Help: "Frames taken from the device.",
		})),
		outages: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_capture_outages_total", Help: "How often a device stopped delivering, by reason.",
		}, []string{"reason"})),
		attempts: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_capture_open_attempts_total", Help: "Attempts to open a device, including those after an outage.",
		})),
		opened: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_capture_opens_total", Help: "Devices opened that delivered frames.",
		})),
		drift: observe.Register(s, metric.NewGauge(metric.Opts{
			Name: "scout_capture_clock_drift_ppm", Help: "How much faster the clock of the device runs than that of the machine, in parts per million.",
		})),
		invalid: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_capture_invalid_samples_total", Help: "Samples from the device that were not finite numbers.",
		})),
		age: observe.Register(s, metric.NewGauge(metric.Opts{
			Name: "scout_capture_frame_age_seconds", Help: "Age of the newest frame of the open device, once a second.",
		})),
	}
	for _, reader := range []string{overrunCallback, "writer"} {
		m.overruns.WithLabelValues(reader)
		m.lost.WithLabelValues(reader)
	}
	for _, reason := range []scout.GapReason{GapDeviceLost, GapServerLost, GapStalled, GapSuspended} {
		m.outages.WithLabelValues(string(reason))
	}
	return m
}

// evicted counts the frames that a reader lost; it is the ring's OnEvicted.
func (m *metrics) evicted(reader string, frames uint64) {
	m.overruns.WithLabelValues(reader).Inc()
	m.lost.WithLabelValues(reader).Add(float64(frames))
}

// levelBuckets are the upper bounds from -60 dBFS to 0 in steps of 6 dB (S7).
func levelBuckets() []float64 {
	var bounds []float64
	for db := level.FloorDBFS; db <= 0; db += 6 {
		bounds = append(bounds, math.Pow(10, db/20))
	}
	return bounds
}

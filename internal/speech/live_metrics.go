package speech

import (
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

type liveMetrics struct {
	words      *metric.Counter
	decodes    *metric.CounterVec
	stopToText *metric.Histogram
	owed       *metric.Gauge
	delay      *metric.Histogram
}

// delayBuckets are the upper bounds, in seconds, of the time until a word is final: 4 s is the bound.
var delayBuckets = []float64{0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 20, 60}

// stopBuckets are the upper bounds, in seconds, of the time from a stop to the complete text: the limit is 0.3 s.
var stopBuckets = []float64{0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 10, 60}

func newLiveMetrics(s observe.Scope) *liveMetrics {
	return &liveMetrics{
		words: newMetrics(s).words.WithLabelValues(kindLive),
		decodes: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_live_decodes_total", Help: "Decodes of live transcription by result: partial, ready, closed, doubted, language, read, failed, abandoned.",
		}, []string{"result"})),
		stopToText: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_live_stop_to_text_seconds", Help: "Time from the stop of a dictation to its complete text.",
			Buckets: stopBuckets,
		})),
		delay: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_live_word_delay_seconds", Help: "How much sound had come behind the end of a word of live text when it became final: what the speaker waits for it.",
			Buckets: delayBuckets,
		})),
		owed: observe.Register(s, metric.NewGauge(metric.Opts{
			Name: "scout_live_owed_seconds", Help: "Length of audio that is recorded but not text yet, although it should be.",
		})),
	}
}

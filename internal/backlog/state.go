package backlog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
)

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventBegun       = "transcription_begun"
	eventMade        = "transcription_made"
	eventIncomplete  = "transcription_incomplete"
	eventInterrupted = "transcription_interrupted"
	eventWaiting     = "transcription_waiting"
	eventFailed      = "transcription_given_up"
	eventWithdrawn   = "transcription_withdrawn"
	eventNotRead     = "promise_not_read"
	eventNotWritten  = "promise_not_written"
	// eventNotSaved is a text in the making that could not be saved: after an end of the process more of it is made again.
	eventNotSaved = "transcription_not_saved"
	// eventWordsIgnored is a text that was made without the words it should have preferred.
	eventWordsIgnored = "keywords_ignored"
	// eventNotRecovered is a folder of recordings whose unfinished ones could not be ended.
	eventNotRecovered = "recordings_not_recovered"
)

// State says what becomes of a promised text.
type State string

// The states. In the first four the text is owed.
const (
	// Recording: the recording goes on.
	Recording State = "recording"
	// Queued: it is made as soon as there is room.
	Queued State = "queued"
	// Running: it is being made.
	Running State = "running"
	// Waiting: it cannot be made now, and is tried again.
	Waiting State = "waiting"
	// Done: it is in the store.
	Done State = "done"
	// Failed: it cannot be made. Promise tries again.
	Failed State = "failed"
)

// States returns all states.
func States() []State { return []State{Recording, Queued, Running, Waiting, Done, Failed} }

// Owed reports whether the text is still to come.
func (s State) Owed() bool { return s != Done && s != Failed }

// Item is a promised text as seen from outside.
type Item struct {
	ID         recording.ID
	State      State
	PromisedAt time.Time
	// Progress is that of the attempt under way.
	Progress speech.Progress
	Attempts int
	// NextAttempt is when a waiting text is tried again.
	NextAttempt time.Time
	// Err is why the state is Waiting or Failed.
	Err error
	// Version is that of the text that was made.
	Version int
	// Revision grows with each change.
	Revision uint64
}

func (it *item) item() Item {
	i := Item{
		ID: it.Recording, State: it.state, PromisedAt: it.PromisedAt, Progress: it.progress, Attempts: it.attempts, Err: it.reason, Version: it.made, Revision: it.revision,
	}
	if it.state == Waiting {
		i.NextAttempt = it.next
	}
	return i
}

// Get returns a promised text. Those that are done are remembered for a while.
func (b *Backlog) Get(id recording.ID) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it := b.items[id]
	if it == nil {
		return Item{}, false
	}
	return it.item(), true
}

// List returns the texts that are owed and those that failed, the oldest recording first.
func (b *Backlog) List() []Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Item, 0, len(b.items))
	for _, it := range b.items {
		if it.state != Done {
			list = append(list, it.item())
		}
	}
	slices.SortFunc(list, func(x, y Item) int {
		if x.ID < y.ID {
			return -1
		}
		return 1
	})
	return list
}

// Wait returns a promised text when it is another one than that of the revision, or when ctx ends. It returns false if no
// text is promised.
func (b *Backlog) Wait(ctx context.Context, id recording.ID, revision uint64) (Item, bool) {
	for {
		b.mu.Lock()
		it, changed := b.items[id], b.changed
		var now Item
		if it != nil {
			now = it.item()
		}
		b.mu.Unlock()
		if it == nil || now.Revision != revision || ctx.Err() != nil {
			return now, it != nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// Check returns the health check of the promised texts: degraded while some have to wait, or could not be made.
func (b *Backlog) Check() health.Check {
	return health.Check{Name: "transcription", Probe: func(context.Context) health.Result { return b.health() }}
}

func (b *Backlog) health() health.Result {
	counts := map[State]int{}
	var waits, failed *Item
	list := b.List()
	for i := range list {
		one := &list[i]
		counts[one.State]++
		switch {
		case one.State == Waiting && waits == nil:
			waits = one
		case one.State == Failed && failed == nil:
			failed = one
		}
	}
	result := health.Result{Status: health.Healthy, Metadata: map[string]string{}}
	for state, n := range counts {
		result.Metadata[string(state)] = strconv.Itoa(n)
	}
	switch {
	case waits != nil:
		result.Status, result.Reason = health.Degraded, fmt.Sprintf("%s for text: %s", recordingsWait(counts[Waiting]), withHint(waits.Err))
	case failed != nil:
		result.Status = health.Degraded
		result.Reason = fmt.Sprintf("%s no text, the first %s: %s; transcribe it with scout transcribe --keep, or delete it", recordingsHave(counts[Failed]), failed.ID, scout.Plain(failed.Err))
	}
	return result
}

func recordingsWait(n int) string {
	if n == 1 {
		return "1 recording waits"
	}
	return fmt.Sprintf("%d recordings wait", n)
}

func recordingsHave(n int) string {
	if n == 1 {
		return "1 recording got"
	}
	return fmt.Sprintf("%d recordings got", n)
}

// withHint is the text of an error and what to do about it.
func withHint(err error) string {
	text := scout.Plain(err)
	if hint := scout.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// Outcomes, a label.
const (
	outcomeDone      = "done"
	outcomeFailed    = "failed"
	outcomeWaiting   = "waiting"
	outcomeWithdrawn = "withdrawn"
	outcomeGone      = "gone"
)

type metrics struct {
	owed     *metric.GaugeVec
	outcomes *metric.CounterVec
	took     *metric.Histogram
}

// tookBuckets go from a short dictation to hours of a meeting.
var tookBuckets = []float64{0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200}

func newMetrics(s observe.Scope) *metrics {
	return &metrics{
		owed: observe.Register(s, metric.NewGaugeVec(metric.Opts{
			Name: "scout_transcriptions_promised", Help: "Recordings for which a text was promised, by state; done ones are left out.",
		}, []string{"state"})),
		outcomes: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_transcription_outcomes_total", Help: "What became of promised texts: done, failed, waiting (it is tried again), withdrawn, gone (the recording was deleted).",
		}, []string{"outcome"})),
		took: observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
			Name: "scout_transcription_promised_seconds", Help: "Time from the end of a recording, or from the start of the daemon, to its promised text in the store.", Buckets: tookBuckets,
		})),
	}
}

// count sets the gauges. The caller holds the lock, or nobody else knows the backlog.
func (b *Backlog) count() {
	counts := map[State]int{}
	for _, it := range b.items {
		counts[it.state]++
	}
	for _, state := range States() {
		if state != Done {
			b.metrics.owed.WithLabelValues(string(state)).Set(float64(counts[state]))
		}
	}
}

package job

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/store"
)

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventQueued   = "job_queued"
	eventStarted  = "job_started"
	eventRetrying = "job_retrying"
	eventFinished = "job_finished"
	eventDead     = "job_dead"
	// eventCancelled is a job whose recording is gone. One that a person cancels is not logged.
	eventCancelled = "job_cancelled"
	eventRecovered = "jobs_recovered"
	// eventNotKept is a change of a job that could not be written. It is tried again.
	eventNotKept = "job_not_kept"
	// eventNotRead is a queue that could not be read.
	eventNotRead = "jobs_not_read"
)

// attributes are those of every event about a job.
func (q *Queue) attributes(j *store.Job) []any {
	return []any{
		slog.String("job", j.ID), slog.String("kind", j.Kind), slog.String("priority", string(PriorityOf(j))), slog.Int("attempt", j.Attempt), slog.String("recording", j.Recording),
	}
}

type metrics struct {
	outcomes *metric.CounterVec
	waited   *metric.HistogramVec
	refused  *metric.Counter
	placed   *metric.Counter
}

// waitBuckets go from a free queue to a night.
var waitBuckets = []float64{0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 43200}

func newMetrics(s observe.Scope, q *Queue) *metrics {
	observe.Register(s, newGauges(q))
	m := &metrics{
		outcomes: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_jobs_total", Help: "Attempts of jobs that ended, and jobs that were cancelled, by kind and by what became of the job: succeeded, retrying, dead, cancelled.",
		}, []string{"kind", "outcome"})),
		waited: observe.Register(s, metric.NewHistogramVec(metric.HistogramOpts{
			Name: "scout_queue_wait_seconds", Help: "Time that jobs waited for their turn.", Buckets: waitBuckets,
		}, []string{"kind"})),
		refused: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_jobs_refused_total", Help: "Jobs that were refused because too many had not ended.",
		})),
		placed: observe.Register(s, metric.NewCounter(metric.Opts{
			Name: "scout_queue_placings_total", Help: "How often the places of all waiting jobs were found, for whoever asked first after a change.",
		})),
	}
	for kind := range q.options.Kinds {
		for _, outcome := range []store.JobState{store.JobSucceeded, store.JobRetrying, store.JobDead, store.JobCancelled} {
			m.outcomes.WithLabelValues(kind, string(outcome))
		}
		m.waited.WithLabelValues(kind)
	}
	return m
}

// gauges are read from the store when somebody asks for them, so that a queue in which nothing happens costs nothing.
type gauges struct {
	queue        *Queue
	size, oldest *metric.GaugeVec
}

// gaugesWithin bounds the time to read them.
const gaugesWithin = time.Second

func newGauges(q *Queue) *gauges {
	return &gauges{
		queue: q,
		size: metric.NewGaugeVec(metric.Opts{
			Name: "scout_transcription_queue_size", Help: "Jobs that have not ended, by kind and state.",
		}, []string{"kind", "state"}),
		oldest: metric.NewGaugeVec(metric.Opts{
			Name: "scout_queue_oldest_seconds", Help: "Time since the job began to wait that waits longest, by kind; 0 if none waits.",
		}, []string{"kind"}),
	}
}

// Describe implements metric.Collector.
func (g *gauges) Describe() []metric.Desc {
	return slices.Concat(g.size.Describe(), g.oldest.Describe())
}

// Collect implements metric.Collector. While the store cannot be read, the values are the last that were.
func (g *gauges) Collect() []metric.Family {
	ctx, cancel := context.WithTimeout(context.Background(), gaugesWithin)
	defer cancel()
	if counts, err := g.queue.store.JobCounts(ctx, false); err == nil {
		g.set(counts)
	}
	return slices.Concat(g.size.Collect(), g.oldest.Collect())
}

func (g *gauges) set(counts []store.JobCount) {
	now := g.queue.now()
	for kind := range g.queue.options.Kinds {
		age, sizes := 0.0, make(map[store.JobState]int)
		for _, c := range counts {
			if c.Kind != kind {
				continue
			}
			sizes[c.State] += c.N
			if c.State.Waiting() {
				age = max(age, now.Sub(c.Oldest).Seconds())
			}
		}
		for _, state := range store.JobStates() {
			if !state.Ended() {
				g.size.WithLabelValues(kind, string(state)).Set(float64(sizes[state]))
			}
		}
		g.oldest.WithLabelValues(kind).Set(age)
	}
}

// stuckAfter is how long a job that may be begun may wait while nothing runs.
const stuckAfter = time.Minute

// readySince is since when the first of the waiting jobs may be begun; zero if that is none. Jobs that run alone may not while others wait.
func readySince(counts []store.JobCount, now time.Time) (ready time.Time) {
	others := slices.ContainsFunc(counts, func(c store.JobCount) bool { return c.State.Waiting() && !c.Alone })
	for _, c := range counts {
		if c.State.Waiting() && (!c.Alone || !others) && !c.Ready.After(now) && (ready.IsZero() || c.Ready.Before(ready)) {
			ready = c.Ready
		}
	}
	return ready
}

// Check returns the health check of the queue. It is Unhealthy if the queue cannot be read, or if jobs wait that may be begun and none is;
// Degraded while a person holds jobs back, and while the queue is full, for all or for one client.
func (q *Queue) Check() health.Check {
	return health.Check{Name: "queue", Critical: true, Probe: q.probe}
}

func (q *Queue) probe(ctx context.Context) health.Result {
	counts, err := q.store.JobCounts(ctx, false)
	paused := false
	if err == nil {
		paused, err = q.store.QueuePaused(ctx)
	}
	if err != nil {
		return health.Failed(err)
	}
	states := make(map[store.JobState]int)
	all, most, of := 0, 0, make(map[string]int)
	for _, c := range counts {
		states[c.State] += c.N
		all += c.N
		if c.Client != "" {
			of[c.Client] += c.N
			most = max(most, of[c.Client])
		}
	}
	now := q.now()
	ready := readySince(counts, now)
	result := health.Result{Status: health.Healthy, Metadata: map[string]string{"at_once": strconv.Itoa(q.atOnce())}}
	for state, n := range states {
		result.Metadata[string(state)] = strconv.Itoa(n)
	}
	q.mu.Lock()
	working, idle := len(q.live), q.draining || q.most < 0
	q.mu.Unlock()
	switch {
	case paused:
		result.Status, result.Reason = health.Degraded, "a person holds all jobs back (scout jobs resume --all)"
	case !ready.IsZero() && now.Sub(ready) > stuckAfter && working == 0 && states[store.JobRunning] == 0 && q.rests(now) == 0 && !idle:
		result.Status, result.Reason = health.Unhealthy, fmt.Sprintf("a job has waited for %s, and none runs", printable.Length(now.Sub(ready).Round(time.Second)))
	case all >= q.options.Limits.All:
		result.Status, result.Reason = health.Degraded, fmt.Sprintf("the queue is full: %d jobs have not ended", all)
	case most >= q.options.Limits.PerClient:
		result.Status, result.Reason = health.Degraded, fmt.Sprintf("the queue is full for a client: %d jobs of it have not ended", most)
	}
	return result
}

package daemon

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/store"
)

// The history of the figures is kept in two grains. docs/adr/0126-status-history.md says why.
const (
	hourStep, hourPoints = 10 * time.Second, 360
	dayStep, dayPoints   = 5 * time.Minute, 288
	// countWithin bounds the time to count the jobs.
	countWithin = time.Second
)

// sample is one look at the figures. errors and texts only grow.
type sample struct {
	memory, soft     uint64
	percent          float64 // of all processors; less than 0 while it is not known
	level            int
	behind           time.Duration
	waiting, running int
	errors           uint64
	texts            *dto.Histogram // of the waits for complete texts
}

// statusHistory keeps how the figures went, as long as the daemon runs. Its methods may be called from any goroutine.
type statusHistory struct {
	began time.Time

	mu        sync.Mutex
	hour, day series
}

func newStatusHistory(began time.Time) *statusHistory {
	return &statusHistory{began: began, hour: series{step: hourStep, most: hourPoints}, day: series{step: dayStep, most: dayPoints}}
}

// add notes a sample.
func (c *statusHistory) add(now time.Time, r sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hour.add(now, r)
	c.day.add(now, r)
}

// of returns the history of a span.
func (c *statusHistory) of(span string) v1.StatusHistory {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := &c.hour
	if span == v1.HistoryDay {
		of = &c.day
	} else {
		span = v1.HistoryHour
	}
	out := v1.StatusHistory{Span: span, StepSeconds: int(of.step.Seconds()), Since: v1.Time{Time: c.began}, Data: make([]v1.HistoryPoint, 0, len(of.points)+1)}
	out.Data = append(out.Data, of.points...)
	if of.samples > 0 {
		out.Data = append(out.Data, of.point())
	}
	return out
}

// series are points of one grain: those that are complete, the oldest first, and the one that grows.
type series struct {
	step   time.Duration
	most   int
	points []v1.HistoryPoint

	at      time.Time // when the point that grows begins
	samples int       // of that point
	known   int       // of them, with a use of the processor
	sum     float64   // of that use
	max     sample    // the highest of each figure
	before  sample    // what had been counted when the point began
	last    sample
}

func (s *series) add(now time.Time, r sample) {
	if at := now.Truncate(s.step); s.samples == 0 || !at.Equal(s.at) {
		s.end(at)
	}
	s.samples++
	if r.percent >= 0 {
		s.known, s.sum = s.known+1, s.sum+r.percent
	}
	s.max = sample{
		memory: max(s.max.memory, r.memory), level: max(s.max.level, r.level), behind: max(s.max.behind, r.behind),
		waiting: max(s.max.waiting, r.waiting), running: max(s.max.running, r.running),
	}
	s.last = r
}

// end completes the point that grows, and begins another one. After a clock was set back, points of the time that comes again are dropped: the
// order of time holds.
func (s *series) end(at time.Time) {
	if s.samples > 0 {
		if len(s.points) >= s.most {
			s.points = slices.Delete(s.points, 0, len(s.points)-s.most+1)
		}
		s.points = append(s.points, s.point())
	}
	for last := len(s.points) - 1; last >= 0 && !s.points[last].At.Before(at); last-- {
		s.points = s.points[:last]
	}
	s.at, s.samples, s.known, s.sum, s.max, s.before = at, 0, 0, 0, sample{}, s.last
}

// point is the point that grows as it is now.
func (s *series) point() v1.HistoryPoint {
	p := v1.HistoryPoint{
		At: v1.Time{Time: s.at}, MemoryBytes: s.max.memory, MemoryLimit: s.last.soft, Level: s.max.level, Waiting: s.max.waiting, Running: s.max.running,
		Behind: v1.Seconds(s.max.behind), Errors: s.last.errors - s.before.errors,
	}
	if s.known > 0 {
		mean := s.sum / float64(s.known)
		p.Processor = &mean
	}
	if texts := since(s.last.texts, s.before.texts); texts.GetSampleCount() > 0 {
		half, most := millis(quantile(texts, 0.5)), millis(quantile(texts, 0.95))
		p.Texts, p.P50, p.P95 = texts.GetSampleCount(), &half, &most
	}
	return p
}

// since is what a histogram counted after an earlier look at it. One that had counted nothing by then is nil, or has no buckets.
func since(now, before *dto.Histogram) *dto.Histogram {
	if len(before.GetBucket()) != len(now.GetBucket()) {
		return now
	}
	n := now.GetSampleCount() - before.GetSampleCount()
	out := &dto.Histogram{SampleCount: &n, Bucket: make([]*dto.Bucket, len(now.GetBucket()))}
	for i, b := range now.GetBucket() {
		bound, count := b.GetUpperBound(), b.GetCumulativeCount()-before.GetBucket()[i].GetCumulativeCount()
		out.Bucket[i] = &dto.Bucket{UpperBound: &bound, CumulativeCount: &count}
	}
	return out
}

// whole adds the histograms of a family.
func whole(families []metric.Family) *dto.Histogram {
	out := &dto.Histogram{SampleCount: new(uint64)}
	for _, f := range families {
		for _, sample := range f.Samples {
			*out.SampleCount += sample.Count
			for i, n := range sample.Buckets {
				if i == len(out.Bucket) {
					bound := f.Bounds[i]
					out.Bucket = append(out.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: new(uint64)})
				}
				*out.Bucket[i].CumulativeCount += n
			}
		}
	}
	return out
}

// jobCount is how many jobs wait and run. It is counted beside whoever asks, and only after the jobs have changed.
type jobCount struct {
	version          func() uint64
	counts           func(ctx context.Context) ([]store.JobCount, error)
	beside           func(work func(ctx context.Context))
	waiting, running atomic.Int64
	counted          atomic.Uint64
	counting         atomic.Bool
}

// now returns the last count, and has them counted again where that is old.
func (c *jobCount) now() (waiting, running int) {
	if version := c.version(); version != c.counted.Load() && c.counting.CompareAndSwap(false, true) {
		c.beside(func(ctx context.Context) {
			defer c.counting.Store(false)
			ctx, cancel := context.WithTimeout(ctx, countWithin)
			defer cancel()
			counts, err := c.counts(ctx)
			if err != nil {
				return // the count of before is kept, and the next look counts again
			}
			var waiting, running int64
			for _, one := range counts {
				switch {
				case one.State.Waiting():
					waiting += int64(one.N)
				case one.State == store.JobRunning:
					running += int64(one.N)
				}
			}
			c.waiting.Store(waiting)
			c.running.Store(running)
			c.counted.Store(version)
		})
	}
	return int(c.waiting.Load()), int(c.running.Load())
}

// noteHistory returns what completes the samples of the machine and keeps them.
func (d *daemon) noteHistory(c *statusHistory) func(now time.Time, r sample) {
	texts := observe.CommitToText(d.options.Scope)
	jobs := &jobCount{
		version: func() uint64 { return d.store.LineVersion() },
		counts:  func(ctx context.Context) ([]store.JobCount, error) { return d.store.JobCounts(ctx, false) },
		beside: func(work func(ctx context.Context)) {
			d.components.run("strain", func(ctx context.Context) error {
				work(ctx)
				return nil
			})
		},
	}
	return func(now time.Time, r sample) {
		r.waiting, r.running = jobs.now()
		r.errors, r.texts = d.options.Failures.Total(), whole(texts.Collect())
		c.add(now, r)
	}
}

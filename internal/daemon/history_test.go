package daemon

import (
	"context"
	"errors"
	"testing"
	"time"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
)

// waited are the waits that were observed so far.
func waited(h interface{ Observe(float64) }, seconds ...float64) {
	for _, s := range seconds {
		h.Observe(s)
	}
}

// A point has the highest of what was seen in its step, the mean of the processors, and what was counted in it.
func TestTheHistoryOfTheFigures(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	c := newStatusHistory(start)
	texts := observe.CommitToText(observe.NewScope(nil, nil, nil))
	read := func(after time.Duration, r sample) {
		r.texts = whole(texts.Collect())
		c.add(start.Add(after), r)
	}
	read(-20*time.Second, sample{percent: -1, errors: 1}) // nothing has been dictated
	read(0, sample{memory: 100, soft: 500, percent: -1, errors: 3})
	read(2*time.Second, sample{memory: 300, soft: 500, percent: 10, level: 1, waiting: 4, behind: 2 * time.Second, errors: 3})
	waited(texts.WithLabelValues("live"), 0.11, 0.11, 0.25)
	read(4*time.Second, sample{memory: 200, soft: 600, percent: 30, running: 1, errors: 5})
	read(10*time.Second, sample{memory: 50, soft: 600, percent: 0, errors: 5})
	waited(texts.WithLabelValues("realtime"), 0.11)
	read(4*time.Minute, sample{memory: 60, soft: 600, percent: 2, errors: 6})

	hour := c.of(v1.HistoryHour)
	if len(hour.Data) != 4 || hour.StepSeconds != 10 || !hour.Since.Equal(start) {
		t.Fatalf("%+v", hour)
	}
	first := hour.Data[1]
	if first.MemoryBytes != 300 || first.MemoryLimit != 600 || *first.Processor != 20 || first.Level != 1 || first.Waiting != 4 || first.Running != 1 || first.Behind != 2 || first.Errors != 4 {
		t.Errorf("the first step: %+v", first)
	}
	if first.Texts != 3 || *first.P50 < 100 || *first.P50 > 150 || *first.P95 < 200 || *first.P95 > 300 {
		t.Errorf("waits for texts: %d, %v, %v", first.Texts, first.P50, first.P95)
	}
	if second := hour.Data[2]; second.Texts != 0 || second.P95 != nil || second.Errors != 0 || second.Level != 0 || second.MemoryBytes != 50 {
		t.Errorf("the second step: %+v", second)
	}
	if last := hour.Data[3]; !last.At.Equal(start.Add(4*time.Minute)) || last.Errors != 1 || last.Texts != 1 {
		t.Errorf("after a sleep: %+v", last)
	}
	if day := c.of(v1.HistoryDay); len(day.Data) != 2 || day.Data[1].MemoryBytes != 300 || day.Data[1].Errors != 5 || day.Data[1].Texts != 4 {
		t.Errorf("the day: %+v", day)
	}
}

// The history does not grow for ever, and forgets the oldest points.
func TestTheHistoryIsBounded(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	c := newStatusHistory(start)
	for n := range 20_000 {
		c.add(start.Add(time.Duration(n)*10*time.Second), sample{memory: uint64(n)}) //nolint:gosec // not negative
	}
	c.add(start.Add(199_000*time.Second), sample{memory: 19_999}) // the clock was set back by a quarter of an hour
	for span, want := range map[string]int{v1.HistoryHour: hourPoints + 1 - 100, v1.HistoryDay: dayPoints + 1 - 4} {
		all := c.of(span).Data
		if len(all) != want || all[len(all)-1].MemoryBytes != 19_999 {
			t.Errorf("%s: %d points, the last %+v", span, len(all), all[len(all)-1])
		}
		for i := 1; i < len(all); i++ {
			if !all[i].At.After(all[i-1].At.Time) {
				t.Fatalf("%s: point %d is not after the one before", span, i)
			}
		}
	}
}

// Jobs are counted once for each change, beside whoever asks; where they cannot be counted, the last count stays.
func TestJobsAreCountedAfterAChange(t *testing.T) {
	t.Parallel()
	version, counted := uint64(1), 0
	var fails error
	c := &jobCount{
		version: func() uint64 { return version },
		counts: func(context.Context) ([]store.JobCount, error) {
			counted++
			return []store.JobCount{{State: store.JobQueued, N: 2}, {State: store.JobRetrying, N: 1}, {State: store.JobRunning, N: 1}}, fails
		},
		beside: func(work func(context.Context)) { work(t.Context()) },
	}
	for range 3 {
		if waiting, running := c.now(); waiting != 3 || running != 1 || counted != 1 {
			t.Errorf("%d wait, %d run, counted %d times", waiting, running, counted)
		}
	}
	version, fails = 2, errors.New("it is locked")
	if waiting, _ := c.now(); waiting != 3 || counted != 2 {
		t.Errorf("%d wait, counted %d times", waiting, counted)
	}
	if c.now(); counted != 3 {
		t.Error("what could not be counted is not counted again")
	}
}

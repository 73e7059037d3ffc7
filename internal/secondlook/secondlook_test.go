package secondlook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/secondlook"
	"github.com/scout-speech/scout/internal/store"
)

// desk has texts and jobs in memory, and the jobs of second looks take as long as the test wants.
type desk struct {
	store.Store // what is not asked for

	mu       sync.Mutex
	texts    []store.Summary
	audio    map[string]store.Recording
	jobs     []*store.Job
	rung     chan struct{}
	looked   int // how often the texts were listed
	accurate string
	machine  string // why it is busy
	work     *secondlook.Work
}

func (d *desk) Listen(string) (<-chan struct{}, func()) { return d.rung, func() {} }

func (d *desk) ring() {
	select {
	case d.rung <- struct{}{}:
	default:
	}
}

func (d *desk) Transcripts(_ context.Context, f store.Filter, _ store.Page) (out store.Listing[store.Summary], _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looked++
	for _, s := range d.texts {
		if s.Model == f.Model && !s.StartedAt.Before(f.From) {
			out.Data = append(out.Data, s)
		}
	}
	return out, nil
}

func (d *desk) Recording(_ context.Context, id string) (store.Recording, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.audio[id], nil
}

func (d *desk) Jobs(_ context.Context, f store.JobFilter, _ store.Page) (out store.Listing[store.Job], _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.jobs {
		if j.State == f.State {
			out.Data = append(out.Data, *j)
		}
	}
	return out, nil
}

func (d *desk) Line(context.Context, int) (list []store.Job, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.jobs {
		if j.State == store.JobRunning || j.State == store.JobQueued {
			list = append(list, *j)
		}
	}
	return list, nil
}

func (d *desk) Submit(_ context.Context, o job.Order) (store.Job, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.jobs {
		if j.Key == o.Key {
			return *j, false, nil
		}
	}
	j := &store.Job{ID: fmt.Sprintf("job%d", len(d.jobs)), Kind: o.Kind, Recording: o.Recording, Options: o.Options, Key: o.Key, State: store.JobRunning, Length: o.Length}
	if o.Priority == job.Low {
		j.Class = 2
	}
	d.jobs = append(d.jobs, j)
	return *j, true, nil
}

func (d *desk) Job(_ context.Context, id string) (store.Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.jobs {
		if j.ID == id {
			return *j, nil
		}
	}
	return store.Job{}, scout.Errorf(scout.CodeNotFound, "there is no job %s", id)
}

func (d *desk) Pause(_ context.Context, id string) (store.Job, error) {
	return d.set(id, store.JobPaused), nil
}

func (d *desk) Resume(_ context.Context, id string) (store.Job, error) {
	return d.set(id, store.JobRunning), nil
}

func (d *desk) set(id string, state store.JobState) store.Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range d.jobs {
		if j.ID == id {
			j.State = state
			if state == store.JobSucceeded { // the text is another one now
				d.texts = slices.DeleteFunc(d.texts, func(s store.Summary) bool { return s.Recording == j.Recording })
			}
			d.ring()
			return *j
		}
	}
	return store.Job{}
}

// shown are the jobs: recording and state.
func (d *desk) shown() string {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, j := range d.jobs {
		list = append(list, j.Recording+" "+string(j.State))
	}
	return strings.Join(list, ", ")
}

func (d *desk) times() int {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.looked
}

func (d *desk) needed(reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.machine = reason
}

func text(id string, change func(s *store.Summary)) store.Summary {
	s := store.Summary{Key: store.MainKey(id), StartedAt: time.Now().Add(-time.Hour)}
	s.Version.Version, s.Kind, s.Model, s.Current, s.Language, s.Duration = 1, store.KindFirst, "fast", true, "en", time.Minute
	if change != nil {
		change(&s)
	}
	return s
}

// start runs second looks over texts until the test ends.
func start(t *testing.T, texts ...store.Summary) *desk {
	t.Helper()
	d := &desk{texts: texts, audio: map[string]store.Recording{}, rung: make(chan struct{}, 1), accurate: "accurate", work: secondlook.NewWork(nil)}
	for _, s := range texts {
		d.audio[s.Recording] = store.Recording{ID: s.Recording, Source: store.SourceMicrophone, State: string(recording.StateFinished)}
	}
	looker := secondlook.New(secondlook.Options{
		Store: d, Queue: d, Work: d.work, Days: 7, Scope: observe.NewScope(nil, prom.NewRegistry(), nil),
		Models: func(context.Context) (string, string, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return "fast", d.accurate, nil
		},
		Machine: func(begun bool) string {
			d.mu.Lock()
			defer d.mu.Unlock()
			if begun && d.machine == "load" {
				return "" // it is the look's own
			}
			return d.machine
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- looker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestTheIdleMachineLooksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := start(t, text("a", nil), text("b", nil))
		d.mu.Lock()
		d.audio["b"] = store.Recording{Source: store.SourceUpload}
		d.mu.Unlock()
		time.Sleep(time.Minute)
		if got := d.shown(); got != "" {
			t.Errorf("after a minute: %q", got)
		}
		time.Sleep(time.Minute)
		if got := d.shown(); got != "a running" {
			t.Fatalf("after two minutes: %q", got)
		}
		var request transcription.Request
		if err := json.Unmarshal(d.jobs[0].Options, &request); err != nil || request.Improves != 1 || request.Language != "en" || request.Effort != "thorough" || d.jobs[0].Class != 2 {
			t.Errorf("%+v, %+v, %v", request, d.jobs[0], err)
		}
		d.set("job0", store.JobSucceeded)
		if got := d.shown(); got != "a succeeded, b running" {
			t.Errorf("one after the other: %q", got)
		}
		request = transcription.Request{}
		if err := json.Unmarshal(d.jobs[1].Options, &request); err != nil || request.Language != "" {
			t.Errorf("the language of an upload is what the fast model knows: %+v, %v", request, err)
		}
		d.set("job1", store.JobDead)
		if got := d.shown(); got != "a succeeded, b dead" {
			t.Errorf("one that failed is not tried again: %q", got)
		}
	})
}

// Without a recording that needs a look, time costs nothing.
func TestNothingToDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := start(t)
		time.Sleep(3 * time.Minute)
		before := d.times()
		time.Sleep(30 * 24 * time.Hour)
		if after := d.times(); before != 1 || after != before {
			t.Errorf("%d looks in the first minutes, %d in a month", before, after)
		}
		d.mu.Lock()
		d.texts, d.audio["a"] = []store.Summary{text("a", nil)}, store.Recording{ID: "a"}
		d.mu.Unlock()
		d.ring()
		if got := d.shown(); got != "a running" {
			t.Errorf("after an event: %q", got)
		}
	})
}

func TestWhatNeedsNoLook(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		change func(s *store.Summary)
		desk   func(d *desk)
	}{
		"it was edited":                       {change: func(s *store.Summary) { s.Kind = store.KindEdited }},
		"a person went back to it":            {change: func(s *store.Summary) { s.RestoredFrom = 1 }},
		"somebody asked for the fast model":   {change: func(s *store.Summary) { s.Kind = store.KindRetranscribed }},
		"it is of the accurate model":         {change: func(s *store.Summary) { s.Model = "accurate" }},
		"it is a translation":                 {change: func(s *store.Summary) { s.Task = store.TaskTranslate }},
		"it is of one channel":                {change: func(s *store.Summary) { s.Track = "left" }},
		"it lies in the trash":                {change: func(s *store.Summary) { s.DeletedAt = time.Now() }},
		"it is old":                           {change: func(s *store.Summary) { s.StartedAt = time.Now().AddDate(0, 0, -8) }},
		"its audio is gone":                   {desk: func(d *desk) { d.audio["a"] = store.Recording{Audio: store.AudioRemoved} }},
		"its audio was never here":            {desk: func(d *desk) { d.audio["a"] = store.Recording{Source: store.SourceImport} }},
		"it is still recorded":                {desk: func(d *desk) { d.audio["a"] = store.Recording{State: string(recording.StateRecording)} }},
		"there is one model":                  {desk: func(d *desk) { d.accurate = "fast" }},
		"the accurate model is not installed": {desk: func(d *desk) { d.accurate = "" }},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := start(t, text("a", c.change))
				if c.desk != nil {
					d.mu.Lock()
					c.desk(d)
					d.mu.Unlock()
				}
				time.Sleep(time.Hour)
				if got := d.shown(); got != "" {
					t.Error(got)
				}
			})
		})
	}
}

func TestOtherWorkHoldsItBack(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		begin func(d *desk) (end func())
		quiet time.Duration // after the end, until it goes on
	}{
		"a dictation": {func(d *desk) func() { return d.work.Begin() }, 2 * time.Minute},
		"another job": {func(d *desk) func() {
			j, _, _ := d.Submit(t.Context(), job.Order{Recording: "b", Key: "b"})
			d.ring()
			return func() { d.set(j.ID, store.JobSucceeded) }
		}, 2 * time.Minute},
		"a battery": {func(d *desk) func() {
			d.needed("battery")
			time.Sleep(time.Minute)
			return func() { d.needed("") }
		}, 2 * time.Minute},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := start(t, text("a", nil))
				time.Sleep(2 * time.Minute)
				if got := d.shown(); got != "a running" {
					t.Fatal(got)
				}
				end := c.begin(d)
				if got := d.shown(); !strings.HasPrefix(got, "a paused") {
					t.Errorf("meanwhile: %q", got)
				}
				time.Sleep(time.Hour)
				if got := d.shown(); !strings.HasPrefix(got, "a paused") {
					t.Errorf("an hour later: %q", got)
				}
				end()
				time.Sleep(c.quiet)
				if got := d.shown(); !strings.HasPrefix(got, "a running") {
					t.Errorf("afterwards: %q", got)
				}
				d.needed("load") // its own
				d.ring()
				if got := d.shown(); !strings.HasPrefix(got, "a running") {
					t.Errorf("with a load: %q", got)
				}
			})
		})
	}
}

// While the machine is needed nothing begins, and it begins when it is not.
func TestABusyMachine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := start(t, text("a", nil))
		d.needed("load")
		time.Sleep(time.Hour)
		if got := d.shown(); got != "" {
			t.Errorf("with a load: %q", got)
		}
		d.needed("")
		time.Sleep(time.Minute)
		if got := d.shown(); got != "a running" {
			t.Errorf("without: %q", got)
		}
	})
}

// What a person does to a job counts: one that was paused or cancelled is left alone.
func TestAPersonHoldsItBack(t *testing.T) {
	t.Parallel()
	for _, state := range []store.JobState{store.JobPaused, store.JobCancelled} {
		synctest.Test(t, func(t *testing.T) {
			d := start(t, text("a", nil))
			time.Sleep(2 * time.Minute)
			d.shown()
			d.set("job0", state)
			time.Sleep(time.Hour)
			if got := d.shown(); got != "a "+string(state) {
				t.Error(got)
			}
		})
	}
}

package installation_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/installation"
	"github.com/scout-speech/scout/internal/job/jobtest"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

// total is the size of the models.
const total = 100

// source is where models come from. What was fetched of a model stays, as in the folder of models.
type source struct {
	*testing.T
	store *sqlite.Store

	mu      sync.Mutex
	fetched map[string]int64
	stops   int64 // nothing more comes of a model that has so many bytes
	fail    error
	at      chan string // the model of which nothing more comes
	under   int         // pulls under way
	most    int         // of them, ever
}

func newSource(t *testing.T) *source {
	t.Helper()
	st := sqlitetest.Open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{})
	t.Cleanup(func() { // after the processes
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &source{T: t, store: st, fetched: make(map[string]int64), stops: total + 1, at: make(chan string, 100)}
}

func (s *source) set(stops int64, fail error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops, s.fail = stops, fail
}

func (s *source) pull(ctx context.Context, id string, o model.PullOptions) (model.Pulled, error) {
	enter := func(by int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.under += by
		s.most = max(s.most, s.under)
	}
	enter(1)
	defer enter(-1)
	for {
		s.mu.Lock()
		n, stops, fail := s.fetched[id], s.stops, s.fail
		if n < stops && n < total {
			s.fetched[id]++
		}
		s.mu.Unlock()
		switch {
		case fail != nil:
			return model.Pulled{}, fail
		case n >= total:
			return model.Pulled{Installed: model.Installed{ID: id, SizeBytes: total}}, nil
		}
		o.Progress(model.Progress{DoneBytes: n, TotalBytes: total})
		if n >= stops {
			s.at <- id
			<-ctx.Done() // a server that sends nothing
			return model.Pulled{}, context.Cause(ctx)
		}
	}
}

// process is one that does jobs.
type process struct {
	*source
	*jobtest.Process
}

func (s *source) start() *process {
	s.Helper()
	worker := installation.New(installation.Options{Store: s.store, Pull: s.pull, LookEvery: time.Millisecond, SavedEvery: 1})
	return &process{s, jobtest.Start(s.T, job.Options{
		Store: s.store, Failures: observe.NewFailures(observe.Scope{}), AtOnce: 1, Attempts: 2,
		Kinds: map[string]job.Work{
			job.KindModelPull: worker.Do,
			job.KindTranscribe: func(_ context.Context, c *job.Claimed) error {
				return s.store.Update(context.Background(), func(tx store.Tx) error { return c.Finish(tx, 1) })
			},
		},
	}, nil)}
}

func (p *process) submit(kind, id string) store.Job {
	p.Helper()
	return p.Add(job.Order{Kind: kind, Key: id}, installation.Request{Model: id})
}

// halfway is a pull of which 50 of 100 bytes are there, and nothing more comes.
func halfway(t *testing.T) (*source, *process, store.Job) {
	t.Helper()
	s := newSource(t)
	s.set(total/2, nil)
	p := s.start()
	j := p.submit(job.KindModelPull, "a")
	<-s.at
	return s, p, j
}

// saved waits until the job says how far it is.
func (p *process) saved(id string) {
	p.Helper()
	for j, err := range p.Watch(p.Context(), id, time.Millisecond) {
		if err != nil {
			p.Fatal(err)
		}
		if moved, found := job.MovedOf(&j); found && moved.DoneBytes == total/2 {
			return
		}
	}
}

// Whatever ends an attempt, the next one goes on with what is there, and the job tells how far it is.
func TestAnInterruptedPullGoesOn(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		end     func(s *source, p *process, id string) *process
		attempt int
	}{
		"it is held back and let go on": {func(_ *source, p *process, id string) *process {
			must(p.T, p.Pause, id)
			p.Until(id, store.JobPaused)
			must(p.T, p.Resume, id)
			return p
		}, 1},
		"it is cancelled and tried again": {func(_ *source, p *process, id string) *process {
			must(p.T, p.Cancel, id)
			must(p.T, p.Retry, id)
			return p
		}, 1},
		"the process ends": {func(s *source, p *process, id string) *process {
			p.End()
			if j, err := s.store.Job(s.Context(), id); err != nil || j.State != store.JobQueued || j.Attempt != 0 {
				s.Errorf("%+v, %v: want one that waits and has used up no attempt", j, err)
			}
			return s.start()
		}, 1},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s, p, j := halfway(t)
			p.saved(j.ID)
			s.set(total+1, nil)
			p = c.end(s, p, j.ID)
			now := p.Until(j.ID, store.JobSucceeded)
			if moved, found := job.MovedOf(&now); !found || moved.DoneBytes != total || moved.TotalBytes != total || now.Attempt != c.attempt {
				t.Errorf("%+v, %+v", moved, now)
			}
			if s.most != 1 {
				t.Errorf("%d pulls at once", s.most)
			}
		})
	}
}

func must(t *testing.T, change func(context.Context, string) (store.Job, error), id string) {
	t.Helper()
	if _, err := change(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// A pull that is held back stops although nothing comes from the network.
func TestAPullThatWaitsIsHeldBack(t *testing.T) {
	t.Parallel()
	s, p, j := halfway(t)
	must(t, p.Pause, j.ID)
	// The next model has its turn as soon as the attempt is over.
	s.set(total+1, nil)
	p.Until(p.submit(job.KindModelPull, "b").ID, store.JobSucceeded)
	if now, err := s.store.Job(t.Context(), j.ID); err != nil || now.State != store.JobPaused {
		t.Errorf("%+v, %v", now, err)
	}
	if s.fetched["a"] != total/2 {
		t.Errorf("%d bytes", s.fetched["a"])
	}
}

// A pull that takes hours does not keep a text back, and two pulls come one after the other.
func TestTextsDoNotWaitForPulls(t *testing.T) {
	t.Parallel()
	s, p, first := halfway(t)
	second := p.submit(job.KindModelPull, "b")
	p.Until(p.submit(job.KindTranscribe, "text").ID, store.JobSucceeded)
	s.set(total+1, nil)
	must(t, p.Cancel, first.ID)
	p.Until(second.ID, store.JobSucceeded)
	if s.most != 1 {
		t.Errorf("%d pulls at once", s.most)
	}
}

// What may go away by itself is tried again, and what does not is not.
func TestPullsThatFail(t *testing.T) {
	t.Parallel()
	for code, want := range map[scout.Code]int{scout.CodeModelSource: 1, scout.CodeModelCorrupt: 1, scout.CodeModelDownload: 2, scout.CodeDiskFull: 2} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the pause before the second attempt takes no time
				s := newSource(t)
				s.set(0, scout.Errorf(code, "it failed").WithHint("what helps"))
				p := s.start()
				j := p.Until(p.submit(job.KindModelPull, "a").ID, store.JobDead)
				if j.Attempt != want || j.Error == nil || j.Error.Code != code || j.Error.Hint != "what helps" {
					t.Errorf("%+v, %+v", j, j.Error)
				}
			})
		})
	}
}

func TestOptionsThatAreDamaged(t *testing.T) {
	t.Parallel()
	p := newSource(t).start()
	j, _, err := p.Submit(t.Context(), job.Order{Kind: job.KindModelPull, Options: []byte(`[]`)})
	if err != nil {
		t.Fatal(err)
	}
	if j = p.Until(j.ID, store.JobDead); j.Error.Code != scout.CodeInternal {
		t.Errorf("%+v", j.Error)
	}
}

package jobtest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// Process is a queue whose jobs are done.
type Process struct {
	*job.Queue
	t *testing.T
	// End ends it and waits for what it does. The end of the test calls it as well.
	End func()
}

// Start starts a process. Closed is called when it has ended; nil for nobody.
func Start(t *testing.T, o job.Options, closed func()) *Process {
	t.Helper()
	p := &Process{Queue: job.New(o), t: t}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }() // ended by End
	p.End = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if closed != nil {
			closed()
		}
	})
	t.Cleanup(p.End)
	return p
}

// Add adds a job with options, which are written as JSON.
func (p *Process) Add(o job.Order, options any) store.Job {
	p.t.Helper()
	var err error
	if o.Options, err = json.Marshal(options); err != nil {
		p.t.Fatal(err)
	}
	j, _, err := p.Submit(p.t.Context(), o)
	if err != nil {
		p.t.Fatal(err)
	}
	return j
}

// Until waits for a state, which the job may have already.
func (p *Process) Until(id string, state store.JobState) store.Job {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for j, err := p.Job(ctx, id); ; j, err = p.Wait(ctx, id) {
		switch {
		case err != nil:
			p.t.Fatal(err)
		case j.State == state:
			return j
		case ctx.Err() != nil, j.State.Ended():
			p.t.Fatalf("%+v (%+v), want %s", j, j.Error, state)
		}
	}
}

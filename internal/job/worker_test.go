package job_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// works runs a queue whose jobs are done so, until the test ends.
func works(t *testing.T, o job.Options, work job.Work) *job.Queue {
	t.Helper()
	o.Kinds = map[string]job.Work{job.KindTranscribe: work}
	q := job.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }() // ended by cancel
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return q
}

// add adds a job.
func add(t *testing.T, q *job.Queue, o job.Order) store.Job {
	t.Helper()
	o.Kind = job.KindTranscribe
	j, _, err := q.Submit(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// within is how long a test waits for something.
const within = 30 * time.Second

// take returns what comes next.
func take[T any](t *testing.T, from <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(within):
		t.Fatalf("%s: nothing within %s", what, within)
	}
	return v
}

// idle is a store that says when a queue found nothing to begin.
type idle struct {
	store.Store
	found chan struct{}
}

// JobCounts implements store.Store. The queue counts when it has begun all that it can.
func (i *idle) JobCounts(ctx context.Context, ended bool) ([]store.JobCount, error) {
	counts, err := i.Store.JobCounts(ctx, ended)
	select {
	case i.found <- struct{}{}:
	default:
	}
	return counts, err
}

// Who has no job that runs does not wait for those of others to end; but there are not more than twice as many as usual.
func TestAJobOfAnotherClientRunsBesideLongOnes(t *testing.T) {
	t.Parallel()
	began, release := make(chan *job.Claimed, 10), make(chan struct{})
	st := &idle{Store: open(t, time.Now), found: make(chan struct{}, 1)}
	q := works(t, job.Options{Store: st, AtOnce: 1, Begin: func() func() { return func() {} }}, func(_ context.Context, c *job.Claimed) error {
		began <- c
		<-release
		return st.Update(context.Background(), func(tx store.Tx) error { return c.Finish(tx, 1) })
	})
	none := func(client string) {
		t.Helper()
		for range 3 { // one look of the queue may have begun before the job was there
			add(t, q, job.Order{Client: client})
			select {
			case <-st.found:
			case c := <-began:
				t.Errorf("a job of %q was begun", c.Job.Client)
			}
		}
	}
	add(t, q, job.Order{Client: "long"})
	take(t, began, "the first job")
	none("long")
	short := add(t, q, job.Order{Client: "short"})
	if c := take(t, began, "the job of another client"); c.Job.ID != short.ID {
		t.Errorf("job %+v was begun", c.Job)
	}
	none("short")
	none("third")
	close(release)
	for range 9 {
		take(t, began, "what waited")
	}
}

// An attempt that does not end at once, although its job is held back, counts among those that run at once.
func TestAtMostSoManyAttemptsRunAtOnce(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]job.Options{"two at once": {AtOnce: 2}, "one, and one ahead": {AtOnce: 1, Ahead: 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			twoAttemptsAtMost(t, o)
		})
	}
}

func twoAttemptsAtMost(t *testing.T, o job.Options) {
	t.Helper()
	st := &idle{Store: open(t, time.Now), found: make(chan struct{}, 1)}
	began, release := make(chan *job.Claimed, 10), make(chan struct{})
	o.Store, o.Begin = st, func() func() { return func() {} }
	q := works(t, o, func(_ context.Context, c *job.Claimed) error {
		began <- c
		<-release // whatever it is told
		return st.Update(context.Background(), func(tx store.Tx) error { return c.Finish(tx, 1) })
	})
	first := add(t, q, job.Order{})
	take(t, began, "the first job")
	for _, change := range []func(context.Context, string) (store.Job, error){q.Pause, q.Resume} {
		if _, err := change(t.Context(), first.ID); err != nil {
			t.Fatal(err)
		}
	}
	if again := take(t, began, "the first job again"); again.Job.ID != first.ID || again.Job.Run != 2 {
		t.Errorf("job %+v was begun, want the first one again", again.Job)
	}
	var others []store.Job
	for range 3 { // one look of the queue may have begun before the job was there
		others = append(others, add(t, q, job.Order{}))
		select {
		case <-st.found:
		case c := <-began:
			t.Errorf("job %s was begun while two attempts run", c.Job.ID)
		}
	}
	close(release)
	for _, j := range append(others, first) {
		for j.State != store.JobSucceeded {
			var err error
			if j, err = q.Wait(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The work on a job ends when its recording is purged, and who waits for the job is told that it is gone.
func TestAPurgeEndsTheWork(t *testing.T) {
	t.Parallel()
	st := open(t, time.Now)
	if err := st.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.PutRecording(storetest.Recording(1))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	began, ended := make(chan struct{}), make(chan error, 1)
	q := works(t, job.Options{Store: st}, func(ctx context.Context, _ *job.Claimed) error {
		close(began)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	})
	j := add(t, q, job.Order{Recording: storetest.ID(1)})
	take(t, began, "the job")
	answered := make(chan error, 1)
	go func() { // ended by the answer
		_, err := q.Wait(t.Context(), j.ID)
		answered <- err
	}()
	if err := st.Purge(t.Context(), storetest.ID(1)); err != nil {
		t.Fatal(err)
	}
	if cause := take(t, ended, "the end of the work"); !errors.Is(cause, job.ErrLost) {
		t.Errorf("the work was ended with %v, want %v", cause, job.ErrLost)
	}
	if err := take(t, answered, "the answer"); scout.CodeOf(err) != scout.CodeNotFound {
		t.Errorf("who waits got %v, want %s", err, scout.CodeNotFound)
	}
}

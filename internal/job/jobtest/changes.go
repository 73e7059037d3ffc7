package jobtest

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// changes are tests of what people ask for.
func changes() map[string]func(*bench) {
	return map[string]func(*bench){
		"cancelling ends a job in every state but its ends, and repeating it does no harm": func(b *bench) {
			waiting := b.submit("waiting", order("a", job.Low, short))
			held := b.submit("held", order("a", job.Low, short))
			running := b.submit("running", order("a", job.Normal, short))
			c := b.begin("running")
			stopped := make(chan error, 1)
			c.OnStop(func(cause error) { stopped <- cause })
			b.pause(held.ID)
			for range 2 {
				for _, j := range []store.Job{waiting, held, running} {
					if got, err := b.Cancel(b.Context(), j.ID); err != nil || got.State != store.JobCancelled {
						b.Fatalf("cancel %s: %s, %v", b.names[j.ID], got.State, err)
					}
				}
			}
			if cause := <-stopped; scout.CodeOf(cause) != scout.CodeCancelled {
				b.Errorf("the work was ended with %v, want %s", cause, scout.CodeCancelled)
			}
			b.none()
			b.wantEvents(running.ID, store.EventJobQueued, store.EventJobStarted, store.EventJobCancelled)
			b.crash(true)
			b.want(running.ID, store.JobCancelled, 1)
		},
		"what has ended cannot be cancelled, held back or given another priority": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			b.finish(b.begin("a"))
			for what, change := range map[string]func(context.Context, string) (store.Job, error){"cancel": b.Cancel, "pause": b.Pause, "resume": b.Resume, "retry": b.Retry} {
				if _, err := change(b.Context(), j.ID); scout.CodeOf(err) != scout.CodeConflict {
					b.Errorf("%s a job that is done: %v, want %s", what, err, scout.CodeConflict)
				}
			}
			_, err := b.Prioritize(b.Context(), j.ID, job.Low)
			b.refused(err, scout.CodeConflict)
			b.want(j.ID, store.JobSucceeded, 1)
		},
		"a job that runs and is held back stops at its next checkpoint, and continues from there": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, long))
			c := b.begin("a")
			if c.Held() {
				b.Errorf("%s is held back before somebody asked for that", j.ID)
			}
			b.pause(j.ID)
			b.pause(j.ID)
			b.want(j.ID, store.JobPaused, 0)
			if !c.Held() {
				b.Errorf("the work on %s does not know that it is held back", j.ID)
			}
			if err := b.save(c, `{"at":1}`, `["part"]`); !errors.Is(err, job.ErrPaused) {
				b.Fatalf("save: %v, want %v", err, job.ErrPaused)
			}
			b.none()
			b.crash(true) // it is not blamed for
			b.none()
			if _, err := b.Resume(b.Context(), j.ID); err != nil {
				b.Fatal(err)
			}
			c = b.begin("a")
			b.continues(c, `{"at":1}`, `["part"]`)
			if c.Job.Ends != 0 || c.Job.Attempt != 1 {
				b.Errorf("job %+v, want its first attempt and nothing held against it", c.Job)
			}
			b.finish(c)
			b.wantEvents(j.ID, store.EventJobQueued, store.EventJobStarted, store.EventJobPaused, store.EventJobProgress, store.EventJobQueued, store.EventJobStarted, store.EventJobSucceeded)
		},
		"the result of a job that is held back is not committed": func(b *bench) {
			id := b.recording()
			o := order("a", job.Normal, short)
			o.Recording = id
			j := b.submit("a", o)
			c := b.begin("a")
			b.pause(j.ID)
			if err := b.commit(c, id, nil); !errors.Is(err, job.ErrLost) {
				b.Errorf("commit: %v, want %v", err, job.ErrLost)
			}
			b.texts(id, 0)
		},
		"a dead letter is tried again at the end of the line, with all its attempts": func(b *bench) {
			j := b.submit("dead", order("a", job.Normal, short))
			if err := b.begin("dead").Fail(b.Context(), scout.Errorf(scout.CodeAudioCorrupt, "damaged")); err != nil {
				b.Fatal(err)
			}
			b.submit("other", order("a", job.Normal, short))
			for range 2 {
				if _, err := b.Retry(b.Context(), j.ID); err != nil {
					b.Fatal(err)
				}
			}
			if again := b.want(j.ID, store.JobQueued, 0); again.Error != nil || !again.FinishedAt.IsZero() {
				b.Errorf("job %+v, want nothing of its failure", again)
			}
			b.served("other", "dead")
		},
		"dead letters of one code are tried again together, as many as fit": func(b *bench) {
			for i, code := range []scout.Code{scout.CodeAudioCorrupt, scout.CodeModelNotInstalled, scout.CodeAudioCorrupt} {
				b.submit(string(rune('a'+i)), order("a", job.Normal, short))
				if err := b.claim().Fail(b.Context(), scout.Errorf(code, "no")); err != nil {
					b.Fatal(err)
				}
			}
			b.again(job.Limits{All: 1, PerClient: 1})
			retried := func(code scout.Code, want, wantLeft int) {
				if n, left, err := b.RetryAll(b.Context(), store.JobDead, code); n != want || left != wantLeft || err != nil {
					b.Fatalf("%d were tried again and %d are left (%v), want %d and %d", n, left, err, want, wantLeft)
				}
			}
			retried(scout.CodeAudioCorrupt, 1, 1)
			retried(scout.CodeAudioCorrupt, 0, 1) // the first one has not ended
			b.served("a")
			retried("", 1, 1)
			b.again(job.Limits{})
			b.served("b")
			retried("", 1, 0)
			b.served("c")
			retried("", 0, 0)
			_, _, err := b.RetryAll(b.Context(), store.JobSucceeded, "")
			b.refused(err, scout.CodeInvalidArgument)
		},
		"only what has ended is forgotten": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			b.refused(b.Forget(b.Context(), j.ID), scout.CodeConflict)
			b.finish(b.begin("a"))
			if err := b.Forget(b.Context(), j.ID); err != nil {
				b.Fatal(err)
			}
			_, err := b.Job(b.Context(), j.ID)
			b.refused(err, scout.CodeNotFound)
			b.refused(b.Forget(b.Context(), j.ID), scout.CodeNotFound)
		},
		"who waits is answered when the state changes, when the job has ended, and when time is over": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			answers := make(chan store.JobState)
			waits := func(ctx context.Context) {
				got, err := b.Wait(ctx, j.ID)
				if err != nil {
					b.Errorf("wait: %v", err)
				}
				answers <- got.State
			}
			ctx, cancel := context.WithCancel(b.Context())
			go waits(ctx) // ended by its answer
			cancel()
			if state := <-answers; state != store.JobQueued {
				b.Errorf("state %s when time was over, want %s", state, store.JobQueued)
			}
			go waits(b.Context())
			c := b.begin("a")
			b.finish(c)
			if state := <-answers; state != store.JobRunning && state != store.JobSucceeded {
				b.Errorf("state %s after a change", state)
			}
			go waits(b.Context())
			if state := <-answers; state != store.JobSucceeded {
				b.Errorf("state %s of a job that has ended, want %s", state, store.JobSucceeded)
			}
		},
		"who watches sees each change, and the end": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			next, stop := iter.Pull2(b.Watch(b.Context(), j.ID, time.Millisecond))
			defer stop()
			sees := func(want store.JobState) {
				b.Helper()
				for {
					got, err, more := next()
					if err != nil || !more {
						b.Fatalf("the end, %v, want %s", err, want)
					}
					if got.State == want {
						return
					}
				}
			}
			sees(store.JobQueued)
			c := b.begin("a")
			sees(store.JobRunning)
			b.finish(c)
			sees(store.JobSucceeded)
			if got, _, more := next(); more {
				b.Errorf("%s after the end", got.State)
			}
			for got, err := range b.Watch(b.Context(), "job_none", time.Millisecond) {
				b.refused(err, scout.CodeNotFound)
				if got.ID != "" {
					b.Errorf("job %s", got.ID)
				}
			}
		},
		"who watches a job hears that it is gone": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			next, stop := iter.Pull2(b.Watch(b.Context(), j.ID, time.Millisecond))
			defer stop()
			if _, err, more := next(); err != nil || !more {
				b.Fatalf("the end, %v", err)
			}
			if _, err := b.Cancel(b.Context(), j.ID); err != nil {
				b.Fatal(err)
			}
			if err := b.Forget(b.Context(), j.ID); err != nil {
				b.Fatal(err)
			}
			_, err, _ := next()
			b.refused(err, scout.CodeNotFound)
			if _, _, more := next(); more {
				b.Errorf("it goes on")
			}
		},
		"a listing is read page by page": func(b *bench) {
			var ids []string
			for i := range 7 {
				ids = append(ids, b.submit(string(rune('a'+i)), order(string(rune('x'+i%2)), job.Normal, short)).ID)
			}
			b.begin("a")
			b.pages(store.JobFilter{}, store.Page{Limit: 3, Order: store.Ascending}, ids...)
			b.pages(store.JobFilter{Client: "y"}, store.Page{Limit: 2}, ids[5], ids[3], ids[1])
			b.pages(store.JobFilter{State: store.JobRunning}, store.Page{}, ids[0])
			b.pages(store.JobFilter{Kind: "bake"}, store.Page{})
			b.pages(store.JobFilter{Recording: storetest.ID(1)}, store.Page{})
			b.pages(store.JobFilter{Owner: "x"}, store.Page{}) // they are about no recording
			first, err := b.Jobs(b.Context(), store.JobFilter{}, store.Page{Limit: 1})
			if err != nil {
				b.Fatal(err)
			}
			_, err = b.Jobs(b.Context(), store.JobFilter{Client: "x"}, store.Page{Limit: 1, Cursor: first.Next})
			b.refused(err, scout.CodeInvalidArgument)
		},
		"the queue says how long a new job has to wait": func(b *bench) {
			if state, err := b.State(b.Context()); err != nil || !state.Known || state.Wait != 0 || !state.Oldest.IsZero() {
				b.Errorf("state %+v (%v) of an empty queue", state, err)
			}
			b.submit("a", order("a", job.Normal, short))
			b.pass(time.Second)
			if state, err := b.State(b.Context()); err != nil || state.Known || !state.Oldest.Equal(epoch()) {
				b.Errorf("state %+v (%v), want the oldest job, and no estimate before one was done", state, err)
			}
			b.finish(b.begin("a"))
			b.submit("b", order("a", job.Normal, long))
			if state, err := b.State(b.Context()); err != nil || !state.Known || state.Wait <= 0 {
				b.Errorf("state %+v (%v), want an estimate", state, err)
			}
		},
	}
}

func (b *bench) pause(id string) {
	b.Helper()
	if _, err := b.Pause(b.Context(), id); err != nil {
		b.Fatal(err)
	}
}

// pages reads a listing to its end and compares the ids.
func (b *bench) pages(filter store.JobFilter, page store.Page, want ...string) {
	b.Helper()
	var got []string
	for {
		list, err := b.Jobs(b.Context(), filter, page)
		if err != nil {
			b.Fatal(err)
		}
		for i := range list.Data {
			got = append(got, list.Data[i].ID)
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			break
		}
		if len(list.Data) != page.Limit {
			b.Fatalf("%d jobs on a page that is not the last, want %d", len(list.Data), page.Limit)
		}
	}
	if len(got) != len(want) {
		b.Fatalf("jobs %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			b.Fatalf("jobs %v, want %v", got, want)
		}
	}
}

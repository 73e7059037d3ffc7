package jobtest

import (
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

// rests are tests of jobs that wait for a time, and of a queue that does.
func rests() map[string]func(*bench) {
	return map[string]func(*bench){
		"a failure of the store itself uses up no attempt": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			for _, code := range []scout.Code{
				scout.CodeFileNotFound, scout.CodeReadFailed, scout.CodeWriteFailed, scout.CodeDiskFull, scout.CodeOutOfMemory, scout.CodeUnavailable, scout.CodeStoreLocked,
				scout.CodeStoreCorrupt, scout.CodeStoreForeign, scout.CodeStoreNewer, scout.CodeStoreUnsafe,
			} {
				err := fmt.Errorf("commit: %w", store.Away(scout.Errorf(code, "the database is away")))
				if err := b.begin("a").Fail(b.Context(), err); err != nil {
					b.Fatal(err)
				}
				b.want(j.ID, store.JobQueued, 0)
				b.pass(10 * time.Minute)
			}
			b.served("a")
		},
		"while an engine rests no job is begun, and then another one is first": func(b *bench) {
			for i := range 5 {
				b.submit(fmt.Sprint(i), order("a", job.Normal, short))
			}
			for range 2 { // each time it waits longer itself
				if err := b.begin("0").Fail(b.Context(), scout.Errorf(scout.CodeEngineUnavailable, "paused")); err != nil {
					b.Fatal(err)
				}
				b.none()
				b.pass(9 * time.Second)
				b.none()
				b.pass(time.Second)
			}
			b.finish(b.begin("1")) // it may need another engine
			b.pass(10 * time.Second)
			b.served("0", "2", "3", "4") // with its place
		},
		"a rest is over after a success": func(b *bench) {
			b.submit("a", order("a", job.Normal, short))
			b.submit("b", order("b", job.Normal, short))
			b.submit("c", order("c", job.Normal, short))
			c := b.begin("a")
			other := b.begin("b")
			if err := c.Fail(b.Context(), scout.Errorf(scout.CodeEngineUnavailable, "paused")); err != nil {
				b.Fatal(err)
			}
			b.none()
			b.finish(other)
			b.finish(b.begin("c"))
		},
		"a clock that is set back delays no job": func(b *bench) {
			retried := b.submit("retried", order("a", job.Normal, short))
			if err := b.begin("retried").Fail(b.Context(), resilience.RetryAfter(scout.Errorf(scout.CodeEngineCrashed, "crashed"), 40*time.Second)); err != nil {
				b.Fatal(err)
			}
			b.none()
			b.pass(-24 * time.Hour)
			if at, err := b.Position(b.Context(), &retried); err != nil || at != 1 {
				b.Errorf("place %d (%v), want 1", at, err)
			}
			b.finish(b.begin("retried"))
			lone := b.submit("lone", order("a", job.Normal, short))
			for range 3 {
				b.begin("lone")
				b.crash(true)
			}
			if err := b.begin("lone").Fail(b.Context(), resilience.RetryAfter(scout.Errorf(scout.CodeEngineCrashed, "crashed"), 40*time.Second)); err != nil {
				b.Fatal(err)
			}
			if j := b.get(lone.ID); !j.Alone {
				b.Fatalf("job %+v, want one that runs alone", j)
			}
			b.none()
			b.pass(-24 * time.Hour)
			b.served("lone")
		},
		"a clock that is set back ends a rest": func(b *bench) {
			b.submit("a", order("a", job.Normal, short))
			b.submit("b", order("b", job.Normal, short))
			if err := b.begin("a").Fail(b.Context(), scout.Errorf(scout.CodeEngineUnavailable, "paused")); err != nil {
				b.Fatal(err)
			}
			b.none()
			b.pass(-24 * time.Hour)
			b.finish(b.claim())
		},
		"no pause is longer than ten minutes": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			if err := b.begin("a").Fail(b.Context(), resilience.RetryAfter(scout.Errorf(scout.CodeEngineCrashed, "crashed"), 24*time.Hour)); err != nil {
				b.Fatal(err)
			}
			if failed := b.get(j.ID); failed.NextAt.After(b.clock.Now().Add(10 * time.Minute)) {
				b.Errorf("the next attempt is at %s, want in ten minutes at most", failed.NextAt)
			}
		},
		"the time that a job ran is not time that it waited": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, long))
			b.pass(time.Minute)
			for situation, end := range map[string]func(*job.Claimed) error{
				"given back": func(c *job.Claimed) error { return c.Release(b.Context()) },
				"rests": func(c *job.Claimed) error {
					return c.Fail(b.Context(), scout.Errorf(scout.CodeEngineUnavailable, "paused"))
				},
				"a crash": func(*job.Claimed) error { b.crash(false); return nil },
			} {
				waited := b.clock.Now().Sub(b.get(j.ID).Since)
				c := b.begin("a")
				b.survive(c)
				b.pass(time.Hour)
				if err := end(c); err != nil {
					b.Fatal(err)
				}
				if now := b.clock.Now().Sub(b.get(j.ID).Since); now != waited {
					b.Errorf("%s: it waited for %s, want %s as before it ran for an hour", situation, now, waited)
				}
				b.pass(20 * time.Minute)
			}
		},
		"a job that runs tells nothing of the failure before": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			if err := b.begin("a").Fail(b.Context(), scout.Errorf(scout.CodeEngineCrashed, "crashed")); err != nil {
				b.Fatal(err)
			}
			if failed := b.get(j.ID); failed.Error == nil {
				b.Fatalf("job %+v, want why it is tried again", failed)
			}
			b.pass(time.Minute)
			b.begin("a")
			if now := b.get(j.ID); now.Error != nil {
				b.Errorf("error %+v, want none", now.Error)
			}
		},
		"a job that is cancelled while it waits to be tried again tells no failure": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			if err := b.begin("a").Fail(b.Context(), scout.Errorf(scout.CodeEngineCrashed, "crashed")); err != nil {
				b.Fatal(err)
			}
			if now, err := b.Cancel(b.Context(), j.ID); err != nil || now.Error != nil {
				b.Errorf("error %+v (%v), want none", now.Error, err)
			}
		},
		"a job whose recording is gone is cancelled": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, long))
			c := b.begin("a")
			if err := b.save(c, `{"at":1}`, `["what was said"]`); err != nil {
				b.Fatal(err)
			}
			if err := c.Fail(b.Context(), scout.Errorf(scout.CodeRecordingNotFound, "there is no such recording")); err != nil {
				b.Fatal(err)
			}
			now := b.want(j.ID, store.JobCancelled, 1)
			if now.Error == nil || now.Error.Code != scout.CodeRecordingNotFound || now.Checkpoint != nil || now.FinishedAt.IsZero() {
				b.Errorf("job %+v, want its end, why, and nothing that it had made", now)
			}
			if parts, err := b.store.JobParts(b.Context(), j.ID); err != nil || len(parts) > 0 {
				b.Errorf("parts %s (%v), want none", parts, err)
			}
			b.wantEvents(j.ID, store.EventJobQueued, store.EventJobStarted, store.EventJobProgress, store.EventJobCancelled)
			b.none()
		},
	}
}

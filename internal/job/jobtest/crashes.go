package jobtest

import (
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// crashes are tests of what follows the end of the process.
func crashes() map[string]func(*bench) {
	return map[string]func(*bench){
		"a crash uses up no attempt, and what it interrupted is first again": func(b *bench) {
			first := b.submit("first", order("a", job.Normal, long))
			b.submit("second", order("a", job.Normal, short))
			for range 20 {
				b.survive(b.begin("first"))
				b.crash(false)
				if j := b.want(first.ID, store.JobQueued, 0); j.Ends != 0 || j.Alone {
					b.Fatalf("job %+v after an end that somebody wanted, want nothing held against it", j)
				}
			}
			b.served("first", "second")
		},
		"a job at which the process ends by itself three times runs alone after all others": func(b *bench) {
			bad := b.submit("bad", order("a", job.Interactive, short))
			b.submit("other", order("b", job.Low, long))
			later := b.submit("later", order("c", job.Low, short))
			for range 3 {
				b.survive(b.begin("bad"))
				b.crash(true)
			}
			if j := b.want(bad.ID, store.JobQueued, 0); !j.Alone || j.Ends != 3 {
				b.Fatalf("job %+v, want one that runs alone", j)
			}
			c := b.begin("later")
			other := b.begin("other")
			b.none() // it waits until it is alone
			b.finish(c)
			b.none()
			if err := other.Fail(b.Context(), scout.Errorf(scout.CodeEngineCrashed, "crashed")); err != nil {
				b.Fatal(err)
			}
			if next := b.get(other.Job.ID).NextAt; next.After(b.clock.Now()) {
				b.none() // one that is tried again goes first, too
				b.clock.Set(next)
			}
			b.finish(b.begin("other"))
			alone := b.begin("bad")
			b.submit("new", order("b", job.Interactive, short))
			b.none() // nothing runs beside it
			b.finish(alone)
			b.served("new")
			if later := b.get(later.ID); later.Ends != 0 {
				b.Errorf("job %+v was not running, want nothing held against it", later)
			}
		},
		"three more ends while it is alone, and it is dead": func(b *bench) {
			bad := b.submit("bad", order("a", job.Normal, short))
			for i := range 6 {
				b.survive(b.begin("bad"))
				b.crash(true)
				if i < 5 {
					b.want(bad.ID, store.JobQueued, 0)
				}
			}
			dead := b.want(bad.ID, store.JobDead, 0)
			if dead.Error == nil || dead.Error.Code != scout.CodeCrashLoop {
				b.Errorf("reason %+v, want %s", dead.Error, scout.CodeCrashLoop)
			}
			b.none()
			if _, err := b.Retry(b.Context(), bad.ID); err != nil { // a person may have mended what was wrong
				b.Fatal(err)
			}
			b.submit("other", order("b", job.Low, short))
			b.served("bad", "other") // with nothing held against it
		},
		"an end that somebody wanted counts in the first moments of a job only": func(b *bench) {
			bad := b.submit("bad", order("a", job.Normal, short))
			b.begin("bad")
			b.crash(false)
			if j := b.get(bad.ID); j.Ends != 1 {
				b.Errorf("%d ends after one in its first moments, want 1", j.Ends)
			}
			b.survive(b.begin("bad"))
			b.crash(false)
			if j := b.get(bad.ID); j.Ends != 1 {
				b.Errorf("%d ends after one later, want 1 still", j.Ends)
			}
		},
		"a checkpoint that moves clears what was held against a job": func(b *bench) {
			slow := b.submit("slow", order("a", job.Normal, long))
			for i := range 30 {
				c := b.begin("slow")
				if i%2 == 1 {
					if err := b.save(c, fmt.Sprintf(`{"at":%d}`, i)); err != nil {
						b.Fatal(err)
					}
				}
				b.crash(true)
				b.want(slow.ID, store.JobQueued, 0)
			}
			c := b.begin("slow")
			if err := b.save(c, string(b.get(slow.ID).Checkpoint)); err != nil { // which does not move
				b.Fatal(err)
			}
			for range 3 {
				b.crash(true)
				c = b.begin("slow")
				if err := b.save(c, string(b.get(slow.ID).Checkpoint)); err != nil {
					b.Fatal(err)
				}
			}
			if j := b.get(slow.ID); !j.Alone {
				b.Errorf("job %+v, want one that runs alone: its checkpoint stands still", j)
			}
			if err := b.save(c, `{"at":"the end"}`); err != nil {
				b.Fatal(err)
			}
			if j := b.get(slow.ID); j.Alone || j.Ends != 0 {
				b.Errorf("job %+v, want nothing held against it", j)
			}
		},
		"an innocent job that ran beside the culprit is done": func(b *bench) {
			good := b.submit("good", order("a", job.Normal, short))
			bad := b.submit("bad", order("b", job.Normal, short))
			for range 3 {
				b.begin("good")
				b.begin("bad")
				b.crash(true)
			}
			b.finish(b.begin("good")) // alone
			for range 3 {
				b.begin("bad")
				b.none()
				b.crash(true)
			}
			b.want(good.ID, store.JobSucceeded, 1)
			b.want(bad.ID, store.JobDead, 0)
		},
		"fifty ends, each at another job, send none to the dead letters": func(b *bench) {
			for i := range 20 {
				b.submit(fmt.Sprint(i), order(fmt.Sprint(i%3), job.Normal, time.Duration(i)*time.Second))
			}
			for i := range 50 {
				c := b.claim()
				if c == nil {
					break
				}
				if i%3 == 0 {
					b.finish(c)
					c = b.claim()
				}
				if c != nil && i%2 == 0 {
					b.survive(c)
				}
				b.crash(false)
			}
			for c := b.claim(); c != nil; c = b.claim() {
				b.finish(c)
			}
			state, err := b.State(b.Context())
			if err != nil || state.Counts[store.JobSucceeded] != 20 {
				b.Errorf("state %+v (%v), want 20 jobs done", state, err)
			}
		},
	}
}

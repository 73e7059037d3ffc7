package jobtest

import (
	"fmt"
	"time"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

const (
	short = 10 * time.Second
	long  = time.Hour
)

// orders are tests of who goes first.
func orders() map[string]func(*bench) {
	return map[string]func(*bench){
		"class goes before everything": func(b *bench) {
			b.submit("low", order("a", job.Low, short))
			b.submit("normal", order("a", job.Normal, long))
			b.submit("interactive", order("b", job.Interactive, long))
			b.served("interactive", "normal", "low")
		},
		"a client's next job goes after those of clients that were served less": func(b *bench) {
			for i := range 3 {
				b.submit(fmt.Sprint("a", i+1), order("a", job.Normal, short))
			}
			for i := range 2 {
				b.submit(fmt.Sprint("b", i+1), order("b", job.Normal, long))
			}
			b.submit("c1", order("c", job.Normal, long))
			a1 := b.begin("a1")
			b1 := b.begin("b1") // both are the first of their client
			c1 := b.begin("c1")
			a2 := b.begin("a2")
			a3 := b.begin("a3") // after 20 seconds, and b had an hour
			b2 := b.begin("b2")
			b.none()
			for _, c := range []*job.Claimed{a1, b1, c1, a2, a3, b2} {
				b.finish(c)
			}
		},
		"a client with hundreds of jobs delays another one by those that run, and no more": func(b *bench) {
			for i := range 150 {
				b.submit(fmt.Sprint("a", i), order("a", job.Normal, short))
			}
			running := b.begin("a0")
			b.submit("b", order("b", job.Normal, long))
			b.begin("b")
			b.finish(running)
		},
		"jobs that run count as served": func(b *bench) {
			b.submit("a1", order("a", job.Normal, short))
			b.begin("a1")
			b.submit("a2", order("a", job.Normal, short))
			b.submit("b1", order("b", job.Normal, long))
			b.begin("b1")
			b.begin("a2")
		},
		"of clients that were served the same the shorter job goes first": func(b *bench) {
			b.submit("long", order("a", job.Normal, long))
			b.submit("short", order("b", job.Normal, short))
			b.served("short", "long")
		},
		"a client's own jobs keep their order, whatever their length": func(b *bench) {
			b.submit("long", order("a", job.Normal, long))
			b.submit("short", order("a", job.Normal, short))
			b.served("long", "short")
		},
		"equal jobs go in the order in which they came": func(b *bench) {
			b.submit("first", order("a", job.Normal, short))
			b.submit("second", order("b", job.Normal, short))
			b.served("first", "second")
		},
		"waiting raises a job by one class each time, so that none starves": func(b *bench) {
			b.submit("low", order("a", job.Low, long))
			b.pass(job.RaisedEvery - time.Second)
			b.submit("normal", order("b", job.Normal, long))
			b.finish(b.begin("normal")) // a second is missing
			b.pass(time.Second)
			b.submit("shorter", order("d", job.Normal, short))
			b.submit("urgent", order("c", job.Interactive, long))
			b.finish(b.begin("urgent"))
			b.finish(b.begin("shorter")) // of one class by now, and its client was served no more
			b.pass(job.RaisedEvery)
			b.submit("as urgent", order("c", job.Interactive, long))
			b.finish(b.begin("low")) // came first
			b.finish(b.begin("as urgent"))
		},
		"a steady stream of urgent jobs does not keep a low one out for ever": func(b *bench) {
			low := b.submit("low", order("z", job.Low, long))
			for waited := time.Duration(0); waited <= 3*job.RaisedEvery; waited += time.Minute {
				b.submit(waited.String(), order("a", job.Interactive, short))
				c := b.claim()
				if c.Job.ID == low.ID {
					return
				}
				b.finish(c)
				b.pass(time.Minute)
			}
			b.Errorf("%s was not begun when it had waited long enough for three classes", low.ID)
		},
		"a job that is held back is not begun, and costs its client nothing": func(b *bench) {
			held := b.submit("a1", order("a", job.Normal, short))
			b.submit("a2", order("a", job.Normal, short))
			b.submit("b1", order("b", job.Normal, long))
			if _, err := b.Pause(b.Context(), held.ID); err != nil {
				b.Fatal(err)
			}
			b.begin("a2")
			b.begin("b1")
			b.none()
			if _, err := b.Resume(b.Context(), held.ID); err != nil {
				b.Fatal(err)
			}
			b.begin("a1")
		},
		"another priority changes the order of waiting jobs": func(b *bench) {
			b.submit("first", order("a", job.Normal, short))
			second := b.submit("second", order("b", job.Low, short))
			if _, err := b.Prioritize(b.Context(), second.ID, job.Interactive); err != nil {
				b.Fatal(err)
			}
			b.served("second", "first")
		},
		"a queue that is held back begins nothing, also in the next process": func(b *bench) {
			b.submit("first", order("a", job.Normal, short))
			b.submit("second", order("a", job.Normal, short))
			running := b.begin("first")
			if err := b.Hold(b.Context(), true); err != nil {
				b.Fatal(err)
			}
			b.none()
			b.finish(running)
			b.crash(false)
			b.none()
			if state, err := b.State(b.Context()); err != nil || !state.Paused || state.Counts[store.JobQueued] != 1 {
				b.Errorf("state %+v (%v), want paused with one job", state, err)
			}
			if err := b.Hold(b.Context(), false); err != nil {
				b.Fatal(err)
			}
			b.served("second")
		},
	}
}

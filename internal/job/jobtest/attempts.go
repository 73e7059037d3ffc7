package jobtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// attempts are tests of what follows success and failure.
func attempts() map[string]func(*bench) {
	passing := func() error { return scout.Errorf(scout.CodeEngineCrashed, "the engine crashed") }
	return map[string]func(*bench){
		"a result and the end of its job are one transaction": func(b *bench) {
			id := b.recording()
			o := order("a", job.Normal, short)
			o.Recording = id
			j := b.submit("a", o)
			c := b.begin("a")
			b.refused(b.commit(c, id, scout.Errorf(scout.CodePreconditionFailed, "no")), scout.CodePreconditionFailed)
			b.want(j.ID, store.JobRunning, 1)
			b.texts(id, 0)
			if err := b.commit(c, id, nil); err != nil {
				b.Fatal(err)
			}
			done := b.want(j.ID, store.JobSucceeded, 1)
			if done.Version != 1 || done.FinishedAt.IsZero() || done.Done != done.Length {
				b.Errorf("job %+v, want version 1, its end and all of its audio", done)
			}
			b.texts(id, 1)
			b.wantEvents(j.ID, store.EventJobQueued, store.EventJobStarted, store.EventJobSucceeded)
		},
		"an attempt that has lost its job commits nothing": func(b *bench) {
			id := b.recording()
			o := order("a", job.Normal, short)
			o.Recording = id
			b.submit("a", o)
			stale := b.begin("a")
			b.crash(false) // of which the stale attempt does not know
			c := b.begin("a")
			if c.Job.Attempt != stale.Job.Attempt {
				b.Errorf("attempt %d after a crash, want %d again", c.Job.Attempt, stale.Job.Attempt)
			}
			b.lost(stale, id)
			if err := b.commit(c, id, nil); err != nil {
				b.Fatal(err)
			}
			b.lost(stale, id)
			b.lost(c, id) // not twice
			b.texts(id, 1)
		},
		"an attempt whose job was cancelled and tried again commits nothing": func(b *bench) {
			id := b.recording()
			o := order("a", job.Normal, short)
			o.Recording = id
			j := b.submit("a", o)
			stale := b.begin("a")
			if _, err := b.Cancel(b.Context(), j.ID); err != nil {
				b.Fatal(err)
			}
			b.lost(stale, id)
			if _, err := b.Retry(b.Context(), j.ID); err != nil {
				b.Fatal(err)
			}
			b.lost(stale, id)
			c := b.begin("a")
			b.lost(stale, id)
			b.finish(c)
			b.texts(id, 0)
		},
		"a failure that may pass is tried again, five times in all, and then dead": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			for attempt := 1; attempt <= 5; attempt++ {
				c := b.begin("a")
				if c.Job.Attempt != attempt {
					b.Fatalf("attempt %d, want %d", c.Job.Attempt, attempt)
				}
				if err := c.Fail(b.Context(), passing()); err != nil {
					b.Fatal(err)
				}
				if attempt == 5 {
					break
				}
				failed := b.want(j.ID, store.JobRetrying, attempt)
				if wait := failed.NextAt.Sub(b.clock.Now()); wait < 0 || wait > time.Minute {
					b.Errorf("the next attempt is in %s, want at most a minute", wait)
				}
				if failed.NextAt.After(b.clock.Now()) {
					b.none()
				}
				b.clock.Set(failed.NextAt)
			}
			dead := b.want(j.ID, store.JobDead, 5)
			if dead.Error == nil || dead.Error.Code != scout.CodeEngineCrashed || dead.Error.Message == "" || dead.FinishedAt.IsZero() {
				b.Errorf("dead letter %+v, want its reason", dead)
			}
			b.pass(time.Hour)
			b.none()
		},
		"a pause that the other side asks for is kept": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			if err := b.begin("a").Fail(b.Context(), resilience.RetryAfter(passing(), 40*time.Second)); err != nil {
				b.Fatal(err)
			}
			if failed := b.want(j.ID, store.JobRetrying, 1); !failed.NextAt.Equal(b.clock.Now().Add(40 * time.Second)) {
				b.Errorf("the next attempt is at %s, want in 40 s", failed.NextAt)
			}
		},
		"a permanent failure is dead at once": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			if err := b.begin("a").Fail(b.Context(), scout.Errorf(scout.CodeAudioUnsupported, "no audio").WithHint("use another file")); err != nil {
				b.Fatal(err)
			}
			dead := b.want(j.ID, store.JobDead, 1)
			if *dead.Error != (store.JobError{Code: scout.CodeAudioUnsupported, Message: "no audio", Hint: "use another file"}) {
				b.Errorf("reason %+v", *dead.Error)
			}
			b.wantEvents(j.ID, store.EventJobQueued, store.EventJobStarted, store.EventJobDead)
			b.none()
		},
		"an engine that rests uses up no attempt": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, short))
			for range 10 {
				if err := b.begin("a").Fail(b.Context(), scout.Errorf(scout.CodeEngineUnavailable, "paused")); err != nil {
					b.Fatal(err)
				}
				b.want(j.ID, store.JobQueued, 0)
				b.none() // it rests, too
				b.pass(time.Minute)
			}
		},
		"a job that is given back uses up no attempt, and is first again": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, long))
			b.submit("a2", order("a", job.Normal, short))
			if err := b.begin("a").Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.want(j.ID, store.JobQueued, 0)
			b.served("a", "a2")
		},
		"work continues from its checkpoint, with all its parts": func(b *bench) {
			j := b.submit("a", order("a", job.Normal, long))
			c := b.begin("a")
			for i := range 3 {
				if err := b.save(c, fmt.Sprintf(`{"at":%d}`, i), fmt.Sprintf(`["part %d"]`, i)); err != nil {
					b.Fatal(err)
				}
			}
			if err := c.Fail(b.Context(), passing()); err != nil {
				b.Fatal(err)
			}
			b.pass(time.Minute)
			c = b.begin("a")
			b.continues(c, `{"at":2}`, `["part 0"]`, `["part 1"]`, `["part 2"]`)
			b.crash(false)
			c = b.begin("a")
			b.continues(c, `{"at":2}`, `["part 0"]`, `["part 1"]`, `["part 2"]`)
			if err := c.Restart(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.crash(false)
			c = b.begin("a")
			b.continues(c, ``)
			b.finish(c)
			if parts, err := b.store.JobParts(b.Context(), j.ID); err != nil || len(parts) > 0 || b.get(j.ID).Checkpoint != nil {
				b.Errorf("parts %s (%v) of a job that is done, want none", parts, err)
			}
		},
	}
}

// continues compares where a job continues.
func (b *bench) continues(c *job.Claimed, checkpoint string, want ...string) {
	b.Helper()
	parts, err := c.Parts(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	got := make([]string, len(parts))
	for i, p := range parts {
		got[i] = string(p)
	}
	if string(c.Job.Checkpoint) != checkpoint || fmt.Sprint(got) != fmt.Sprint(want) {
		b.Errorf("continues from %s with %q, want %s with %q", c.Job.Checkpoint, got, checkpoint, want)
	}
}

// commit commits a text as the result of a job, unless fails is an error.
func (b *bench) commit(c *job.Claimed, recording string, fails error) error {
	return b.store.Update(b.Context(), func(tx store.Tx) error {
		v, err := tx.PutTranscript(store.Put{Key: store.MainKey(recording), Kind: store.KindFirst, Transcript: storetest.Text("hello"), Once: "job " + c.Job.ID})
		if err == nil {
			err = c.Finish(tx, v.Version)
		}
		return errors.Join(err, fails)
	})
}

// texts compares how many versions the text of a recording has.
func (b *bench) texts(recording string, want int) {
	b.Helper()
	versions, err := b.store.Versions(b.Context(), store.MainKey(recording))
	if err != nil && scout.CodeOf(err) != scout.CodeNotFound {
		b.Fatal(err)
	}
	if len(versions) != want {
		b.Errorf("%d versions, want %d", len(versions), want)
	}
}

// lost checks that an attempt can change nothing any more.
func (b *bench) lost(c *job.Claimed, recording string) {
	b.Helper()
	before := b.get(c.Job.ID)
	for what, err := range map[string]error{
		"commit": b.commit(c, recording, nil), "save": b.save(c, `{"stale":true}`, `["stale"]`), "restart": c.Restart(b.Context()),
		"fail": c.Fail(b.Context(), scout.Errorf(scout.CodeAudioCorrupt, "stale")), "release": c.Release(b.Context()), "survive": c.Survived(b.Context()),
	} {
		if !errors.Is(err, job.ErrLost) {
			b.Errorf("%s by an attempt that has lost its job: %v, want %v", what, err, job.ErrLost)
		}
	}
	after := b.get(c.Job.ID)
	x, _ := json.Marshal(before) // numbers, texts and times
	y, _ := json.Marshal(after)
	if !bytes.Equal(x, y) {
		b.Errorf("the job changed from %s to %s", x, y)
	}
}

package jobtest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// purges are tests of what becomes of jobs when what they are about is purged.
func purges() map[string]func(*bench) {
	return map[string]func(*bench){
		"jobs of a recording that is purged are gone, and what they were doing is not committed": func(b *bench) {
			id := b.recording()
			o := order("a", job.Normal, short)
			o.Recording, o.Key = id, "work"
			j := b.submit("a", o)
			c := b.begin("a")
			if err := b.save(c, `{"at":1}`, `["what was said"]`); err != nil {
				b.Fatal(err)
			}
			if err := b.store.Purge(b.Context(), id); err != nil {
				b.Fatal(err)
			}
			_, err := b.Job(b.Context(), j.ID)
			b.refused(err, scout.CodeNotFound)
			if got := b.events(j.ID); len(got) == 0 || got[len(got)-1] != store.EventJobCancelled {
				b.Errorf("events %v of a job that is gone, want the last to be %s", got, store.EventJobCancelled)
			}
			if err := b.commit(c, id, nil); err == nil {
				b.Errorf("the text of the purged recording %s was committed", id)
			}
			if err := b.save(c, `{"at":2}`, `["more"]`); !errors.Is(err, job.ErrLost) {
				b.Errorf("save: %v, want %v", err, job.ErrLost)
			}
			b.none()
		},
		"who listens hears that jobs were purged": func(b *bench) {
			id := b.recording()
			rung, end := b.store.Listen(store.QueueStream)
			defer end()
			if err := b.store.Purge(b.Context(), id); err != nil {
				b.Fatal(err)
			}
			select {
			case <-rung:
			default:
				b.Errorf("nobody was told that the jobs of %s are gone", id)
			}
		},
		"a translation that is purged takes no job of another text with it": func(b *bench) {
			id := b.recording()
			translation := store.Key{Recording: id, Track: store.TrackMix, Task: store.TaskTranslate}
			if err := b.store.Update(b.Context(), func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: translation, Kind: store.KindFirst, Transcript: scout.Transcript{Segments: []scout.Segment{{Text: "what was meant"}}}})
				return err
			}); err != nil {
				b.Fatal(err)
			}
			about := func(key, options string) job.Order {
				o := order("a", job.Normal, long)
				o.Recording, o.Key, o.Options = id, key, json.RawMessage(options)
				return o
			}
			spoken := b.submit("spoken", about("spoken", `{}`))
			if err := b.commit(b.begin("spoken"), id, nil); err != nil {
				b.Fatal(err)
			}
			waits := b.submit("waits", about("waits", `{}`))
			c := b.begin("waits")
			if err := b.save(c, `{"at":1}`, `["what was said"]`); err != nil {
				b.Fatal(err)
			}
			if err := c.Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			o := about("translates", `{"task":"translate"}`)
			o.Client, o.Priority = "b", job.Interactive
			b.submit("translates", o)
			c = b.begin("translates")
			if err := b.save(c, `{"at":1}`, `["what was meant"]`); err != nil {
				b.Fatal(err)
			}
			if err := b.store.PurgeTexts(b.Context(), translation); err != nil {
				b.Fatal(err)
			}
			b.want(spoken.ID, store.JobSucceeded, 1)
			if j := b.want(waits.ID, store.JobQueued, 0); string(j.Checkpoint) != `{"at":1}` {
				b.Errorf("the checkpoint of the text that stays is %s", j.Checkpoint)
			}
			if err := b.save(c, `{"at":2}`, `["more"]`); !errors.Is(err, job.ErrCleared) {
				b.Fatalf("save: %v, want %v", err, job.ErrCleared)
			}
			b.finish(c)
		},
		"jobs whose text is purged begin anew, and those that have ended are gone": func(b *bench) {
			id := b.recording()
			about := func(key string) job.Order {
				o := order("a", job.Normal, long)
				o.Recording, o.Key = id, key
				return o
			}
			ended := b.submit("ended", about("ended"))
			if err := b.commit(b.begin("ended"), id, nil); err != nil {
				b.Fatal(err)
			}
			waits := b.submit("waits", about("waits"))
			c := b.begin("waits")
			if err := b.save(c, `{"at":1}`, `["what was said"]`); err != nil {
				b.Fatal(err)
			}
			if err := c.Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			runs := order("b", job.Interactive, long)
			runs.Recording = id
			b.submit("runs", runs)
			c = b.begin("runs")
			if err := b.save(c, `{"at":1}`, `["what was said"]`); err != nil {
				b.Fatal(err)
			}
			if err := b.store.PurgeTexts(b.Context(), store.MainKey(id)); err != nil {
				b.Fatal(err)
			}
			_, err := b.Job(b.Context(), ended.ID)
			b.refused(err, scout.CodeNotFound)
			if j := b.want(waits.ID, store.JobQueued, 0); j.Checkpoint != nil || j.Done != 0 {
				b.Errorf("job %+v, want nothing of what it had made", j)
			}
			b.want(c.Job.ID, store.JobRunning, 1)
			if err := b.save(c, `{"at":2}`, `["more"]`); !errors.Is(err, job.ErrCleared) {
				b.Fatalf("save: %v, want %v", err, job.ErrCleared)
			}
			if err := c.Restart(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := b.save(c, `{"at":2}`, `["all of it"]`); err != nil {
				b.Fatal(err)
			}
			if parts, err := c.Parts(b.Context()); err != nil || fmt.Sprintf("%s", parts) != `[["all of it"]]` {
				b.Errorf("parts %s (%v), want what was saved after the purge", parts, err)
			}
			b.finish(c)
			c = b.begin("waits")
			b.continues(c, ``)
			b.finish(c)
		},
	}
}

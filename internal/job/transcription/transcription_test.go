package transcription_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// length is that of the recordings that are interrupted, in seconds.
const length = 100

// A text that was interrupted goes on where it was, and is the text of an undisturbed run. What makes other words begins anew.
func TestAnInterruptedTextGoesOn(t *testing.T) {
	t.Parallel()
	undisturbed := newDesk(t)
	whole := undisturbed.record(length)
	p := undisturbed.start()
	p.Until(p.submit(whole, transcription.Request{}).ID, store.JobSucceeded)
	want, all := undisturbed.text(whole, 1), undisturbed.heard()
	for situation, c := range map[string]struct {
		between func(d *desk, id string)
		anew    bool
	}{
		"nothing has changed":                             {func(*desk, string) {}, false},
		"the model was installed again, with other files": {func(d *desk, _ string) { d.write("models/a/e", "other") }, true},
		"what was kept is damaged":                        {func(d *desk, id string) { d.checkpoint(id, `{"checkpoint":7}`) }, true},
		"its segments are damaged": {func(d *desk, id string) {
			d.change(func(tx store.Tx) error { return tx.AddJobParts(id, []byte(`{}`)) })
		}, true},
		"it is a checkpoint of another version": {func(d *desk, id string) {
			j, err := d.store.Job(d.Context(), id)
			if err != nil {
				d.Fatal(err)
			}
			d.checkpoint(id, strings.Replace(string(j.Checkpoint), `"version":`, `"version":9`, 1))
		}, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id := d.record(length)
			d.does("pieces 5")
			first := d.start()
			j := first.submit(id, transcription.Request{})
			d.saved(j.ID, 2)
			first.End()
			if now, err := d.store.Job(d.Context(), j.ID); err != nil || now.State != store.JobQueued || now.Attempt != 0 {
				t.Fatalf("job %+v (%v), want one that waits and has used up no attempt", now, err)
			}
			c.between(d, j.ID)
			already := len(d.heard())
			d.does("pieces 1000")
			d.start().Until(j.ID, store.JobSucceeded)
			if got := d.text(id, 1); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if again := len(d.heard()) - already; c.anew != (again >= len(all)) {
				t.Errorf("%d of %d pieces were heard again after %d; from the beginning: want %v", again, len(all), already, c.anew)
			}
		})
	}
}

func (d *desk) change(change func(store.Tx) error) {
	d.Helper()
	if err := d.store.Update(d.Context(), change); err != nil {
		d.Fatal(err)
	}
}

// checkpoint puts another one in the place of that of a job.
func (d *desk) checkpoint(id, data string) {
	d.Helper()
	d.change(func(tx store.Tx) error {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		j.Checkpoint = []byte(data)
		return tx.PutJob(&j)
	})
}

// A job that is held back ends at its next piece and goes on from there, in the same process.
func TestAJobThatIsHeldBackGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.record(length)
	d.does("pieces 3")
	p := d.start()
	j := p.submit(id, transcription.Request{})
	d.saved(j.ID, 1)
	if _, err := p.Pause(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	d.does("pieces 1000")
	other := d.record(20) // is done meanwhile
	p.Until(p.submit(other, transcription.Request{}).ID, store.JobSucceeded)
	p.Until(p.submit(other, transcription.Request{Effort: "quick"}).ID, store.JobSucceeded)
	if now, err := p.Job(t.Context(), j.ID); err != nil || now.State != store.JobPaused || now.Done == 0 {
		t.Fatalf("job %+v (%v), want paused and half done", now, err)
	}
	if _, err := p.Resume(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	p.Until(j.ID, store.JobSucceeded)
	d.text(id, 1)
}

// What a job cannot do is told by its state.
func TestWhatCannotBeTranscribed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start()
	for situation, c := range map[string]struct {
		id      recording.ID
		request transcription.Request
		want    scout.Code
	}{
		"there is no such model":           {d.record(1), transcription.Request{Model: "none"}, scout.CodeModelUnknown},
		"the model cannot translate":       {d.record(1), transcription.Request{Model: "a", Task: store.TaskTranslate}, scout.CodeModelUnsupported},
		"the model knows no such language": {d.record(1), transcription.Request{Model: "a", Language: "de"}, scout.CodeModelLanguage},
	} {
		j := p.Until(p.submit(c.id, c.request).ID, store.JobDead)
		if j.Error.Code != c.want || j.Attempt != 1 {
			t.Errorf("%s: %s at attempt %d, want %s at once", situation, j.Error.Code, j.Attempt, c.want)
		}
	}
}

// A job whose recording is deleted before its text is made is cancelled: that is no failure.
func TestARecordingThatIsDeletedBeforeItsTextIsMade(t *testing.T) {
	t.Parallel()
	for situation, before := range map[string]bool{"while the job waits": true, "while it begins": false} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id := d.record(1)
			remove := func() {
				if err := errors.Join(os.Remove(d.folder.AudioPath(id)), os.Remove(d.folder.ManifestPath(id))); err != nil {
					t.Error(err)
				}
			}
			if before {
				remove()
			} else {
				d.borrowed = remove
			}
			p := d.start()
			j := p.Until(p.submit(id, transcription.Request{}).ID, store.JobCancelled)
			if j.Error == nil || j.Error.Code != scout.CodeRecordingNotFound || j.Attempt != 1 {
				t.Errorf("job %+v (%+v), want why it was cancelled", j, j.Error)
			}
		})
	}
}

// A text that is purged while it is made once more takes along what is kept of the work. The work goes on, and what it keeps from then on is
// whole.
func TestATextThatIsPurgedWhileItIsMade(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.record(length)
	p := d.start()
	p.Until(p.submit(id, transcription.Request{}).ID, store.JobSucceeded)
	want, all := d.text(id, 1), len(d.heard())
	d.does(fmt.Sprint("pieces ", all+5))
	j := p.submit(id, transcription.Request{})
	d.saved(j.ID, 2)
	if err := d.store.PurgeTexts(t.Context(), store.MainKey(string(id))); err != nil {
		t.Fatal(err)
	}
	d.does(fmt.Sprint("pieces ", all+8))
	d.saved(j.ID, 1)
	p.End()
	already := len(d.heard())
	d.does("pieces 1000")
	d.start().Until(j.ID, store.JobSucceeded)
	if got := d.text(id, 1); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if again := len(d.heard()) - already; again >= all {
		t.Errorf("%d of %d pieces were heard again: what was kept after the purge is of no use", again, all)
	}
}

// Words that the model cannot prefer do not cost the text.
func TestKeywordsThatTheModelRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start()
	id := d.record(1)
	p.Until(p.submit(id, transcription.Request{HotWords: []string{"impossible"}}).ID, store.JobSucceeded)
	if got := d.text(id, 1); got == "" {
		t.Error("no text")
	}
}

// The same recording, model and options have the same name, and others have others.
func TestTheNameOfWork(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, id := range []recording.ID{"a", "b"} {
		for _, r := range []transcription.Request{{}, {Model: "m"}, {Language: "m"}, {Effort: "quick"}, {HotWords: []string{"a", "b"}}, {HotWords: []string{"a b"}}, {Progressive: new(bool)}, {Improves: 1}} {
			key, err := r.Key(id)
			if err != nil {
				t.Fatal(err)
			}
			work := fmt.Sprintf("%s %+v", id, r)
			if other, taken := seen[key]; taken {
				t.Errorf("%s has the name of %s", work, other)
			}
			seen[key] = work
			if again, err := r.Key(id); err != nil || again != key {
				t.Errorf("%s has another name the second time (%v)", work, err)
			}
		}
	}
}

// A translation is a transcript of its own, which its job names; the text in the language that was spoken stays what it is.
func TestATranslationStandsBesideTheText(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	enginetest.Model(t, filepath.Join(d.dir, "models"), "many", "en", "de")
	d.write("models/many/do", "pieces 1000")
	id := d.record(3)
	p := d.start()
	spoken := p.Until(p.submit(id, transcription.Request{}).ID, store.JobSucceeded)
	said := d.text(id, 1)
	j := p.Until(p.submit(id, transcription.Request{Model: "many", Task: store.TaskTranslate}).ID, store.JobSucceeded)
	key := store.Key{Recording: string(id), Track: store.TrackMix, Task: store.TaskTranslate}
	translated, err := d.store.Transcript(t.Context(), key, j.Version)
	if err != nil || translated.Text() != "english" || !translated.Translated || translated.Kind != store.KindFirst {
		t.Errorf("%+v (%v)", translated, err)
	}
	if got := d.text(id, 1); got != said {
		t.Errorf("the text in the language that was spoken is %q now, and was %q", got, said)
	}
	if made, first := job.TranscriptOf(&j), job.TranscriptOf(&spoken); made != key.String() || first != string(id) {
		t.Errorf("the jobs name the transcripts %q and %q", made, first)
	}
	told := map[string]string{}
	events, err := d.store.Events(t.Context(), store.EventStream, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events.Events {
		var said store.JobEvent
		if e.Type == store.EventJobSucceeded && json.Unmarshal(e.Data, &said) == nil {
			told[said.ID] = said.Transcript
		}
	}
	if told[j.ID] != key.String() || told[spoken.ID] != "" {
		t.Errorf("the events name the transcripts %q", told)
	}
	plain, asked := transcription.Request{}, transcription.Request{Task: store.TaskTranslate}
	one, err1 := plain.Key(id)
	other, err2 := asked.Key(id)
	if err := errors.Join(err1, err2); err != nil || one == other {
		t.Errorf("both are the same work (%v)", err)
	}
}

// A text that goes to the trash gets no version there that nobody sees: its job says why it has ended, and goes on where it was once the text is
// restored.
func TestATextInTheTrashGetsNoVersion(t *testing.T) {
	t.Parallel()
	for situation, pieces := range map[string]int{"while the job waits": 0, "while the text is made": 3} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id := d.record(length)
			p := d.start()
			p.Until(p.submit(id, transcription.Request{}).ID, store.JobSucceeded)
			said, heard := d.text(id, 1), len(d.heard())
			change := func(with func(store.Tx) (store.Summary, error)) {
				if err := d.store.Update(t.Context(), func(tx store.Tx) error { _, err := with(tx); return err }); err != nil {
					t.Fatal(err)
				}
			}
			discard := func(tx store.Tx) (store.Summary, error) { return tx.DeleteTranscript(store.MainKey(string(id))) }
			if pieces == 0 {
				change(discard)
			}
			d.does(fmt.Sprintf("pieces %d", heard+pieces))
			j := p.submit(id, transcription.Request{})
			if pieces > 0 {
				d.saved(j.ID, 1)
				change(discard)
			}
			d.does("pieces 1000")
			j = p.Until(j.ID, store.JobDead)
			if j.Error.Code != scout.CodeConflict || j.Error.Hint == "" {
				t.Errorf("%+v", j.Error)
			}
			change(func(tx store.Tx) (store.Summary, error) { return tx.RestoreTranscript(store.MainKey(string(id))) })
			if got := d.text(id, 1); got != said {
				t.Errorf("%q, want what was there: %q", got, said)
			}
			if _, err := p.Retry(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			p.Until(j.ID, store.JobSucceeded)
			if got := d.text(id, 2); got != said {
				t.Errorf("%q, want %q", got, said)
			}
			if n := len(d.heard()) - heard; n >= 2*heard {
				t.Errorf("%d pieces were decoded again for a text of %d: want those that were kept once", n, heard)
			}
		})
	}
}

package backlog_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// savesAlways makes every piece of a text survive.
func savesAlways(o *backlog.Options) { o.SavedEvery = 1 }

// interrupted begins a text, or goes on with it, and ends the process when so many pieces are saved. It returns what the model heard.
func (d *desk) interrupted(id recording.ID, order backlog.Order, pieces int) []string {
	d.Helper()
	d.model(fmt.Sprint("pieces ", pieces+2)) // a piece may be heard twice
	p := d.start(savesAlways)
	if err := p.Promise(d.Context(), id, order); err != nil {
		d.Fatal(err)
	}
	p.Ended(id)
	for began := time.Now(); d.kept(id) < pieces; time.Sleep(time.Millisecond) { // a checkpoint tells nobody that it is written
		if time.Since(began) > 20*time.Second {
			d.Fatalf("%d pieces were saved, want %d", d.kept(id), pieces)
		}
	}
	p.end()
	return d.heard()
}

// kept is for how many pieces the store has a checkpoint: each names the pieces that were understood.
func (d *desk) kept(id recording.ID) int {
	d.Helper()
	var state store.Stream
	if err := d.store.Update(d.Context(), func(tx store.Tx) (err error) { state, err = tx.Stream(store.WorkStream(string(id))); return err }); err != nil {
		d.Fatal(err)
	}
	var n int
	if _, after, found := strings.Cut(string(state.Checkpoint), `"understood":`); found {
		_, _ = fmt.Sscan(strings.Split(after, "}")[0], &n) // 0 is not what is waited for
	}
	return n
}

// A text that was interrupted goes on where it was, and is the text of an undisturbed run. What makes other words begins anew.
func TestAnInterruptedTextGoesOn(t *testing.T) {
	t.Parallel()
	undisturbed := newDesk(t)
	undisturbed.model("pieces 1000")
	whole := undisturbed.long(100)
	p := undisturbed.start()
	p.promise(whole)
	p.Ended(whole)
	p.until(whole, backlog.Done)
	want, all := undisturbed.text(whole), undisturbed.heard()
	const before = 2
	if len(all) < before+2 {
		t.Fatalf("only %d pieces", len(all))
	}
	for situation, c := range map[string]struct {
		between func(d *desk, id recording.ID)
		order   backlog.Order
		anew    bool
	}{
		"nothing has changed": {func(*desk, recording.ID) {}, backlog.Order{}, false},
		"it is interrupted again": {func(d *desk, id recording.ID) {
			d.interrupted(id, backlog.Order{}, before+2)
		}, backlog.Order{}, false},
		"the model was installed again, with other files": {func(d *desk, _ recording.ID) { d.write("models/a/e", "other") }, backlog.Order{}, true},
		"what was kept is damaged": {func(d *desk, id recording.ID) {
			d.change(func(tx store.Tx) error {
				return tx.SetCheckpoint(store.WorkStream(string(id)), []byte(`{"checkpoint":7}`))
			})
		}, backlog.Order{}, true},
		"its segments are lost": {func(d *desk, id recording.ID) {
			d.change(func(tx store.Tx) error {
				_, err := tx.Append(store.WorkStream(string(id)), store.NewEvent{Type: "segments", Data: []byte(`{}`)})
				return err
			})
		}, backlog.Order{}, true},
		"it is a checkpoint of another version": {func(d *desk, id recording.ID) {
			d.change(func(tx store.Tx) error {
				state, err := tx.Stream(store.WorkStream(string(id)))
				if err != nil {
					return err
				}
				return tx.SetCheckpoint(store.WorkStream(string(id)), []byte(strings.Replace(string(state.Checkpoint), `"version":`, `"version":9`, 1)))
			})
		}, backlog.Order{}, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id := d.long(100)
			if heard := d.interrupted(id, c.order, before); len(heard) < before {
				t.Fatalf("heard %v", heard)
			}
			c.between(d, id)
			d.write("models/a/do", "pieces 1000")
			already := len(d.heard())
			next := d.start(savesAlways)
			next.until(id, backlog.Done)
			d.wantTexts(id, d.text(id)) // one version
			if got := d.text(id); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if again := len(d.heard()) - already; c.anew != (again >= len(all)) {
				t.Errorf("%d of %d pieces were heard again after %d; from the beginning: want %v", again, len(all), already, c.anew)
			}
			if d.kept(id) != 0 {
				t.Error("something is still kept")
			}
			replay, err := d.store.Events(d.Context(), store.WorkStream(string(id)), 0, 10)
			if err != nil || len(replay.Events) > 0 {
				t.Errorf("%+v, %v", replay, err)
			}
		})
	}
}

// What is known of an unfinished text goes with a purge.
func TestAPurgeTakesAnUnfinishedTextAlong(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.long(100)
	d.interrupted(id, backlog.Order{}, 2)
	if err := d.folder.Delete(id); err != nil {
		t.Fatal(err)
	}
	if err := d.store.Purge(t.Context(), string(id)); err != nil {
		t.Fatal(err)
	}
	if d.kept(id) != 0 {
		t.Error("a checkpoint was kept")
	}
	for _, word := range d.heard() {
		d.wantNoByte(word + `"`)
	}
}

// Words that the model cannot prefer do not cost the text.
func TestKeywordsThatTheModelRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start()
	id := d.record()
	if err := p.Promise(t.Context(), id, backlog.Order{HotWords: []string{"impossible"}}); err != nil {
		t.Fatal(err)
	}
	p.Ended(id)
	p.until(id, backlog.Done)
	d.wantTexts(id, "hello")
}

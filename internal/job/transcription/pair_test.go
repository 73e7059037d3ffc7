package transcription_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// pairOf is a desk with a fast model, "f", beside the accurate one.
func pairOf(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.install("f")
	d.roles = recognize.Roles{Fast: "f", Accurate: "a"}
	return d
}

// versions are those of the text of a recording, the oldest first: its model and kind, with a star at the current one.
func (d *desk) versions(id recording.ID) string {
	d.Helper()
	list, err := d.store.Versions(d.Context(), store.MainKey(string(id)))
	if err != nil && scout.CodeOf(err) != scout.CodeNotFound {
		d.Fatal(err)
	}
	shown := make([]string, len(list))
	for _, v := range list {
		shown[v.Version-1] = fmt.Sprintf("%s %s", v.Model, v.Kind)
		if v.Current {
			shown[v.Version-1] += "*"
		}
	}
	return strings.Join(shown, ", ")
}

func TestTheFastTextComesFirst(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for situation, c := range map[string]struct {
		setting bool
		request transcription.Request
		before  transcription.Request // of a job that was done before, if it names a model
		want    string
	}{
		"asked for":                     {request: transcription.Request{Progressive: &yes}, want: "f first, a second_pass*"},
		"by the setting":                {setting: true, want: "f first, a second_pass*"},
		"not asked for":                 {want: "a first*"},
		"refused, whatever the setting": {setting: true, request: transcription.Request{Progressive: &no}, want: "a first*"},
		"the fast model is to make it":  {request: transcription.Request{Progressive: &yes, Model: "f"}, want: "f first*"},
		"there is another text":         {request: transcription.Request{Progressive: &yes}, before: transcription.Request{Model: "a", Effort: "quick"}, want: "a first, a retranscribed*"},
		"there is one of the fast model": {
			request: transcription.Request{Progressive: &yes}, before: transcription.Request{Model: "f"}, want: "f first, a second_pass*",
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := pairOf(t)
			d.progressive = c.setting
			id := d.record(20)
			p := d.start()
			if c.before.Model != "" {
				c.before.Progressive = &no
				p.Until(p.submit(id, c.before).ID, store.JobSucceeded)
			}
			done := p.Until(p.submit(id, c.request).ID, store.JobSucceeded)
			if got := d.versions(id); got != c.want || done.Version != strings.Count(c.want, ",")+1 {
				t.Errorf("%q, the job names version %d; want %q", got, done.Version, c.want)
			}
		})
	}
}

// What a person changes in the first text stays, whatever the accurate model finds out.
func TestAnEditOfTheFirstText(t *testing.T) {
	t.Parallel()
	yes := true
	for situation, c := range map[string]struct {
		request transcription.Request
		want    string
	}{
		"it was asked for":      {transcription.Request{Progressive: &yes}, "f first, f edited*, a second_pass"},
		"it was to be improved": {transcription.Request{Progressive: &yes, Improves: 1}, "f first, f edited*"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := pairOf(t)
			d.does("pieces 0")
			id := d.record(20)
			p := d.start()
			j := p.submit(id, c.request)
			for began := time.Now(); d.versions(id) == ""; time.Sleep(time.Millisecond) { // another goroutine writes it
				if time.Since(began) > 20*time.Second {
					t.Fatal("there is no first text")
				}
			}
			d.change(func(tx store.Tx) error {
				_, err := tx.Edit(store.EditRequest{Key: store.MainKey(string(id)), Edits: []store.Edit{{Segment: 0, Text: "mine"}}})
				return err
			})
			d.does("pieces 1000")
			p.Until(j.ID, store.JobSucceeded)
			if got := d.versions(id); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A text that was to be improved and was made anew meanwhile stays as it is; one that was not is improved.
func TestAnImprovement(t *testing.T) {
	t.Parallel()
	d := pairOf(t)
	id := d.record(20)
	p := d.start()
	p.Until(p.submit(id, transcription.Request{Model: "f"}).ID, store.JobSucceeded)
	p.Until(p.submit(id, transcription.Request{Improves: 2}).ID, store.JobSucceeded)
	if got := d.versions(id); got != "f first*" {
		t.Errorf("of another version: %q", got)
	}
	j := p.Until(p.submit(id, transcription.Request{Improves: 1}).ID, store.JobSucceeded)
	if got := d.versions(id); got != "f first, a second_pass*" || j.Version != 2 {
		t.Errorf("%q, the job names version %d", got, j.Version)
	}
}

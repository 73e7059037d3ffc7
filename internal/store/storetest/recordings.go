package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

var errGivenUp = errors.New("given up")

func recordings() map[string]func(*bench) {
	return map[string]func(*bench){
		"a recording comes back as it was put": func(b *bench) {
			r := Recording(1)
			r.Title, r.Tags, r.Labels, r.Client, r.LostFrames = "Title", []string{"a", "b"}, map[string]string{"n": "v"}, "key_1", 7
			b.add(r)
			got, err := b.Recording(b.Context(), r.ID)
			if err != nil {
				b.Fatal(err)
			}
			r.Audio, r.Revision = store.AudioPresent, 1
			equal(b, "recording", got, r)
		},
		"the same facts again change nothing": func(b *bench) {
			b.put(1)
			for _, test := range []struct {
				change func(*store.Recording)
				want   bool
			}{
				{func(*store.Recording) {}, false},
				{func(r *store.Recording) { r.Fingerprint = "other" }, true},
				{func(r *store.Recording) { r.Bytes++ }, true},
				{func(r *store.Recording) { r.Title = "not from here" }, true}, // back to the facts before
			} {
				r := Recording(1)
				test.change(&r)
				b.update(func(tx store.Tx) error {
					found, err := tx.PutRecording(r)
					if found.Changed != test.want || found.New {
						b.Errorf("found %+v", found)
					}
					return err
				})
			}
			if got, err := b.Recording(b.Context(), ID(1)); err != nil || got.Title != "" || got.Revision != 4 {
				b.Errorf("%+v, %v", got, err)
			}
		},
		"tags are counted outside of the trash, the most used first": func(b *bench) {
			for n, tags := range [][]string{{"b", "a"}, {"a"}, nil, {"of a client", "a"}, {"gone"}} {
				r := Recording(n)
				r.Tags = tags
				if n == 3 {
					r.Client = "key_1"
				}
				b.add(r)
			}
			b.update(func(tx store.Tx) error { _, err := tx.Delete(ID(4)); return err })
			for client, want := range map[string][]store.TagCount{
				"":      {{Tag: "a", Recordings: 3}, {Tag: "b", Recordings: 1}, {Tag: "of a client", Recordings: 1}},
				"key_1": {{Tag: "a", Recordings: 1}, {Tag: "of a client", Recordings: 1}},
				"key_2": nil,
			} {
				got, err := b.Tags(b.Context(), client)
				if err != nil {
					b.Fatal(err)
				}
				equal(b, "tags of "+client, got, want)
			}
		},
		"title, tags and labels change": func(b *bench) {
			b.put(1)
			describe := func(d store.Description) (r store.Recording) {
				b.update(func(tx store.Tx) (err error) { r, err = tx.Describe(ID(1), d); return err })
				return r
			}
			describe(store.Description{Title: pointer(" One "), Tags: &[]string{"b", "a", "b "}, Labels: map[string]*string{"x": pointer("1"), "y": pointer("2")}})
			got := describe(store.Description{Labels: map[string]*string{"x": nil, "z": pointer("")}})
			equal(b, "labels", got.Labels, map[string]string{"y": "2", "z": ""})
			equal(b, "tags", got.Tags, []string{"a", "b"})
			again := describe(store.Description{Title: pointer("One")})
			if got.Title != "One" || again.Revision != got.Revision {
				b.Errorf("%+v", again)
			}
			b.fails(scout.CodePreconditionFailed, func(tx store.Tx) error {
				_, err := tx.Describe(ID(1), store.Description{Title: pointer("late"), IfRevision: got.Revision - 1})
				return err
			})
		},
		"what cannot be kept is refused": func(b *bench) {
			b.put(1)
			for name, d := range map[string]store.Description{
				"long title": {Title: pointer(strings.Repeat("x", 1001))}, "NUL": {Title: pointer("\x00")}, "not UTF-8": {Tags: &[]string{"\xff"}},
				"empty tag": {Tags: &[]string{" "}}, "label without a name": {Labels: map[string]*string{"": nil}}, "colon": {Labels: map[string]*string{"a:b": nil}},
			} {
				err := b.Update(b.Context(), func(tx store.Tx) error { _, err := tx.Describe(ID(1), d); return err })
				if scout.CodeOf(err) != scout.CodeInvalidArgument {
					b.Errorf("%s: %v", name, err)
				}
			}
			b.fails(scout.CodeInvalidArgument, func(tx store.Tx) error { _, err := tx.PutRecording(store.Recording{ID: "../x"}); return err })
			b.fails(scout.CodeRecordingNotFound, func(tx store.Tx) error { _, err := tx.Describe(ID(2), store.Description{}); return err })
		},
		"to the trash and back": func(b *bench) {
			key := b.put(1, "words")
			for range 2 { // again changes nothing
				b.update(func(tx store.Tx) error { _, err := tx.Delete(ID(1)); return err })
				b.clock.Set(epoch().Add(time.Hour))
			}
			got, err := b.Recording(b.Context(), ID(1))
			if err != nil || !got.DeletedAt.Equal(epoch()) {
				b.Errorf("%+v, %v", got, err)
			}
			b.listed(store.Filter{})
			b.listed(store.Filter{Deleted: true, Query: "words"}, 1)
			if b.text(key) != "words" {
				b.Errorf("the text is %q", b.text(key))
			}
			b.update(func(tx store.Tx) error { _, err := tx.Restore(ID(1)); return err })
			b.listed(store.Filter{}, 1)
			b.fails(scout.CodeConflict, func(tx store.Tx) error { _, err := tx.Restore(ID(1)); return err })
		},
		"a failed transaction leaves nothing": func(b *bench) {
			key := b.put(1, "before")
			err := b.Update(b.Context(), func(tx store.Tx) error {
				if _, err := tx.Edit(store.EditRequest{Key: key, Edits: []store.Edit{{Text: "after"}}}); err != nil {
					return err
				}
				if _, err := tx.PutRecording(Recording(2)); err != nil {
					return err
				}
				return errGivenUp
			})
			if !errors.Is(err, errGivenUp) {
				b.Errorf("error %v", err)
			}
			panicked := func() (p any) {
				defer func() { p = recover() }()
				_ = b.Update(b.Context(), func(tx store.Tx) error {
					_, err := tx.PutRecording(Recording(3))
					panic(fmt.Sprint("injected ", err))
				})
				return nil
			}()
			if panicked == nil {
				b.Errorf("panicked with %v", panicked)
			}
			if b.text(key) != "before" || len(b.events(store.EventStream)) != 2 {
				b.Errorf("%q, %d events", b.text(key), len(b.events(store.EventStream)))
			}
			b.put(4, "still writes")
			if seq := b.events(store.EventStream); seq[len(seq)-1].Seq != uint64(len(seq)) {
				b.Errorf("numbers have holes: %v", seq)
			}
		},
		"many write and read at once": func(b *bench) {
			key := b.put(1, "start")
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					for j := range 5 {
						err := b.Update(b.Context(), func(tx store.Tx) error {
							_, err := tx.Edit(store.EditRequest{Key: key, Edits: []store.Edit{{Text: fmt.Sprint(i, " ", j)}}})
							return err
						})
						if err != nil {
							b.Errorf("edit: %v", err)
						}
						if _, err := b.Transcripts(b.Context(), store.Filter{}, store.Page{}); err != nil {
							b.Errorf("list: %v", err)
						}
					}
				})
			}
			all.Wait()
			versions, err := b.Versions(b.Context(), key)
			if err != nil || len(versions) != 41 || versions[40].Version != 41 {
				b.Errorf("%d versions, %v", len(versions), err)
			}
		},
		"purged is as if it had never been": func(b *bench) {
			key := b.put(1, "secret")
			b.put(2, "kept")
			b.edit(key, store.Edit{Text: "more secret"})
			b.update(func(tx store.Tx) error {
				_, err := tx.Append(store.LiveStream(ID(1)), store.NewEvent{Type: "committed", Data: []byte(`{"text":"secret"}`)}, store.NewEvent{Type: "final", Data: []byte(`{}`)})
				return err
			})
			if err := b.Purge(b.Context(), ID(1), ID(9)); err != nil {
				b.Fatalf("purge: %v", err)
			}
			if _, err := b.Recording(b.Context(), ID(1)); scout.CodeOf(err) != scout.CodeRecordingNotFound {
				b.Errorf("recording: %v", err)
			}
			b.listed(store.Filter{Query: "secret"})
			b.listed(store.Filter{}, 2)
			for i, e := range b.events(store.LiveStream(ID(1))) {
				if e.Seq != uint64(i+1) || e.Type != store.EventPurged || string(e.Data) != "{}" {
					b.Errorf("event %+v", e)
				}
			}
		},
	}
}

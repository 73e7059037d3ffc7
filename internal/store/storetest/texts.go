package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

func fields(text string) []string { return strings.Fields(text) }

func transcripts() map[string]func(*bench) {
	return map[string]func(*bench){
		"a version comes back as it was put": func(b *bench) {
			text := Text("Ask not what your country", "can do for you.")
			text.SetAside = []scout.SetAside{{Start: time.Second, End: 2 * time.Second, Code: scout.CodeTextLost, Reason: "no words"}}
			text.Warnings = []scout.Warning{scout.Warnf(scout.WarningTracks, "two tracks").From(3)}
			text.Segments[1].Words[0].Start, text.Segments[1].Words[0].End, text.Segments[1].Words[1].LogProb = nil, nil, nil
			text.Segments[1].Channel = "left"
			b.update(func(tx store.Tx) error {
				if _, err := tx.PutRecording(Recording(1)); err != nil {
					return err
				}
				_, err := tx.PutTranscript(store.Put{Key: store.MainKey(ID(1)), Kind: store.KindFirst, Transcript: text, Client: "key_1", Options: []byte(`{"effort":"quick"}`)})
				return err
			})
			got := b.transcript(store.MainKey(ID(1)), 0)
			equal(b, "transcript", got.Transcript, text)
			want := store.Version{
				Version: 1, Kind: store.KindFirst, Model: text.Model, Language: "en", Duration: text.Duration, CreatedAt: epoch(), Client: "key_1",
				Options: []byte(`{"effort":"quick"}`), Words: 9, Current: true,
			}
			equal(b, "version", got.Version, want)
			if got.Preview != text.Text() {
				b.Errorf("preview %q", got.Preview)
			}
		},
		"an empty text is a version": func(b *bench) {
			key := b.put(1)
			b.update(func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: key, Kind: store.KindFirst, Transcript: scout.Transcript{Model: "m"}})
				return err
			})
			if got := b.transcript(key, 0); got.Version.Version != 1 || len(got.Segments) != 0 {
				b.Errorf("%+v", got)
			}
		},
		"work that is reported twice makes one version": func(b *bench) {
			key := b.put(1)
			for range 2 {
				b.update(func(tx store.Tx) error {
					v, err := tx.PutTranscript(store.Put{Key: key, Kind: store.KindFirst, Transcript: Text("once"), Once: "job_1"})
					if v.Version != 1 {
						b.Errorf("version %d", v.Version)
					}
					return err
				})
			}
			b.versions(key, "first 1 *")
		},
		"a text without a recording is refused": func(b *bench) {
			b.fails(scout.CodeRecordingNotFound, func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: store.MainKey(ID(9)), Kind: store.KindFirst, Transcript: Text("lost")})
				return err
			})
		},
		"tracks and tasks have versions of their own": func(b *bench) {
			b.put(1, "mixed")
			left, german := store.Key{Recording: ID(1), Track: "left", Task: store.TaskTranscribe}, store.Key{Recording: ID(1), Track: "mix", Task: store.TaskTranslate}
			for _, key := range []store.Key{left, german} {
				b.update(func(tx store.Tx) error {
					_, err := tx.PutTranscript(store.Put{Key: key, Kind: store.KindFirst, Transcript: Text(key.Track + key.Task)})
					return err
				})
			}
			b.edit(left, store.Edit{Segment: 0, Text: "changed"})
			for key, want := range map[store.Key]string{store.MainKey(ID(1)): "mixed", left: "changed", german: "mixtranslate"} {
				if got := b.text(key); got != want {
					b.Errorf("%s: %q, want %q", key, got, want)
				}
			}
			parsed, err := store.ParseKey(left.String())
			if err != nil || parsed != left {
				b.Errorf("%v, %v", parsed, err)
			}
		},
		"a model's new version becomes current": func(b *bench) {
			key := b.put(1, "first")
			b.revise(key, store.KindSecondPass, "second")
			if b.text(key) != "second" {
				b.Errorf("text %q", b.text(key))
			}
			b.versions(key, "first 1", "second_pass 2 *")
		},
		"a model's new version does not replace a person's text": func(b *bench) {
			key := b.put(1, "first")
			b.edit(key, store.Edit{Segment: 0, Text: "mine"})
			b.revise(key, store.KindSecondPass, "second")
			b.versions(key, "first 1", "edited 2 *", "second_pass 3")
			if b.text(key) != "mine" {
				b.Errorf("text %q", b.text(key))
			}
			b.restoreVersion(key, 1)
			b.revise(key, store.KindSecondPass, "third")
			b.versions(key, "first 1", "edited 2", "second_pass 3", "first 4 *", "second_pass 5")
		},
		"an edit keeps the times of the words that it leaves alone": func(b *bench) {
			key := b.put(1, "the quick brown fox", "jumps over it")
			before := b.transcript(key, 0)
			after := b.edit(key, store.Edit{Segment: 0, Text: "the  very quick fox jumps"})
			words := after.Segments[0].Words
			want := []scout.Word{before.Segments[0].Words[0], {Text: "very"}, before.Segments[0].Words[1], before.Segments[0].Words[3], {Text: "jumps"}}
			equal(b, "words", words, want)
			equal(b, "the other segment", after.Segments[1], before.Segments[1])
			equal(b, "the first version", b.transcript(key, 1).Transcript, before.Transcript)
			if s := after.Segments[0]; s.Text != "the very quick fox jumps" || s.AvgLogProb != nil || s.Start != 0 || s.End != time.Second {
				b.Errorf("segment %+v", s)
			}
			if after.Words != 8 || after.Model != before.Model || after.Kind != store.KindEdited || after.Base != 1 {
				b.Errorf("version %+v", after.Version)
			}
		},
		"an edit of a text without spaces keeps the times of its words": func(b *bench) {
			text := Text("東京 大阪 京都")
			text.Segments[0].Text = "東京大阪京都"
			key := b.put(1)
			b.update(func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: key, Kind: store.KindFirst, Transcript: text})
				return err
			})
			after := b.edit(key, store.Edit{Segment: 0, Text: "東京神戸京都"})
			w := text.Segments[0].Words
			equal(b, "words", after.Segments[0].Words, []scout.Word{w[0], {Text: "神戸"}, w[2]})
		},
		"edits of edits, undo and redo": func(b *bench) {
			key := b.put(1, "one", "two", "three")
			b.edit(key, store.Edit{Segment: 0, Text: "1"})
			b.edit(key, store.Edit{Segment: 1, Text: ""})  // removed
			b.edit(key, store.Edit{Segment: 1, Text: "3"}) // positions are those of the version that is changed
			texts := []string{"one two three", "1 two three", "1 three", "1 3"}
			for i, want := range texts {
				if v := b.transcript(key, i+1); v.Text() != want {
					b.Errorf("version %d: %q, want %q", i+1, v.Text(), want)
				}
			}
			if undone := b.restoreVersion(key, 2); undone.Text() != "1 two three" || undone.RestoredFrom != 2 || undone.Version.Version != 5 {
				b.Errorf("undone: %+v", undone.Summary)
			}
			b.edit(key, store.Edit{Segment: 2, Text: "THREE"})
			if got := b.text(key); got != "1 two THREE" {
				b.Errorf("edited after undo: %q", got)
			}
			if redone := b.restoreVersion(key, 4); redone.Text() != "1 3" {
				b.Errorf("redone: %q", redone.Text())
			}
			b.versions(key, "first 1", "edited 2", "edited 3", "edited 4", "edited 5", "edited 6", "edited 7 *")
		},
		"an edit that changes nothing makes no version": func(b *bench) {
			key := b.put(1, "as it is")
			if v := b.edit(key, store.Edit{Segment: 0, Text: " as it  is "}); v.Version.Version != 1 {
				b.Errorf("version %d", v.Version.Version)
			}
			if n := len(b.events(store.EventStream)); n != 2 {
				b.Errorf("%d events", n)
			}
		},
		"an edit for a version that is no longer current is refused": func(b *bench) {
			key := b.put(1, "first")
			b.edit(key, store.Edit{Segment: 0, Text: "second"})
			b.fails(scout.CodePreconditionFailed, func(tx store.Tx) error {
				_, err := tx.Edit(store.EditRequest{Key: key, Edits: []store.Edit{{Segment: 0, Text: "late"}}, IfVersion: 1})
				return err
			})
		},
		"edits that make no sense are refused whole": func(b *bench) {
			key := b.put(1, "first", "second")
			for name, edits := range map[string][]store.Edit{
				"no such segment": {{Segment: 0, Text: "x"}, {Segment: 2, Text: "y"}}, "a negative one": {{Segment: -1, Text: "y"}},
				"one twice": {{Segment: 0, Text: "x"}, {Segment: 0, Text: "y"}}, "not UTF-8": {{Segment: 0, Text: "\xff"}}, "NUL": {{Segment: 0, Text: "a\x00b"}},
			} {
				err := b.Update(b.Context(), func(tx store.Tx) error {
					_, err := tx.Edit(store.EditRequest{Key: key, Edits: edits})
					return err
				})
				if scout.CodeOf(err) != scout.CodeInvalidArgument {
					b.Errorf("%s: %v", name, err)
				}
			}
			b.versions(key, "first 1 *")
		},
		"what does not exist": func(b *bench) {
			key := b.put(1) // a recording without text
			for name, read := range map[string]func() error{
				"no text":      func() error { _, err := b.Transcript(b.Context(), key, 0); return err },
				"no recording": func() error { _, err := b.Transcript(b.Context(), store.MainKey(ID(2)), 0); return err },
				"no versions":  func() error { _, err := b.Versions(b.Context(), store.MainKey(ID(2))); return err },
				"restore": func() error {
					return b.Update(b.Context(), func(tx store.Tx) error { _, err := tx.RestoreVersion(key, 1, ""); return err })
				},
			} {
				if err := read(); scout.CodeOf(err) != scout.CodeNotFound {
					b.Errorf("%s: %v", name, err)
				}
			}
		},
		"a text goes to the trash and comes back, and its recording stays": func(b *bench) {
			key := b.put(1, "some words")
			b.update(func(tx store.Tx) error { _, err := tx.DeleteTranscript(key); return err })
			b.listed(store.Filter{})
			b.listed(store.Filter{Query: "words", Deleted: true}, 1)
			b.fails(scout.CodeConflict, func(tx store.Tx) error {
				_, err := tx.Edit(store.EditRequest{Key: key, Edits: []store.Edit{{Text: "x"}}})
				return err
			})
			if page, err := b.Recordings(b.Context(), store.Filter{}, store.Page{}); err != nil || len(page.Data) != 1 {
				b.Errorf("recordings: %v, %v", page.Data, err)
			}
			b.update(func(tx store.Tx) error { _, err := tx.RestoreTranscript(key); return err })
			b.listed(store.Filter{Query: "words"}, 1)
			b.fails(scout.CodeConflict, func(tx store.Tx) error { _, err := tx.RestoreTranscript(key); return err })
		},
	}
}

func (b *bench) revise(key store.Key, kind store.Kind, segments ...string) {
	b.Helper()
	b.update(func(tx store.Tx) error {
		_, err := tx.PutTranscript(store.Put{Key: key, Kind: kind, Transcript: Text(segments...)})
		return err
	})
}

func (b *bench) restoreVersion(key store.Key, version int) store.Transcript {
	b.Helper()
	var restored store.Transcript
	b.update(func(tx store.Tx) (err error) {
		restored, err = tx.RestoreVersion(key, version, "")
		return err
	})
	return restored
}

// versions compares those of a transcript: kind, number, and a star for the current one.
func (b *bench) versions(key store.Key, want ...string) {
	b.Helper()
	list, err := b.Versions(b.Context(), key)
	if err != nil {
		b.Fatalf("versions: %v", err)
	}
	var got []string
	for _, v := range list {
		got = append(got, versionLine(v))
	}
	if !slices.Equal(got, want) {
		b.Errorf("versions %q, want %q", got, want)
	}
}

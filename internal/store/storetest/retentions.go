package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

const day = 24 * time.Hour

// due sets the clock, asks what is due, and says it in words: "audio 1, trash 2, text 3".
func (b *bench) due(at time.Duration, retention store.Retention) string {
	b.Helper()
	b.clock.Set(epoch().Add(at))
	due, err := b.Due(b.Context(), retention)
	if err != nil {
		b.Fatal(err)
	}
	number := func(id string) int {
		for n := range 20 {
			if ID(n) == id {
				return n
			}
		}
		return -1
	}
	var words []string
	for _, e := range due.Audio {
		words = append(words, fmt.Sprint("audio ", number(e.Recording)))
	}
	for _, e := range due.Purge {
		words = append(words, fmt.Sprint("trash ", number(e.Recording)))
	}
	for _, key := range due.Texts {
		words = append(words, fmt.Sprint("text ", number(key.Recording)))
	}
	return strings.Join(words, ", ")
}

// daily lets days pass, from one time to the other, in which somebody looks each day.
func (b *bench) daily(from, to time.Duration, retention store.Retention) string {
	b.Helper()
	said := ""
	for at := from; at <= to; at += day {
		said = b.due(at, retention)
	}
	return said
}

// Month keeps the audio of dictations, and the trash, for 30 days.
func Month() store.Retention { return store.Retention{Audio: 30 * day, Trash: 30 * day} }

func retentions() map[string]func(*bench) {
	month := Month()
	return map[string]func(*bench){
		"what retention asks to remove": func(b *bench) {
			b.put(1, "an old dictation")
			b.put(2) // without text
			r := Recording(3)
			r.Source = store.SourceUpload
			b.add(r, "an upload")
			b.put(4, "in the trash")
			b.put(5, "its text is in the trash")
			b.put(6, "") // nothing was heard in it: the audio may be all that there is
			r = Recording(7)
			r.State, r.EndedAt = "recording", time.Time{}
			b.add(r, "it is being recorded")
			b.put(8, "the session goes on")
			b.put(9) // a translation alone is not what was said
			b.revise(store.Key{Recording: ID(9), Track: store.TrackMix, Task: store.TaskTranslate}, store.KindFirst, "a translation")
			session, _ := b.session(8)
			b.update(func(tx store.Tx) error { _, err := tx.Delete(ID(4)); return err })
			b.update(func(tx store.Tx) error { _, err := tx.DeleteTranscript(store.MainKey(ID(5))); return err })
			equal(b, "early", b.daily(day, 30*day, month), "")
			equal(b, "after a month", b.daily(31*day, 31*day, month), "audio 1, trash 4, text 5")
			equal(b, "nothing is kept for ever", b.daily(31*day, 31*day, store.Retention{}), "")
			b.finish(session, 8, "all that was said")
			b.update(func(tx store.Tx) error { _, err := tx.AudioGone(ID(1)); return err })
			equal(b, "audio removed", b.daily(32*day, 60*day, month), "trash 4, text 5")
			equal(b, "a month after its end", b.daily(61*day, 62*day, month), "audio 8, trash 4, text 5")
			if got, err := b.Recording(b.Context(), ID(1)); err != nil || got.Audio != store.AudioRemoved || got.Transcript == nil {
				b.Errorf("%+v, %v", got, err)
			}
		},
		"what is worked on begins a new month": func(b *bench) {
			key := b.put(1, "an old dictation")
			b.put(2, "another")
			b.daily(day, 29*day, month)
			b.edit(key, store.Edit{Text: "corrected"})
			b.revise(store.MainKey(ID(2)), store.KindRetranscribed, "heard again")
			equal(b, "after a month", b.daily(30*day, 58*day, month), "")
			equal(b, "a month later", b.daily(59*day, 60*day, month), "audio 1, audio 2")
		},
		"a clock that is years ahead makes nothing old": func(b *bench) {
			b.put(1, "made today")
			b.update(func(tx store.Tx) error { _, err := tx.Delete(ID(1)); return err })
			b.put(2, "made today")
			for range 3 { // it is put right, and wrong again
				equal(b, "years ahead", b.due(10*365*day, month), "")
				equal(b, "put right", b.due(day, month), "")
			}
			b.put(3, "made later")
			equal(b, "days later", b.daily(2*day, 15*day, month), "")
		},
		"a clock that was years behind makes nothing old": func(b *bench) {
			b.clock.Set(epoch().Add(-20 * 365 * day))
			r := Recording(1)
			r.StartedAt, r.EndedAt = b.clock.Now(), b.clock.Now().Add(time.Second)
			b.add(r, "made today")
			equal(b, "years behind", b.due(-20*365*day, month), "")
			equal(b, "put right", b.daily(0, 20*day, month), "")
			equal(b, "a month later", b.daily(21*day, 40*day, month), "audio 1")
		},
		"a computer that was off for long": func(b *bench) {
			b.put(1, "an old dictation")
			for at := 90 * day; at <= 4*90*day; at += 90 * day {
				equal(b, "each quarter", b.due(at, month), "")
			}
			equal(b, "the fifth time", b.due(5*90*day, month), "audio 1")
		},
		"a short time to keep is not passed by a leap": func(b *bench) {
			b.put(1, "made today")
			short := store.Retention{Audio: day, Trash: day}
			equal(b, "ahead", b.due(1000*day, short), "")
			due, err := b.Due(b.Context(), short)
			if err != nil || due.Leap != 0 {
				b.Errorf("leap %s, %v", due.Leap, err)
			}
			b.clock.Set(epoch().Add(2000 * day))
			if due, err = b.Due(b.Context(), short); err != nil || due.Leap != 1000*day-12*time.Hour {
				b.Errorf("leap %s, %v", due.Leap, err)
			}
		},
		"a purged text is gone and its recording stays": func(b *bench) {
			key := b.put(1, "secret")
			b.revise(key, store.KindSecondPass, "secret again")
			other := store.Key{Recording: ID(1), Track: "left", Task: store.TaskTranslate}
			b.update(func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: other, Kind: store.KindFirst, Transcript: Text("kept")})
				return err
			})
			b.update(func(tx store.Tx) error {
				_, err := tx.Describe(ID(1), store.Description{Title: pointer("title")})
				return err
			})
			if err := b.PurgeTexts(b.Context(), key, key, store.MainKey(ID(9))); err != nil {
				b.Fatal(err)
			}
			if _, err := b.Transcript(b.Context(), key, 0); scout.CodeOf(err) != scout.CodeNotFound {
				b.Errorf("the text: %v", err)
			}
			if got := b.text(other); got != "kept" {
				b.Errorf("the other text is %q", got)
			}
			if r, err := b.Recording(b.Context(), ID(1)); err != nil || r.Title != "title" || r.Transcript != nil {
				b.Errorf("the recording is %+v, %v", r, err)
			}
			b.listed(store.Filter{Query: "secret"})
			b.listed(store.Filter{Query: "title"}, 1)
			b.update(func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: key, Kind: store.KindFirst, Transcript: Text("said anew")})
				return err
			})
			b.versions(key, "first 1 *")
		},
		"a recording without audio goes with its last text": func(b *bench) {
			r := Recording(1)
			r.Audio, r.Fingerprint = store.AudioRemoved, ""
			b.add(r, "secret")
			other := store.Key{Recording: ID(1), Track: "left", Task: store.TaskTranslate}
			b.update(func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: other, Kind: store.KindFirst, Transcript: Text("another")})
				return err
			})
			if err := b.PurgeTexts(b.Context(), store.MainKey(ID(1))); err != nil {
				b.Fatal(err)
			}
			b.listed(store.Filter{}, 1)
			if err := b.PurgeTexts(b.Context(), other); err != nil {
				b.Fatal(err)
			}
			b.listed(store.Filter{})
			if _, err := b.Recording(b.Context(), ID(1)); scout.CodeOf(err) != scout.CodeRecordingNotFound {
				b.Errorf("the recording: %v", err)
			}
		},
		"a purge that was asked for is known until it is done": func(b *bench) {
			b.put(1, "secret")
			for range 2 {
				b.update(func(tx store.Tx) error { return tx.AskPurge(ID(1)) })
			}
			asked, err := b.AskedPurges(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			equal(b, "asked", asked, ids(1))
			if err := b.Purge(b.Context(), asked...); err != nil {
				b.Fatal(err)
			}
			if asked, err = b.AskedPurges(b.Context()); err != nil || len(asked) > 0 {
				b.Errorf("asked %v, %v", asked, err)
			}
		},
	}
}

package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

func word(n int) store.NewEvent {
	return store.NewEvent{Type: "committed", Data: json.RawMessage(fmt.Sprintf(`{"text":"word %d"}`, n))}
}

// say appends events n, n+1, … to a live stream.
func (b *bench) say(stream string, from, to int) {
	b.Helper()
	for n := from; n <= to; n++ {
		b.update(func(tx store.Tx) error {
			last, err := tx.Append(stream, word(n))
			if last != uint64(n) { //nolint:gosec // a small number
				b.Errorf("number %d, want %d", last, n)
			}
			return err
		})
	}
}

func journals() map[string]func(*bench) {
	return map[string]func(*bench){
		"every change has an event": func(b *bench) {
			key := b.put(1, "text")
			b.revise(key, store.KindSecondPass, "better")
			b.edit(key, store.Edit{Text: "best"})
			b.update(func(tx store.Tx) error {
				_, err := tx.Describe(ID(1), store.Description{Title: pointer("t")})
				return err
			})
			b.update(func(tx store.Tx) error { _, err := tx.DeleteTranscript(key); return err })
			b.update(func(tx store.Tx) error { _, err := tx.RestoreTranscript(key); return err })
			b.update(func(tx store.Tx) error { _, err := tx.Delete(ID(1)); return err })
			b.update(func(tx store.Tx) error { _, err := tx.Restore(ID(1)); return err })
			var types []string
			for i, e := range b.events(store.EventStream) {
				types = append(types, e.Type)
				if e.Seq != uint64(i+1) || e.Recording != ID(1) || !e.At.Equal(epoch()) { //nolint:gosec // a small number
					b.Errorf("event %+v", e)
				}
			}
			equal(b, "types", types, []string{
				store.EventRecordingFinished, store.EventTranscriptCreated, store.EventTranscriptRevised, store.EventTranscriptEdited, store.EventRecordingUpdated,
				store.EventTranscriptDeleted, store.EventTranscriptRestored, store.EventRecordingDeleted, store.EventRecordingRestored,
			})
		},
		"streams have numbers of their own, and replay from anywhere": func(b *bench) {
			stream := store.LiveStream(ID(1))
			b.say(stream, 1, 5)
			b.say(store.LiveStream(ID(2)), 1, 2)
			for after, want := range map[uint64]int{0: 5, 3: 2, 5: 0} {
				replay, err := b.Events(b.Context(), stream, after, 100)
				if err != nil || len(replay.Events) != want || replay.Reset || replay.Last != 5 || want > 0 && replay.Events[0].Seq != after+1 {
					b.Errorf("after %d: %+v, %v", after, replay, err)
				}
			}
			if all := b.events(stream); string(all[3].Data) != string(word(4).Data) || all[3].Recording != ID(1) {
				b.Errorf("event %+v", all[3])
			}
			replay, err := b.Events(b.Context(), stream, 2, 2)
			if err != nil || len(replay.Events) != 2 || replay.Events[1].Seq != 4 {
				b.Errorf("limited: %+v, %v", replay, err)
			}
		},
		"a position that the journal does not have is a reset": func(b *bench) {
			stream := store.LiveStream(ID(1))
			b.say(stream, 1, 5)
			for _, position := range []struct {
				stream string
				after  uint64
			}{{stream, 6}, {"unknown", 1}} {
				if replay, err := b.Events(b.Context(), position.stream, position.after, 100); err != nil || !replay.Reset {
					b.Errorf("%+v: %+v, %v", position, replay, err)
				}
			}
			if replay, err := b.Events(b.Context(), "unknown", 0, 100); err != nil || replay.Reset {
				b.Errorf("an unknown stream from its beginning: %+v, %v", replay, err)
			}
		},
		"trimmed by number": func(b *bench) {
			stream := store.LiveStream(ID(1))
			b.say(stream, 1, 10)
			b.trim(stream, store.JournalLimits{Events: 4})
			b.replayed(stream, 7, 10)
			b.trim(stream, store.JournalLimits{Events: 4})
			b.replayed(stream, 7, 10)
			b.say(stream, 11, 11)
			b.replayed(stream, 7, 11)
		},
		"trimmed by age, with a clock that is set back": func(b *bench) {
			stream := store.LiveStream(ID(1))
			b.say(stream, 1, 3)
			b.clock.Set(epoch().Add(10 * time.Hour))
			b.say(stream, 4, 5)
			b.clock.Set(epoch().Add(-48 * time.Hour)) // these look old, but came later
			b.say(stream, 6, 7)
			b.clock.Set(epoch().Add(30 * time.Hour))
			b.trim(stream, store.DefaultJournalLimits())
			b.replayed(stream, 4, 7)
			b.clock.Set(epoch().Add(100 * time.Hour))
			b.trim(stream, store.DefaultJournalLimits())
			b.replayed(stream, 0, -1)
			b.say(stream, 8, 9) // numbers go on
			b.replayed(stream, 8, 9)
		},
		"a clock that is set back changes no order": func(b *bench) {
			key := b.put(1, "one")
			b.clock.Set(epoch().Add(-1000 * time.Hour))
			b.edit(key, store.Edit{Text: "two"})
			b.clock.Set(time.Unix(-5, 0))
			b.edit(key, store.Edit{Text: "three"})
			b.versions(key, "first 1", "edited 2", "edited 3 *")
			for i, e := range b.events(store.EventStream) {
				if e.Seq != uint64(i+1) { //nolint:gosec // a small number
					b.Errorf("event %+v", e)
				}
			}
			early := Recording(7)
			early.StartedAt, early.EndedAt = time.Unix(-5, 0).UTC(), time.Unix(-1, 0).UTC()
			b.add(early, "before 1970")
			b.listed(store.Filter{}, 1, 7)
		},
		"a follower gets what was there and what comes, in order": func(b *bench) {
			stream := store.LiveStream(ID(1))
			b.say(stream, 1, 600) // more than one batch
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					want := uint64(0)
					for event, err := range store.Follow(b.Context(), b.Store, stream, 0) {
						want++
						if err != nil || event.Seq != want || event.Type == store.EventReset {
							b.Errorf("event %+v, %v, want number %d", event, err, want)
							return
						}
					}
					if want != 620 {
						b.Errorf("%d events", want)
					}
				})
			}
			b.say(stream, 601, 620)
			b.update(func(tx store.Tx) error { return tx.EndStream(stream) })
			all.Wait()
			b.fails(scout.CodeConflict, func(tx store.Tx) error { _, err := tx.Append(stream, word(621)); return err })
		},
		"a follower is told where it missed something": func(b *bench) {
			stream := store.LiveStream(ID(1))
			b.say(stream, 1, 10)
			b.trim(stream, store.JournalLimits{Events: 2})
			b.update(func(tx store.Tx) error { return tx.EndStream(stream) })
			for after, want := range map[uint64]string{3: "reset 8, committed 9, committed 10, ", 8: "committed 9, committed 10, ", 20: "reset 8, committed 9, committed 10, "} {
				got := ""
				for event, err := range store.Follow(b.Context(), b.Store, stream, after) {
					if err != nil {
						b.Fatal(err)
					}
					got += fmt.Sprint(event.Type, " ", event.Seq, ", ")
				}
				if got != want {
					b.Errorf("after %d: %s", after, got)
				}
			}
		},
		"a follower ends with its context": func(b *bench) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.say(store.LiveStream(ID(1)), 1, 1)
			for _, err := range store.Follow(ctx, b.Store, store.LiveStream(ID(1)), 0) {
				if err != nil {
					b.Errorf("error %v", err)
				}
				cancel()
			}
		},
	}
}

func (b *bench) trim(stream string, limits store.JournalLimits) {
	b.Helper()
	if err := b.TrimJournal(b.Context(), stream, limits); err != nil {
		b.Fatalf("trim: %v", err)
	}
}

// replayed compares the numbers that the journal still has.
func (b *bench) replayed(stream string, from, to int) {
	b.Helper()
	all := b.events(stream)
	if len(all) != to-from+1 || len(all) > 0 && all[0].Seq != uint64(from) { //nolint:gosec // a small number
		b.Errorf("%d events, want %d to %d: %+v", len(all), from, to, all)
	}
}

package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

func (b *bench) session(n int) (*store.Session, store.Stream) {
	b.Helper()
	s, state, err := store.OpenSession(b.Context(), b.Store, ID(n))
	if err != nil {
		b.Fatalf("open the session of %s: %v", ID(n), err)
	}
	return s, state
}

// commit commits that must succeed with that last number.
func (b *bench) commit(s *store.Session, want uint64, checkpoint string, events ...store.NewEvent) {
	b.Helper()
	var data json.RawMessage
	if checkpoint != "" {
		data = json.RawMessage(checkpoint)
	}
	if last, err := s.Commit(b.Context(), data, events...); err != nil || last != want {
		b.Fatalf("number %d, %v, want %d", last, err, want)
	}
}

// live lists the sessions that have not ended, with number and checkpoint.
func (b *bench) live(want ...string) {
	b.Helper()
	open, err := b.LiveSessions(b.Context())
	got := make([]string, len(open))
	for i, s := range open {
		got[i] = strings.TrimSpace(fmt.Sprint(store.LiveRecording(s.Name), " ", s.Last, " ", string(s.Checkpoint)))
	}
	if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
		b.Errorf("live sessions %q, %v, want %q", got, err, want)
	}
}

// finish ends a session with a text.
func (b *bench) finish(s *store.Session, n int, text string) {
	b.Helper()
	err := s.End(b.Context(), func(tx store.Tx) ([]store.NewEvent, error) {
		version, err := tx.PutTranscript(store.Put{Key: store.MainKey(ID(n)), Kind: store.KindFirst, Transcript: Text(text)})
		return []store.NewEvent{{Type: "final", Data: fmt.Appendf(nil, `{"version":%d}`, version.Version)}}, err
	})
	if err != nil {
		b.Fatalf("end: %v", err)
	}
}

// lossy is a database whose answer to the next update is lost, after or before it was committed.
type lossy struct {
	store.Store
	lose      int
	committed bool
}

var errLost = errors.New("the connection was lost")

// Update runs the change; its answer, or the change itself, is lost while lose counts down.
func (l *lossy) Update(ctx context.Context, change func(store.Tx) error) error {
	if l.lose == 0 {
		return l.Store.Update(ctx, change)
	}
	l.lose--
	if l.committed {
		if err := l.Store.Update(ctx, change); err != nil {
			return err
		}
	}
	return errLost
}

func sessions() map[string]func(*bench) {
	return map[string]func(*bench){
		"a session goes on where it stopped": func(b *bench) {
			b.add(Recording(1))
			s, state := b.session(1)
			if state.Last != 0 || state.Checkpoint != nil {
				b.Errorf("a new session has %+v", state)
			}
			b.live(ID(1) + " 0")
			b.commit(s, 2, `{"frame":100}`, word(1), word(2))
			b.commit(s, 3, "", word(3)) // the checkpoint stays
			b.live(ID(1) + ` 3 {"frame":100}`)
			b.commit(s, 3, `{"frame":200}`) // a checkpoint alone

			again, state := b.session(1)
			if state.Last != 3 || string(state.Checkpoint) != `{"frame":200}` {
				b.Errorf("continued with %+v", state)
			}
			b.commit(again, 4, "", word(4))
			b.replayed(store.LiveStream(ID(1)), 1, 4)
		},
		"text and end of a session are one": func(b *bench) {
			b.add(Recording(1))
			s, _ := b.session(1)
			b.commit(s, 1, `{"frame":100}`, word(1))
			failing := errors.New("no text")
			err := s.End(b.Context(), func(tx store.Tx) ([]store.NewEvent, error) {
				_, err := tx.PutTranscript(store.Put{Key: store.MainKey(ID(1)), Kind: store.KindFirst, Transcript: Text("lost")})
				return nil, errors.Join(err, failing)
			})
			if !errors.Is(err, failing) {
				b.Errorf("error %v", err)
			}
			b.live(ID(1) + ` 1 {"frame":100}`)
			b.finish(s, 1, "what was said")
			b.live()
			b.replayed(store.LiveStream(ID(1)), 1, 2)
			if got := b.text(store.MainKey(ID(1))); got != "what was said" {
				b.Errorf("text %q", got)
			}
			b.finish(s, 1, "a second time") // changes nothing
			b.versions(store.MainKey(ID(1)), "first 1 *")
			if _, err := s.Commit(b.Context(), nil, word(2)); scout.CodeOf(err) != scout.CodeConflict {
				b.Errorf("commit after the end: %v", err)
			}
			if _, _, err := store.OpenSession(b.Context(), b.Store, ID(1)); scout.CodeOf(err) != scout.CodeConflict {
				b.Errorf("open after the end: %v", err)
			}
			b.replayed(store.LiveStream(ID(1)), 1, 2)
		},
		"a stream that is emptied": func(b *bench) {
			b.add(Recording(1))
			stream := store.WorkStream(ID(1))
			b.update(func(tx store.Tx) error { return tx.EmptyStream(stream) }) // there is none
			for round := range 2 {
				from := 2*round + 1
				b.say(stream, from, from+1)
				b.update(func(tx store.Tx) error { return tx.SetCheckpoint(stream, []byte(`{"frame":100}`)) })
				replay, err := b.Events(b.Context(), stream, 0, 10)
				if err != nil || len(replay.Events) != 2 || int(replay.Events[0].Seq) != from { //nolint:gosec // a small number
					b.Errorf("%+v, %v", replay, err)
				}
				b.live() // it is no session
				b.update(func(tx store.Tx) error { return tx.EmptyStream(stream) })
				if replay, err = b.Events(b.Context(), stream, 0, 10); err != nil || len(replay.Events) != 0 {
					b.Errorf("%+v, %v", replay, err)
				}
				b.update(func(tx store.Tx) error {
					state, err := tx.Stream(stream)
					if state.Checkpoint != nil {
						b.Errorf("%+v is left", state)
					}
					return err
				})
			}
			b.say(stream, 5, 5)
			if err := b.Purge(b.Context(), ID(1)); err != nil {
				b.Fatal(err)
			}
			if replay, err := b.Events(b.Context(), stream, 0, 10); err != nil || len(replay.Events) != 0 {
				b.Errorf("after a purge: %+v, %v", replay, err)
			}
		},
		"a repeated commit writes once": func(b *bench) {
			for i, committed := range []bool{false, true} {
				database := &lossy{Store: b.Store, committed: committed}
				s, _, err := store.OpenSession(b.Context(), database, ID(i+1))
				if err != nil {
					b.Fatal(err)
				}
				b.commit(s, 1, "", word(1))
				database.lose = 2
				for range 2 {
					if _, err := s.Commit(b.Context(), nil, word(2), word(3)); err == nil {
						b.Errorf("the answer was not lost")
					}
				}
				b.commit(s, 3, "", word(2), word(3))
				b.commit(s, 4, "", word(4))
				for n, event := range b.events(store.LiveStream(ID(i + 1))) {
					if string(event.Data) != string(word(n+1).Data) {
						b.Errorf("event %d is %s", n+1, event.Data)
					}
				}
				b.replayed(store.LiveStream(ID(i+1)), 1, 4)
			}
		},
		"two writers of a session do not mix": func(b *bench) {
			first, _ := b.session(1)
			b.commit(first, 1, "", word(1))
			second, _ := b.session(1)
			b.commit(second, 2, "", word(2))
			if _, err := first.Commit(b.Context(), nil, word(2)); scout.CodeOf(err) != scout.CodeConflict {
				b.Errorf("the first one: %v", err)
			}
			b.replayed(store.LiveStream(ID(1)), 1, 2)
		},
		"a checkpoint is JSON, small, and of a stream that there is": func(b *bench) {
			s, _ := b.session(1)
			for _, bad := range []string{"{", `"` + strings.Repeat("x", store.MaxCheckpoint) + `"`} {
				if _, err := s.Commit(b.Context(), json.RawMessage(bad), word(1)); scout.CodeOf(err) != scout.CodeInvalidArgument {
					b.Errorf("%.20s: %v", bad, err)
				}
			}
			b.commit(s, 1, `{}`, word(1))
			b.fails(scout.CodeNotFound, func(tx store.Tx) error { return tx.SetCheckpoint("unknown", json.RawMessage(`{}`)) })
			if _, _, err := store.OpenSession(b.Context(), b.Store, "../other"); scout.CodeOf(err) != scout.CodeInvalidArgument {
				b.Errorf("a session of no recording: %v", err)
			}
		},
		"a purge empties a session and keeps its numbers": func(b *bench) {
			b.add(Recording(1))
			s, _ := b.session(1)
			b.commit(s, 2, `{"words":"secret"}`, word(1), word(2))
			if err := b.Purge(b.Context(), ID(1)); err != nil {
				b.Fatal(err)
			}
			b.live(ID(1) + " 2")
			for _, event := range b.events(store.LiveStream(ID(1))) {
				if event.Type != store.EventPurged || string(event.Data) != "{}" {
					b.Errorf("event %+v", event)
				}
			}
			b.commit(s, 3, "", word(3))
		},
		"events of sessions that ended long ago go": func(b *bench) {
			for n := range 3 {
				b.add(Recording(n))
				s, _ := b.session(n)
				b.commit(s, 1, "", word(1))
				if n < 2 {
					b.finish(s, n, "text")
				}
				if n == 0 {
					b.clock.Set(epoch().Add(10 * time.Hour))
				}
			}
			b.clock.Set(epoch().Add(25 * time.Hour))
			if trimmed, err := b.TrimSessions(b.Context(), 24*time.Hour); err != nil || trimmed != 1 {
				b.Errorf("%d sessions, %v", trimmed, err)
			}
			b.replayed(store.LiveStream(ID(0)), 0, -1)
			b.replayed(store.LiveStream(ID(1)), 1, 2)
			b.clock.Set(epoch().Add(1000 * time.Hour))
			if trimmed, err := b.TrimSessions(b.Context(), 24*time.Hour); err != nil || trimmed != 1 {
				b.Errorf("%d sessions, %v", trimmed, err)
			}
			b.replayed(store.LiveStream(ID(2)), 1, 1) // it has not ended
			replay, err := b.Events(b.Context(), store.LiveStream(ID(0)), 1, 10)
			if err != nil || !replay.Reset || !replay.Ended || replay.Last != 2 {
				b.Errorf("replay %+v, %v", replay, err)
			}
			if got := b.text(store.MainKey(ID(0))); got != "text" {
				b.Errorf("text %q", got)
			}
		},
	}
}

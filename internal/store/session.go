package store

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"sync"

	"github.com/scout-speech/scout"
)

// Stream is the state of a stream of the journal.
type Stream struct {
	// Name is EventStream, or LiveStream of a recording.
	Name string
	// Last is the number of the newest event; 0 where the stream has none.
	Last uint64
	// Ended is true where EndStream was called.
	Ended bool
	// Checkpoint is what SetCheckpoint was given last, as JSON; nil if there is none. The store does not look into it.
	Checkpoint json.RawMessage
}

// MaxCheckpoint is the largest checkpoint in bytes. It is written with every commit that changes it.
const MaxCheckpoint = 1 << 20

// CheckCheckpoint returns an error with scout.CodeInvalidArgument where a checkpoint cannot be kept.
func CheckCheckpoint(data json.RawMessage) error {
	switch {
	case len(data) > MaxCheckpoint:
		return scout.Errorf(scout.CodeInvalidArgument, "a checkpoint of %d bytes: at most %d", len(data), MaxCheckpoint)
	case data != nil && !json.Valid(data):
		return scout.Errorf(scout.CodeInvalidArgument, "a checkpoint is not JSON")
	}
	return nil
}

// Session writes the events of one live session: the stream LiveStream of its recording. Its numbers have no holes, and nothing
// is written twice. A session outlives the process that writes it: until End, another one continues it with OpenSession.
//
// Its methods may be called from any goroutine, but the order of the events is that of the calls.
type Session struct {
	store     Store
	recording string
	stream    string

	mu   sync.Mutex // held while writing
	last uint64     // the number of the newest event that is known to be written
	// unsure are the events of a commit that returned an error. A database elsewhere may have committed them before its answer
	// was lost.
	unsure []NewEvent
}

// OpenSession begins the live session of a recording, or continues one that has begun. It returns the state of the stream: a new
// session has Last 0 and no Checkpoint. A session that has ended gives scout.CodeConflict.
func OpenSession(ctx context.Context, st Store, recording string) (*Session, Stream, error) {
	if err := MainKey(recording).Validate(); err != nil {
		return nil, Stream{}, err
	}
	s := &Session{store: st, recording: recording, stream: LiveStream(recording)}
	var state Stream
	err := st.Update(ctx, func(tx Tx) (err error) {
		if _, err := tx.Append(s.stream); err != nil { // so that LiveSessions knows it from the beginning
			return err
		}
		state, err = tx.Stream(s.stream)
		return err
	})
	s.last = state.Last
	return s, state, err
}

// Commit writes events, and the checkpoint unless it is nil, in one transaction. When it returns nil they are on the disk, their
// followers are woken, and clients may see them; last is the number of the newest event. Without events it writes the checkpoint
// alone.
//
// After an error nothing is written; a repeated call with the same events writes them once, whatever became of the first. An error
// with scout.CodeConflict says that the session has ended, or that somebody else writes it.
func (s *Session) Commit(ctx context.Context, checkpoint json.RawMessage, events ...NewEvent) (last uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.write(ctx, events, func(tx Tx) ([]NewEvent, error) {
		if checkpoint == nil {
			return events, nil
		}
		return events, tx.SetCheckpoint(s.stream, checkpoint)
	})
	return s.last, err
}

// CommitWith is Commit of events that are known only when work was done, in its transaction: they tell the version of a text. work may
// be called several times. drafts are as many events as it returns, by which a repeated call is known to be the same.
func (s *Session) CommitWith(ctx context.Context, checkpoint json.RawMessage, drafts []NewEvent, work func(Tx) ([]NewEvent, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(ctx, drafts, func(tx Tx) ([]NewEvent, error) {
		events, err := work(tx)
		if err == nil && checkpoint != nil {
			err = tx.SetCheckpoint(s.stream, checkpoint)
		}
		return events, err
	})
}

// End writes what finish does and the events that it returns, and ends the session, in one transaction. The checkpoint goes. finish
// usually puts the text of the session into the store. Ending a session that has ended changes nothing and does not call finish.
func (s *Session) End(ctx context.Context, finish func(Tx) ([]NewEvent, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.write(ctx, nil, func(tx Tx) ([]NewEvent, error) {
		events, err := finish(tx)
		if err != nil || len(events) == 0 {
			return nil, errors.Join(err, tx.EndStream(s.stream))
		}
		if _, err := tx.Append(s.stream, events...); err != nil {
			return nil, err
		}
		return nil, tx.EndStream(s.stream)
	})
	if errors.Is(err, errSessionEnded) {
		return nil
	}
	return err
}

var errSessionEnded = errors.New("it has ended")

// write runs work and appends the events that it returns. The caller holds mu. attempt is what to compare with an earlier call that failed.
func (s *Session) write(ctx context.Context, attempt []NewEvent, work func(Tx) ([]NewEvent, error)) error {
	last := s.last
	err := s.store.Update(ctx, func(tx Tx) error {
		state, err := tx.Stream(s.stream)
		switch {
		case err != nil:
			return err
		case state.Ended:
			return scout.Errorf(scout.CodeConflict, "write the live session of %s: %w", s.recording, errSessionEnded)
		}
		last = s.last
		if len(s.unsure) > 0 && state.Last == s.last+uint64(len(s.unsure)) { // it was written after all
			last = state.Last
			if reflect.DeepEqual(attempt, s.unsure) {
				return nil
			}
		}
		if state.Last != last {
			return scout.Errorf(scout.CodeConflict, "write the live session of %s: its newest event has number %d and not %d, so another program writes it", s.recording, state.Last, last)
		}
		events, err := work(tx)
		if err != nil || len(events) == 0 {
			return err
		}
		last, err = tx.Append(s.stream, events...)
		return err
	})
	if err != nil {
		if code := scout.CodeOf(err); s.unsure == nil && code != scout.CodeConflict && code != scout.CodeInvalidArgument {
			s.unsure = attempt
		}
		return err
	}
	s.last, s.unsure = last, nil
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// eventText is what the event of a change of a text says besides the recording.
type eventText struct {
	Transcript string     `json:"transcript,omitempty"`
	Version    int        `json:"version,omitempty"`
	Kind       store.Kind `json:"kind,omitempty"`
	Current    bool       `json:"current,omitempty"`
}

// changed appends the event of a change of the store. It holds no text.
func (t *tx) changed(event, recording, client string, text *eventText) error {
	body := struct {
		Recording string `json:"recording"`
		*eventText
	}{recording, text}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = t.Append(store.EventStream, store.NewEvent{Type: event, Recording: recording, Client: client, Data: data})
	return err
}

// Append adds events to a stream.
func (t *tx) Append(stream string, events ...store.NewEvent) (uint64, error) {
	if stream == "" {
		return 0, scout.Errorf(scout.CodeInvalidArgument, "a stream has a name")
	}
	var last uint64
	var over bool
	err := t.row("SELECT last, ended FROM streams WHERE stream = ?", stream).Scan(&last, &over)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		err = t.exec("INSERT INTO streams (stream, first, last, ended) VALUES (?, 1, 0, 0)", stream)
	case err == nil && over:
		err = scout.Errorf(scout.CodeConflict, "stream %s has ended", stream)
	}
	if err != nil || len(events) == 0 {
		return last, err
	}
	for _, event := range events {
		if !json.Valid(event.Data) {
			return 0, scout.Errorf(scout.CodeInvalidArgument, "an event of type %q is not JSON", event.Type)
		}
		if event.Recording == "" {
			event.Recording = store.LiveRecording(stream)
		}
		last++
		t.appended++
		err := t.exec("INSERT INTO events (stream, seq, at, type, recording, client, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
			stream, last, t.now.UnixMilli(), event.Type, event.Recording, event.Client, []byte(event.Data))
		if err != nil {
			return 0, err
		}
		if stream == store.EventStream {
			if err := t.deliver(&event); err != nil {
				return 0, err
			}
		}
	}
	t.rung[stream] = true
	return last, t.exec("UPDATE streams SET last = ? WHERE stream = ?", last, stream)
}

// Stream returns the state of a stream.
func (t *tx) Stream(stream string) (store.Stream, error) {
	state := store.Stream{Name: stream}
	var checkpoint []byte
	err := t.row("SELECT last, ended, checkpoint FROM streams WHERE stream = ?", stream).Scan(&state.Last, &state.Ended, &checkpoint)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	state.Checkpoint = checkpoint
	return state, err
}

// SetCheckpoint keeps what a producer needs to continue a stream.
func (t *tx) SetCheckpoint(stream string, data json.RawMessage) error {
	if err := store.CheckCheckpoint(data); err != nil {
		return err
	}
	var over bool
	err := t.row("SELECT ended FROM streams WHERE stream = ?", stream).Scan(&over)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return scout.Errorf(scout.CodeNotFound, "no stream %q", stream)
	case err == nil && over:
		return scout.Errorf(scout.CodeConflict, "stream %s has ended", stream)
	case err != nil:
		return err
	}
	return t.exec("UPDATE streams SET checkpoint = ? WHERE stream = ?", []byte(data), stream)
}

// EndStream notes that a stream gets no further events.
func (t *tx) EndStream(stream string) error {
	t.rung[stream] = true
	return t.exec("UPDATE streams SET ended = 1, checkpoint = NULL WHERE stream = ?", stream)
}

// EmptyStream removes the events of a stream. Its row stays: the sum of all numbers tells an older database.
func (t *tx) EmptyStream(stream string) error {
	if err := t.exec("DELETE FROM events WHERE stream = ?", stream); err != nil {
		return err
	}
	return t.exec("UPDATE streams SET first = last + 1, checkpoint = NULL WHERE stream = ?", stream)
}

// LiveSessions returns the streams of live sessions that have not ended.
func (s *Store) LiveSessions(ctx context.Context) ([]store.Stream, error) {
	var list []store.Stream
	err := s.read(ctx, "list live sessions", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var state store.Stream
			var checkpoint []byte
			err := rows.Scan(&state.Name, &state.Last, &checkpoint)
			state.Checkpoint = checkpoint
			if store.LiveRecording(state.Name) != "" {
				list = append(list, state)
			}
			return err
		}, "SELECT stream, last, checkpoint FROM streams WHERE ended = 0 ORDER BY stream")
	})
	return list, err
}

// TrimSessions removes the events of live sessions that ended long ago.
func (s *Store) TrimSessions(ctx context.Context, age time.Duration) (int, error) {
	var old []string
	err := s.read(ctx, "list live sessions that ended", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var stream string
			err := rows.Scan(&stream)
			if store.LiveRecording(stream) != "" {
				old = append(old, stream)
			}
			return err
		}, `SELECT s.stream FROM streams s JOIN events e ON e.stream = s.stream AND e.seq = s.last WHERE s.ended = 1 AND s.first <= s.last AND e.at < ?`,
			s.aged(age).UnixMilli())
	})
	if err != nil {
		return 0, err
	}
	for i, stream := range old {
		err := s.update(ctx, func(t *tx) error {
			if err := t.exec("DELETE FROM events WHERE stream = ?", stream); err != nil {
				return err
			}
			return t.exec("UPDATE streams SET first = last + 1 WHERE stream = ?", stream)
		})
		if err != nil {
			return i, err
		}
	}
	return len(old), nil
}

// maxReplay bounds the memory of one call of Events.
const maxReplay = 10_000

// Events returns at most limit events of a stream that follow the number after.
func (s *Store) Events(ctx context.Context, stream string, after uint64, limit int) (store.Replay, error) {
	var replay store.Replay
	err := s.read(ctx, "read events", func(v view) error {
		var first uint64
		err := v.row("SELECT first, last, ended FROM streams WHERE stream = ?", stream).Scan(&first, &replay.Last, &replay.Ended)
		if errors.Is(err, sql.ErrNoRows) {
			replay.Reset = after > 0
			return nil
		} else if err != nil {
			return err
		}
		if after > replay.Last || after+1 < first {
			replay.Reset, after = true, first-1
		}
		return v.each(func(rows *sql.Rows) error {
			var event store.Event
			var at sql.NullInt64
			var data []byte
			err := rows.Scan(&event.Seq, &at, &event.Type, &event.Recording, &event.Client, &data)
			event.At, event.Data = fromMillis(at), data
			replay.Events = append(replay.Events, event)
			return err
		}, "SELECT seq, at, type, recording, client, data FROM events WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?", stream, after, min(max(limit, 1), maxReplay))
	})
	return replay, err
}

// TrimJournal removes old events of a stream.
func (s *Store) TrimJournal(ctx context.Context, stream string, limits store.JournalLimits) error {
	return s.update(ctx, func(t *tx) error {
		var first, last, keep uint64
		err := t.row("SELECT first, last FROM streams WHERE stream = ?", stream).Scan(&first, &last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		keep = first
		if limits.Age > 0 {
			// Only the beginning of the stream can go. It ends before the first event that is young enough: by a clock that was
			// set back, later ones may look older.
			var young sql.NullInt64
			if err := t.row("SELECT min(seq) FROM events WHERE stream = ? AND at >= ?", stream, t.aged(limits.Age).UnixMilli()).Scan(&young); err != nil {
				return err
			}
			if keep = last + 1; young.Valid {
				keep = uint64(young.Int64) //nolint:gosec // numbers begin with 1
			}
		}
		if limits.Events > 0 && last >= uint64(limits.Events) {
			keep = max(keep, last-uint64(limits.Events)+1)
		}
		if keep <= first {
			return nil
		}
		if err := t.exec("DELETE FROM events WHERE stream = ? AND seq < ?", stream, keep); err != nil {
			return err
		}
		return t.exec("UPDATE streams SET first = ? WHERE stream = ?", keep, stream)
	})
}

package backlog

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/transcribe"
)

const (
	// savedEvery is how much work of a text an end of the process may cost, unless Options say otherwise. Each save is written to
	// the disk.
	savedEvery = time.Second
	// eventSegments is the type of the events in a store.WorkStream.
	eventSegments = "segments"
	// workBatch is how many of them are read at once.
	workBatch = 1000
)

// work is what is known of a text that is being made. Its settled segments are events of a store.WorkStream, so that each is written
// once; the rest is the checkpoint of the stream.
type work struct {
	backlog *Backlog
	id      recording.ID
	made    transcribe.Making
	saved   int       // segments that are in the store
	at      time.Time // of the last save
	failing bool      // the last save failed
}

// kept is the checkpoint of the stream.
type kept struct {
	transcribe.Making
	Checkpoint speech.Checkpoint `json:"checkpoint"` // without its segments
}

// resume finds what an interrupted attempt has left, and lets a transcription continue from there. What cannot be continued is removed.
func (b *Backlog) resume(ctx context.Context, id recording.ID, made transcribe.Making, o *transcribe.Options) (*work, error) {
	w := &work{backlog: b, id: id, made: made, at: time.Now()}
	if err := b.options.History.See(ctx, string(id)); err != nil { // save asks whether it is still known
		return nil, err
	}
	stream := store.WorkStream(string(id))
	from, err := w.load(ctx, stream)
	if err != nil {
		return nil, err
	}
	if from == nil {
		if err := w.drop(ctx); err != nil {
			return nil, err
		}
	} else {
		w.saved = len(from.Segments)
	}
	o.From, o.Saved = from, func(c speech.Checkpoint) { w.save(ctx, c) }
	return w, nil
}

// load reads what is kept; nil if there is nothing that suits.
func (w *work) load(ctx context.Context, stream string) (*speech.Checkpoint, error) {
	var state store.Stream
	st := w.backlog.options.History.Store()
	if err := st.Update(ctx, func(tx store.Tx) (err error) { state, err = tx.Stream(stream); return err }); err != nil {
		return nil, err
	}
	var k kept
	if state.Checkpoint == nil || json.Unmarshal(state.Checkpoint, &k) != nil || !k.Same(&w.made) {
		return nil, nil //nolint:nilnil,nilerr // there is nothing to continue from
	}
	for after := uint64(0); after < state.Last; {
		replay, err := st.Events(ctx, stream, after, workBatch)
		if err != nil {
			return nil, err
		}
		if len(replay.Events) == 0 || replay.Reset && after > 0 { // the first are the oldest that are there
			return nil, nil //nolint:nilnil // as above
		}
		for i := range replay.Events {
			var segments []scout.Segment
			if json.Unmarshal(replay.Events[i].Data, &segments) != nil {
				return nil, nil //nolint:nilnil,nilerr // as above
			}
			k.Checkpoint.Segments = append(k.Checkpoint.Segments, segments...)
			after = replay.Events[i].Seq
		}
	}
	return &k.Checkpoint, nil
}

// save writes what is known, unless that was done a moment ago. A failure costs time after an end of the process, and nothing else.
func (w *work) save(ctx context.Context, c speech.Checkpoint) {
	if time.Since(w.at) < cmp.Or(w.backlog.options.SavedEvery, savedEvery) {
		return
	}
	w.at = time.Now()
	settled := c.Segments
	c.Segments = nil
	data, err := json.Marshal(kept{w.made, c})
	if err == nil {
		err = w.backlog.options.History.Store().Update(ctx, func(tx store.Tx) error {
			if _, err := tx.Describe(string(w.id), store.Description{}); err != nil { // it may have been purged: no word of it may come back
				return err
			}
			var events []store.NewEvent
			if len(settled) > w.saved {
				data, err := json.Marshal(settled[w.saved:])
				if err != nil {
					return err
				}
				events = append(events, store.NewEvent{Type: eventSegments, Recording: string(w.id), Data: data})
			}
			stream := store.WorkStream(string(w.id))
			if _, err := tx.Append(stream, events...); err != nil {
				return err
			}
			return tx.SetCheckpoint(stream, data)
		})
	}
	if err == nil {
		w.saved = len(settled)
	} else if !w.failing && ctx.Err() == nil {
		w.backlog.log.Warn(eventNotSaved, slog.String(recording.KeyRecording, string(w.id)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	w.failing = err != nil
}

// drop removes what is kept, so that a text that is made begins anew.
func (w *work) drop(ctx context.Context) error {
	w.saved = 0
	return w.backlog.dropWork(ctx, w.id)
}

// dropWork removes what is kept of an unfinished text of a recording.
func (b *Backlog) dropWork(ctx context.Context, id recording.ID) error {
	stream := store.WorkStream(string(id))
	return b.options.History.Store().Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		if state, err := tx.Stream(stream); err != nil || state.Checkpoint == nil { // events come with one
			return err
		}
		return tx.EmptyStream(stream)
	})
}

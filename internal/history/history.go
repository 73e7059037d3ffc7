// Package history is the use case of what was recorded and said before: it keeps texts, makes the store agree with the folders of
// recordings, and writes down what happens to a recording.
package history

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// Log events.
const (
	eventReconciled    = "recordings_reconciled"
	EventNotReconciled = "recordings_not_reconciled"
	eventNotNoted      = "event_not_noted"
)

// History keeps what was said. It is safe for concurrent use.
type History struct {
	store  store.Store
	folder store.Folder
	log    *slog.Logger
}

// New returns a history over a store and the folders of recordings.
func New(scope observe.Scope, st store.Store, folder store.Folder) *History {
	return &History{store: st, folder: folder, log: scope.Component("history").Log()}
}

// Store returns the store.
func (h *History) Store() store.Store { return h.store }

// Run makes the store agree with the folders, and returns. It logs what it could not do: recordings exist without the
// store, and their next change tries again.
func (h *History) Run(ctx context.Context) error {
	h.reconcile(ctx)
	return nil
}

func (h *History) reconcile(ctx context.Context) {
	began := time.Now()
	found, err := store.Reconcile(ctx, h.store, h.folder)
	if ctx.Err() != nil {
		return // the daemon ends: the next one goes on
	}
	if err != nil {
		h.failed("", err)
		return
	}
	for _, p := range found.Problems {
		h.failed(p.ID, p.Err)
	}
	h.log.Info(eventReconciled, slog.Int("new", found.New), slog.Int("changed", found.Changed), slog.Int("gone", found.Gone),
		slog.Int("problems", len(found.Problems)), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
}

func (h *History) failed(id string, err error) {
	h.log.Warn(EventNotReconciled, slog.String(recording.KeyRecording, id), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
}

// See makes the store agree with one recording of the folders.
func (h *History) See(ctx context.Context, id string) error {
	found, err := store.ReconcileOne(ctx, h.store, h.folder, id)
	if err == nil && len(found.Problems) > 0 {
		err = found.Problems[0].Err
	}
	return err
}

// Agreed returns what the store knows of a recording, after making it agree with the folders where another program has changed the files: it moved
// the recording into the trash or out of it, deleted it, or repaired it. While it is recorded its files grow, and whoever records it tells of its end.
func (h *History) Agreed(ctx context.Context, id string) (store.Recording, error) {
	known, err := h.store.Recording(ctx, id)
	if err != nil && scout.CodeOf(err) != scout.CodeRecordingNotFound {
		return known, err
	}
	now, readErr := h.folder.Read(ctx, id)
	growing := string(recording.StateRecording)
	switch {
	case readErr != nil && (scout.CodeOf(readErr) != scout.CodeRecordingNotFound || known.Fingerprint == ""), // it lies nowhere, or cannot be read
		readErr == nil && now.Fingerprint == known.Fingerprint,
		readErr == nil && now.State == growing && known.State == growing && now.DeletedAt.IsZero() == known.DeletedAt.IsZero():
		return known, err
	}
	if seeErr := h.See(ctx, id); seeErr != nil {
		return known, err
	}
	return h.store.Recording(ctx, id)
}

// Recording returns a recording as it is on the disk at this moment, and what the store knows besides, unless the store
// cannot be read.
func (h *History) Recording(ctx context.Context, id string) (store.Recording, error) {
	now, err := h.folder.Read(ctx, id)
	if err != nil {
		return now, err
	}
	known, err := h.store.Recording(ctx, id)
	if err != nil {
		return now, nil //nolint:nilerr // the recording exists without the store
	}
	known.State, known.Device, known.StartedAt, known.EndedAt, known.Duration = now.State, now.Device, now.StartedAt, now.EndedAt, now.Duration
	known.LostFrames, known.Bytes, known.Audio, known.Manifest = now.LostFrames, now.Bytes, now.Audio, now.Manifest
	return known, nil
}

// Text is a text that was made of something.
type Text struct {
	// Recording is the id of its recording; empty if the audio is in no folder of recordings.
	Recording string
	// Track is empty for the mix of all channels. A translation is another transcript than the text in the language that was spoken, as
	// Transcript.Translated says.
	Track string
	// Title and Source are for a text without a recording. The source is store.SourceImport where it is empty.
	Title      string
	Source     store.Source
	Transcript scout.Transcript
	// Kind is that of a text where there is one already; store.KindRetranscribed if it is empty.
	Kind store.Kind
	// IfVersion, if it is not 0, is the current version that the text was made to improve. If another one is current, because somebody
	// changed it or asked for another text meanwhile, the text is dropped, and Also is called with the current version.
	IfVersion int
	Client    string
	// Once, if it is not empty, names the work that made the text: with the same name no second version is made.
	Once string
	// Also, if it is not nil, is called with the new text, in the transaction that adds it. Its error undoes
	// everything.
	Also func(tx store.Tx, key store.Key, version store.Version) error
}

// Keep adds a text to the history, as a version of the transcript of its recording. If the audio is in no folder, the
// text gets an entry without audio. Keep returns the key and the version.
func (h *History) Keep(ctx context.Context, t Text) (store.Key, store.Version, error) {
	id := t.Recording
	if id != "" {
		if err := h.See(ctx, id); err != nil {
			return store.Key{}, store.Version{}, err
		}
	} else {
		id = string(recording.NewID(time.Now()))
	}
	key := store.MainKey(id)
	if t.Track != "" {
		key.Track = t.Track
	}
	if t.Transcript.Translated {
		key.Task = store.TaskTranslate
	}
	var version store.Version
	err := h.store.Update(ctx, func(tx store.Tx) error {
		if t.Recording == "" {
			if _, err := tx.PutRecording(store.Recording{
				ID: id, Source: cmp.Or(t.Source, store.SourceImport), State: string(recording.StateFinished), StartedAt: time.Now(), Duration: t.Transcript.Duration,
				Audio: store.AudioRemoved, Title: t.Title, Client: t.Client,
			}); err != nil {
				return err
			}
		}
		kind := store.KindFirst
		current, err := tx.Transcript(key, 0)
		switch scout.CodeOf(err) {
		case "":
			kind = cmp.Or(t.Kind, store.KindRetranscribed)
		case scout.CodeNotFound, scout.CodeRecordingNotFound:
		default:
			return err // unread is not absent
		}
		if t.IfVersion != 0 && (err != nil || current.Version.Version != t.IfVersion) {
			version = current.Version
			if t.Also != nil {
				return t.Also(tx, key, version)
			}
			return nil
		}
		version, err = tx.PutTranscript(store.Put{Key: key, Kind: kind, Transcript: t.Transcript, Client: t.Client, Once: t.Once})
		if err == nil && t.Also != nil {
			err = t.Also(tx, key, version)
		}
		return err
	})
	return key, version, err
}

// Note writes an event about a recording into the journal. A failure is logged, because nothing waits for it.
func (h *History) Note(ctx context.Context, kind, id string, data any) {
	raw, err := json.Marshal(data)
	if err == nil {
		err = h.store.Update(ctx, func(tx store.Tx) error {
			_, err := tx.Append(store.EventStream, store.NewEvent{Type: kind, Recording: id, Data: raw})
			return err
		})
	}
	if err != nil {
		h.log.Warn(eventNotNoted, slog.String("event", kind), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, fmt.Sprint(err)))
	}
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// Steps of a purge, in the table of purges.
const (
	purgeAsked   = 1 // the recording, with its audio, is to be removed
	purgeRemoved = 2 // its rows are removed, the bytes that they left are to be overwritten
)

// AskPurge notes that a recording is to be purged with its audio.
func (t *tx) AskPurge(id string) error {
	return t.exec("INSERT INTO purges (recording, text, step) VALUES (?, '', ?) ON CONFLICT DO NOTHING", id, purgeAsked)
}

// removed notes that the bytes of what was removed are to be overwritten.
func (t *tx) removed(recording, text string) error {
	return t.exec("INSERT INTO purges (recording, text, step) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET step = ?3", recording, text, purgeRemoved)
}

// AskedPurges returns the recordings that are to be purged with their audio.
func (s *Store) AskedPurges(ctx context.Context) ([]string, error) {
	var list []string
	err := s.read(ctx, "list what is to be purged", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			list = append(list, id)
			return err
		}, "SELECT recording FROM purges WHERE step = ? ORDER BY recording", purgeAsked)
	})
	return list, err
}

// Purge removes recordings with all that is known about them.
func (s *Store) Purge(ctx context.Context, recordings ...string) error {
	if len(recordings) == 0 {
		return nil
	}
	jobs := 0
	err := s.update(ctx, func(t *tx) error {
		defer func() { jobs = t.jobsPurged }()
		for _, id := range recordings {
			r, err := t.recording(id)
			if scout.CodeOf(err) == scout.CodeRecordingNotFound {
				err = errors.Join(t.purgeEvents(id), t.purgeJobs(id)) // a live session may have begun and never become a recording
			} else if err == nil {
				err = t.purge(&r)
			}
			if err == nil {
				err = t.removed(id, "")
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.scope.Log().Info(eventStorePurged, slog.Int("recordings", len(recordings)), slog.Int("jobs", jobs))
	return s.FinishPurges(ctx)
}

// PurgeTexts removes texts and leaves their recordings.
func (s *Store) PurgeTexts(ctx context.Context, keys ...store.Key) error {
	if len(keys) == 0 {
		return nil
	}
	jobs := 0
	err := s.update(ctx, func(t *tx) error {
		defer func() { jobs = t.jobsPurged }()
		for _, key := range keys {
			r, row, err := t.text(key)
			if scout.CodeOf(err) == scout.CodeNotFound {
				continue
			} else if err != nil {
				return err
			}
			text := textOf(key)
			if err := t.purgeText(&r, &row); err != nil {
				return err
			}
			if empty, err := t.purgeEmpty(&r); err != nil {
				return err
			} else if empty {
				text = ""
			}
			if err := t.removed(r.ID, text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.scope.Log().Info(eventStorePurged, slog.Int("texts", len(keys)), slog.Int("jobs", jobs))
	return s.FinishPurges(ctx)
}

// purgeText removes a text and what may hold its words.
func (t *tx) purgeText(r *recordingRow, row *transcriptRow) error {
	for _, statement := range []string{"DELETE FROM search WHERE rowid = ?", "DELETE FROM transcripts WHERE id = ?"} { // and what refers to it
		if err := t.exec(statement, row.id); err != nil {
			return err
		}
	}
	if row.key == store.MainKey(r.ID) { // which every recording has
		if _, err := t.addTranscript(r, row.key); err != nil {
			return err
		}
	}
	if err := t.exec("UPDATE recordings SET revision = revision + 1 WHERE key = ?", r.key); err != nil {
		return err
	}
	t.markStale(r.key)
	if err := errors.Join(t.purgeEvents(r.ID), t.purgeWords(row.key)); err != nil {
		return err
	}
	return t.changed(store.EventTranscriptDeleted, r.ID, r.Client, &eventText{Transcript: row.key.String()})
}

// purgeEmpty removes a recording of which neither audio nor text is left.
func (t *tx) purgeEmpty(r *recordingRow) (bool, error) {
	if r.Audio != store.AudioRemoved {
		return false, nil
	}
	var texts bool
	if err := t.row("SELECT EXISTS (SELECT 1 FROM transcripts WHERE recording = ? AND latest > 0)", r.key).Scan(&texts); err != nil || texts {
		return false, err
	}
	delete(t.stale, r.key)
	return true, t.purge(r)
}

// purged is an entry of the table of purges.
type purged struct{ recording, text string }

// FinishPurges overwrites the bytes that purges have left.
func (s *Store) FinishPurges(ctx context.Context) error {
	var list []purged
	err := s.read(ctx, "list purges", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var p purged
			err := rows.Scan(&p.recording, &p.text)
			list = append(list, p)
			return err
		}, "SELECT recording, text FROM purges WHERE step = ?", purgeRemoved)
	})
	if err != nil || len(list) == 0 {
		return err
	}
	s.reached("removed")
	if err := errors.Join(s.forget(ctx), s.purgeKept(ctx, list)); err != nil {
		return err
	}
	s.reached("kept")
	return s.update(ctx, func(t *tx) error {
		for _, p := range list {
			if err := t.exec("DELETE FROM purges WHERE recording = ? AND text = ? AND step = ?", p.recording, p.text, purgeRemoved); err != nil {
				return err
			}
		}
		return nil
	})
}

// purgeKept does the same in the databases that Restore has kept. One that cannot be opened is an error: it may still hold what
// was to go.
func (s *Store) purgeKept(ctx context.Context, list []purged) error {
	kept, err := filepath.Glob(globQuote(s.path) + keptGlob)
	if err != nil {
		return fail("look for kept databases", err)
	}
	var recordings []string
	var texts []store.Key
	for _, p := range list {
		if key, whole := keyOf(p.recording, p.text); whole {
			recordings = append(recordings, p.recording)
		} else {
			texts = append(texts, key)
		}
	}
	var errs []error
	for _, path := range kept {
		if strings.HasSuffix(path, walSuffix) || strings.HasSuffix(path, shmSuffix) || strings.HasSuffix(path, lockSuffix) {
			continue
		}
		old, err := Open(ctx, path, Options{Now: s.now})
		if err == nil {
			err = errors.Join(old.Purge(ctx, recordings...), old.PurgeTexts(ctx, texts...), old.Close(), os.Remove(path+lockSuffix))
		}
		if err != nil {
			errs = append(errs, scout.Errorf(scout.CodeOf(err), "%s was kept by a restore and may still hold what was purged: %w", path, err).
				WithHint("remove that file if it is no longer needed"))
		}
	}
	return errors.Join(errs...)
}

// globQuote writes a path so that Glob takes it literally.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func (t *tx) purge(r *recordingRow) error {
	var documents []int64
	err := t.each(func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		documents = append(documents, id)
		return err
	}, "SELECT id FROM transcripts WHERE recording = ?", r.key)
	if err != nil {
		return err
	}
	for _, id := range documents {
		if err := t.exec("DELETE FROM search WHERE rowid = ?", id); err != nil {
			return err
		}
	}
	if err := t.exec("DELETE FROM recordings WHERE key = ?", r.key); err != nil { // and what refers to it
		return err
	}
	if err := errors.Join(t.purgeEvents(r.ID), t.purgeJobs(r.ID)); err != nil {
		return err
	}
	return t.changed(store.EventRecordingDeleted, r.ID, r.Client, nil)
}

// ofRecording selects the jobs of a recording, in the words of the index.
const ofRecording = "recording = ? AND recording <> ''"

// purgeJobs removes the jobs of a recording, and tells of those that had not ended: nobody can do them any more.
func (t *tx) purgeJobs(id string) error {
	list, err := t.jobs("WHERE j."+ofRecording+" AND j."+unfinished+" ORDER BY j.key", id)
	if err != nil {
		return err
	}
	if err := t.exec("DELETE FROM jobs WHERE "+ofRecording, id); err != nil { // and their parts
		return err
	}
	for i := range list {
		j := &list[i]
		data, err := json.Marshal(store.JobEvent{ID: j.ID, Kind: j.Kind, State: store.JobCancelled, Recording: id, Attempt: j.Attempt})
		if err != nil {
			return err
		}
		if _, err := t.Append(store.EventStream, store.NewEvent{Type: store.EventJobCancelled, Recording: id, Client: j.Client, Job: j.ID, Data: data}); err != nil {
			return err
		}
	}
	t.rung[store.QueueStream], t.jobsChanged = true, true
	t.jobsPurged += len(list)
	return nil
}

// purgeWords removes what the jobs that make a text may hold of its words. Those that have not ended are still to be done: they begin anew. The
// jobs of other texts of the recording stay as they are.
func (t *tx) purgeWords(key store.Key) error {
	list, err := t.jobs("WHERE j."+ofRecording+" ORDER BY j.key", key.Recording)
	if err != nil {
		return err
	}
	for i := range list {
		j := &list[i]
		switch {
		case !j.Makes(key):
		case j.State.Ended():
			err = t.RemoveJob(j.ID)
		default:
			err = errors.Join(t.DropJobParts(j.ID), t.exec("UPDATE jobs SET checkpoint = NULL, done = 0 WHERE id = ?", j.ID))
		}
		if err != nil {
			return err
		}
	}
	t.rung[store.QueueStream], t.jobsChanged = true, true
	return nil
}

// purgeEvents empties the events and the checkpoint of a recording, and removes the answers about it and the deliveries that have ended.
// Numbers of events stay, so that a stream has no holes.
func (t *tx) purgeEvents(id string) error {
	if err := t.exec("DELETE FROM answers WHERE recording = ?", id); err != nil {
		return err
	}
	if err := t.exec("DELETE FROM deliveries WHERE recording = ? AND recording <> '' AND state <> 'waiting'", id); err != nil {
		return err
	}
	if err := t.EmptyStream(store.WorkStream(id)); err != nil {
		return err
	}
	if err := t.exec("UPDATE streams SET checkpoint = NULL WHERE stream = ?", store.LiveStream(id)); err != nil {
		return err
	}
	return t.exec("UPDATE events SET type = ?, data = CAST('{}' AS BLOB) WHERE recording = ?", store.EventPurged, id)
}

// errReadersInTheWay is a log that could not be emptied because somebody reads an older state.
var errReadersInTheWay = errors.New("a reader holds the log")

// checkpoint writes the log into the file and empties it. It waits for readers as long as for locks.
func (s *Store) checkpoint(ctx context.Context) error {
	var busy, frames, done int
	if err := s.writer.raw.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done); err != nil {
		return err
	}
	if busy != 0 {
		return scout.Errorf(scout.CodeStoreLocked, "empty the log of the database: %w", errReadersInTheWay)
	}
	return nil
}

// Sightings returns the fingerprints of all recordings that lie in a folder.
func (s *Store) Sightings(ctx context.Context) (map[string]string, error) {
	found := make(map[string]string)
	err := s.read(ctx, "list known recordings", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var id, fingerprint string
			err := rows.Scan(&id, &fingerprint)
			found[id] = fingerprint
			return err
		}, "SELECT id, fingerprint FROM recordings WHERE fingerprint <> ''")
	})
	return found, err
}

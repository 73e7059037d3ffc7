package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// Purge removes recordings with all that is known about them.
func (s *Store) Purge(ctx context.Context, recordings ...string) error {
	purged := 0
	err := s.update(ctx, func(t *tx) error {
		for _, id := range recordings {
			r, err := t.recording(id)
			if scout.CodeOf(err) == scout.CodeRecordingNotFound {
				err = t.purgeEvents(id) // a live session may have begun and never become a recording
				if err != nil {
					return err
				}
				continue
			} else if err != nil {
				return err
			}
			if err := t.purge(&r); err != nil {
				return err
			}
			purged++
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.scope.Log().Info(EventStorePurged, slog.Int("recordings", purged))
	return errors.Join(s.forget(ctx), s.purgeKept(ctx, recordings))
}

// purgeKept does the same in the databases that Restore has kept. One that cannot be opened is an error: it may still hold what
// was to go.
func (s *Store) purgeKept(ctx context.Context, recordings []string) error {
	kept, err := filepath.Glob(globQuote(s.path) + keptGlob)
	if err != nil {
		return fail("look for kept databases", err)
	}
	var errs []error
	for _, path := range kept {
		if strings.HasSuffix(path, walSuffix) || strings.HasSuffix(path, shmSuffix) || strings.HasSuffix(path, lockSuffix) {
			continue
		}
		old, err := Open(ctx, path, Options{Now: s.now})
		if err == nil {
			err = errors.Join(old.Purge(ctx, recordings...), old.Close(), os.Remove(path+lockSuffix))
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
	if err := t.purgeEvents(r.ID); err != nil {
		return err
	}
	return t.changed(store.EventRecordingDeleted, r.ID, r.Client, nil)
}

// purgeEvents empties the events and the checkpoint of a recording, and removes the answers about it. Numbers of events stay, so that a
// stream has no holes.
func (t *tx) purgeEvents(id string) error {
	if err := t.exec("DELETE FROM answers WHERE recording = ?", id); err != nil {
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

// Due returns what retention asks to remove.
func (s *Store) Due(ctx context.Context, retention store.Retention) (store.Due, error) {
	var due store.Due
	now := s.now()
	err := s.read(ctx, "list what is past its time", func(v view) error {
		collect := func(into *[]string, query string, args ...any) error {
			return v.each(func(rows *sql.Rows) error {
				var id string
				err := rows.Scan(&id)
				*into = append(*into, id)
				return err
			}, query, args...)
		}
		if retention.Audio > 0 {
			err := collect(&due.Audio, `SELECT r.id FROM recordings r WHERE r.audio = 'present' AND r.source = ? AND r.ended_at < ? AND r.deleted_at IS NULL
				AND EXISTS (SELECT 1 FROM transcripts t WHERE t.recording = r.key AND t.current > 0 AND t.deleted_at IS NULL) ORDER BY r.started_at, r.key`,
				store.SourceMicrophone, now.Add(-retention.Audio).UnixMilli())
			if err != nil {
				return err
			}
		}
		if retention.Trash > 0 {
			return collect(&due.Purge, "SELECT id FROM recordings WHERE deleted_at < ? ORDER BY deleted_at, key", now.Add(-retention.Trash).UnixMilli())
		}
		return nil
	})
	return due, err
}

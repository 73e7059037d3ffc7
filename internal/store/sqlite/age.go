package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/scout-speech/scout/internal/store"
)

// maxLeap is how far the store's clock follows the system's between two looks at it. A computer that was off for longer ages its
// recordings later, and never too early.
const maxLeap = 7 * 24 * time.Hour

// clock is the clock by which things age. It counts the time that passes by the system's clock, and follows no leap of that: a clock
// that is years ahead for a while, or was years behind, makes nothing old that is new.
type clock struct {
	wall    time.Time // when counted was true
	counted time.Duration
}

// at returns what the clock counts at that time.
func (c clock) at(now time.Time, leap time.Duration) time.Duration {
	return c.counted + min(max(now.Sub(c.wall), 0), leap)
}

// loadClock reads the clock of the database and begins one if there is none.
func (s *Store) loadClock(ctx context.Context) error {
	v := view{ctx: ctx, conn: s.writer}
	var wall, counted int64
	err := v.row("SELECT wall, counted FROM clock").Scan(&wall, &counted)
	if errors.Is(err, sql.ErrNoRows) {
		wall = s.now().UnixMilli()
		err = v.exec("INSERT INTO clock (id, wall, counted) VALUES (1, ?, 0)", wall)
	}
	s.clock = clock{time.UnixMilli(wall), time.Duration(counted) * time.Millisecond}
	return err
}

// countTime moves the clock on to now. It returns what it counts, and by how much the system's clock leapt ahead of it.
func (s *Store) countTime(ctx context.Context, leap time.Duration) (counted, leapt time.Duration, err error) {
	var next clock
	err = s.update(ctx, func(t *tx) error {
		next = clock{t.now, s.clock.at(t.now, leap).Truncate(time.Millisecond)}
		if passed := t.now.Sub(s.clock.wall); passed > leap {
			leapt = passed - leap
		}
		t.committed = append(t.committed, func() { s.clock = next })
		return t.exec("UPDATE clock SET wall = ?, counted = ?", next.wall.UnixMilli(), next.counted.Milliseconds())
	})
	return next.counted, leapt, err
}

// Due returns what retention asks to remove.
func (s *Store) Due(ctx context.Context, retention store.Retention) (store.Due, error) {
	var due store.Due
	leap := maxLeap
	for _, kept := range []time.Duration{retention.Audio, retention.Trash} {
		if kept > 0 {
			leap = min(leap, kept/2)
		}
	}
	counted, leapt, err := s.countTime(ctx, leap)
	if err != nil {
		return due, err
	}
	due.Leap = leapt
	now := s.now()
	err = s.read(ctx, "list what is past its time", func(v view) error {
		var err error
		if retention.Audio > 0 {
			wall, own := now.Add(-retention.Audio).UnixMilli(), (counted - retention.Audio).Milliseconds()
			due.Audio, err = v.expired(`r.audio = 'present' AND r.source = ?1 AND r.state NOT IN ('', 'recording') AND r.ended_at < ?2 AND r.deleted_at IS NULL
				AND NOT EXISTS (SELECT 1 FROM streams s WHERE s.stream = ?4 || r.id AND s.ended = 0)
				AND EXISTS (SELECT 1 FROM transcripts t WHERE t.recording = r.key AND t.task = 'transcribe' AND t.current > 0 AND t.deleted_at IS NULL AND t.preview <> '')
				AND NOT EXISTS (SELECT 1 FROM transcripts t WHERE t.recording = r.key AND t.current > 0 AND (t.texted >= ?3 OR EXISTS
					(SELECT 1 FROM versions v WHERE v.transcript = t.id AND v.version = t.latest AND v.created_at >= ?2)))
				ORDER BY r.started_at, r.key`, store.SourceMicrophone, wall, own, store.LiveStream(""))
		}
		if retention.Trash > 0 && err == nil {
			wall, own := now.Add(-retention.Trash).UnixMilli(), (counted - retention.Trash).Milliseconds()
			if due.Purge, err = v.expired("r.deleted_at < ?1 AND r.trashed < ?2 ORDER BY r.deleted_at, r.key", wall, own); err == nil {
				due.Texts, err = v.expiredTexts(wall, own)
			}
		}
		return err
	})
	return due, err
}

// expired lists the recordings that pass the condition.
func (v view) expired(condition string, args ...any) ([]store.Expired, error) {
	var list []store.Expired
	err := v.each(func(rows *sql.Rows) error {
		var e store.Expired
		var started sql.NullInt64
		err := rows.Scan(&e.Recording, &started, &e.Duration, &e.Bytes)
		e.StartedAt = fromMillis(started)
		list = append(list, e)
		return err
	}, "SELECT r.id, r.started_at, r.duration, CASE r.audio WHEN 'present' THEN r.bytes ELSE 0 END FROM recordings r WHERE "+condition, args...)
	return list, err
}

// expiredTexts lists the texts in the trash whose recordings are not there.
func (v view) expiredTexts(wall, own int64) ([]store.Key, error) {
	var list []store.Key
	err := v.each(func(rows *sql.Rows) error {
		var key store.Key
		err := rows.Scan(&key.Recording, &key.Track, &key.Task)
		list = append(list, key)
		return err
	}, `SELECT r.id, t.track, t.task FROM transcripts t JOIN recordings r ON r.key = t.recording
		WHERE t.deleted_at < ? AND t.trashed < ? AND r.deleted_at IS NULL ORDER BY t.deleted_at, t.id`, wall, own)
	return list, err
}

// textOf writes which text of a recording is purged, as the table of purges has it.
func textOf(key store.Key) string { return key.Track + "." + key.Task }

// keyOf reads it; whole is true where the whole recording is purged.
func keyOf(recording, text string) (key store.Key, whole bool) {
	track, task, of := strings.Cut(text, ".")
	return store.Key{Recording: recording, Track: track, Task: task}, !of
}

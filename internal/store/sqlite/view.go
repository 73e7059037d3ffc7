package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// view is a snapshot, or a transaction that also sees what it wrote.
type view struct {
	ctx context.Context //nolint:containedctx // a transaction lives within one call and has its context
	// short is for statements that take no time: within a transaction that writes it does not end with ctx, since waiting for that costs
	// a goroutine for each statement. Such a transaction looks at ctx before it commits. nil is ctx.
	short context.Context //nolint:containedctx // as ctx
	*conn
}

// brief returns the context of a statement that takes no time.
func (v view) brief() context.Context {
	if v.short != nil {
		return v.short
	}
	return v.ctx
}

// row is one row, or why there is none.
type row struct {
	*sql.Row
	err error
}

// Scan reads the columns; sql.ErrNoRows says that there is no row.
func (r row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.Row.Scan(into...)
}

func (v view) row(query string, args ...any) row {
	stmt, err := v.prepare(v.ctx, query) //nolint:sqlclosecheck // it stays prepared
	if err != nil {
		return row{err: err}
	}
	return row{Row: stmt.QueryRowContext(v.brief(), args...)}
}

// each calls scan for every row. scan must not run the same statement.
func (v view) each(scan func(*sql.Rows) error, query string, args ...any) error {
	stmt, err := v.prepare(v.ctx, query) //nolint:sqlclosecheck // it stays prepared
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(v.ctx, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err below has what there is
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// insert runs a statement and returns the number of the row that it made.
func (v view) insert(query string, args ...any) (int64, error) {
	stmt, err := v.prepare(v.ctx, query) //nolint:sqlclosecheck // it stays prepared
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(v.brief(), args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

func (v view) exec(query string, args ...any) error {
	_, err := v.insert(query, args...)
	return err
}

// recordingRow is a recording with its number in the database.
type recordingRow struct {
	store.Recording
	key int64
}

const recordingColumns = `r.key, r.id, r.source, r.state, r.device, r.started_at, r.ended_at, r.duration, r.lost_frames, r.bytes, r.audio, r.manifest,
	r.fingerprint, r.title, r.tags, r.labels, r.client, r.deleted_at, r.revision`

func (r *recordingRow) into(tags, labels *[]byte, times *[3]sql.NullInt64) []any {
	return []any{
		&r.key, &r.ID, &r.Source, &r.State, &r.Device, &times[0], &times[1], &r.Duration, &r.LostFrames, &r.Bytes, &r.Audio, (*[]byte)(&r.Manifest),
		&r.Fingerprint, &r.Title, tags, labels, &r.Client, &times[2], &r.Revision,
	}
}

// scanRecording reads the columns, and further ones into more.
func scanRecording(scan func(...any) error, more ...any) (recordingRow, error) {
	var r recordingRow
	var tags, labels []byte
	var times [3]sql.NullInt64
	if err := scan(append(r.into(&tags, &labels, &times), more...)...); err != nil {
		return r, err
	}
	r.StartedAt, r.EndedAt, r.DeletedAt = fromMillis(times[0]), fromMillis(times[1]), fromMillis(times[2])
	if err := json.Unmarshal(tags, &r.Tags); err != nil {
		return r, scout.Errorf(scout.CodeStoreCorrupt, "the tags of recording %s are damaged: %w", r.ID, err)
	}
	if err := json.Unmarshal(labels, &r.Labels); err != nil {
		return r, scout.Errorf(scout.CodeStoreCorrupt, "the labels of recording %s are damaged: %w", r.ID, err)
	}
	return r, nil
}

// recording returns the row of an id, with scout.CodeRecordingNotFound if there is none.
func (v view) recording(id string) (recordingRow, error) {
	r, err := scanRecording(v.row("SELECT "+recordingColumns+" FROM recordings r WHERE r.id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, scout.Errorf(scout.CodeRecordingNotFound, "no recording %q", id)
	}
	return r, err
}

func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromMillis(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// transcriptRow is a row of transcripts.
type transcriptRow struct {
	id, recording   int64
	key             store.Key
	current, latest int
	preview         string
	// starts are the beginnings of the current segments in milliseconds, as JSON.
	starts    sql.NullString
	deletedAt time.Time
}

const transcriptColumns = `t.id, t.recording, t.track, t.task, t.current, t.latest, t.preview, t.starts, t.deleted_at`

func (t *transcriptRow) into(deleted *sql.NullInt64) []any {
	return []any{&t.id, &t.recording, &t.key.Track, &t.key.Task, &t.current, &t.latest, &t.preview, &t.starts, deleted}
}

// transcript returns the row of a key; found is false if there is none. One without text has current 0.
func (v view) transcript(r *recordingRow, key store.Key) (t transcriptRow, found bool, err error) {
	var deleted sql.NullInt64
	err = v.row("SELECT "+transcriptColumns+" FROM transcripts t WHERE t.recording = ? AND t.track = ? AND t.task = ?", r.key, key.Track, key.Task).
		Scan(t.into(&deleted)...)
	if errors.Is(err, sql.ErrNoRows) {
		return t, false, nil
	}
	t.key.Recording, t.deletedAt = r.ID, fromMillis(deleted)
	return t, err == nil, err
}

// text returns recording and row of a transcript that has a text, or scout.CodeNotFound.
func (v view) text(key store.Key) (recordingRow, transcriptRow, error) {
	r, err := v.recording(key.Recording)
	if scout.CodeOf(err) == scout.CodeRecordingNotFound {
		return r, transcriptRow{}, scout.Errorf(scout.CodeNotFound, "no transcript %q", key)
	} else if err != nil {
		return r, transcriptRow{}, err
	}
	t, found, err := v.transcript(&r, key)
	if err == nil && (!found || t.latest == 0) {
		err = scout.Errorf(scout.CodeNotFound, "no transcript %q", key)
	}
	return r, t, err
}

const versionColumns = `v.version, v.kind, v.model, v.language, v.duration, v.created_at, v.client, v.options, v.words, v.base, v.restored_from`

func versionInto(v *store.Version, created *sql.NullInt64) []any {
	return []any{&v.Version, &v.Kind, &v.Model, &v.Language, &v.Duration, created, &v.Client, (*[]byte)(&v.Options), &v.Words, &v.Base, &v.RestoredFrom}
}

// version returns a version of a transcript, or scout.CodeNotFound.
func (v view) version(t *transcriptRow, number int) (store.Version, error) {
	var version store.Version
	var created sql.NullInt64
	err := v.row("SELECT "+versionColumns+" FROM versions v WHERE v.transcript = ? AND v.version = ?", t.id, number).Scan(versionInto(&version, &created)...)
	if errors.Is(err, sql.ErrNoRows) {
		return version, scout.Errorf(scout.CodeNotFound, "transcript %s has no version %d", t.key, number).WithHint("see its versions: scout transcripts versions %s", t.key)
	}
	version.CreatedAt, version.Current = fromMillis(created), number == t.current
	return version, err
}

// chain lists a version (?2) of a transcript (?1) and those it was made from, nearest first.
const chain = `WITH RECURSIVE chain (version, depth) AS (
	SELECT ?2, 0 UNION ALL
	SELECT v.base, c.depth + 1 FROM chain c JOIN versions v ON v.transcript = ?1 AND v.version = c.version WHERE v.base > 0)`

// numbered is a segment with its number, which it keeps from version to version.
type numbered struct {
	scout.Segment
	n int
}

// segments returns those of a version. Words are left out where they are not asked for.
func (v view) segments(transcript int64, version int, words bool) ([]numbered, error) {
	column := "s.words"
	if !words {
		column = "NULL"
	}
	var list []numbered
	last := -1
	err := v.each(func(rows *sql.Rows) error {
		var s numbered
		var encoded []byte
		if err := rows.Scan(&s.n, &s.Start, &s.End, &s.Channel, &s.Text, &s.AvgLogProb, &encoded); err != nil {
			return err
		}
		if s.n == last { // an older text of the same segment
			return nil
		}
		last = s.n
		if s.Text == "" {
			return nil
		}
		var err error
		if s.Words, err = decodeWords(encoded); err != nil {
			return scout.Errorf(scout.CodeStoreCorrupt, "the words of a segment are damaged: %w", err)
		}
		list = append(list, s)
		return nil
	}, chain+`SELECT s.n, s.start, s."end", s.channel, s.text, s.log_prob, `+column+
		` FROM chain c JOIN segments s ON s.transcript = ?1 AND s.version = c.version ORDER BY s.n, c.depth`, transcript, version)
	return list, err
}

// full returns a version with everything in it.
func (v view) full(r *recordingRow, t *transcriptRow, number int) (store.Transcript, error) {
	version, err := v.version(t, number)
	if err != nil {
		return store.Transcript{}, err
	}
	full := store.Transcript{Summary: summary(r, t, &version)}
	full.Transcript = scout.Transcript{Model: version.Model, Language: version.Language, Duration: version.Duration, Translated: t.key.Task == store.TaskTranslate}
	list, err := v.segments(t.id, number, true)
	if err != nil {
		return full, err
	}
	for i := range list {
		full.Segments = append(full.Segments, list[i].Segment)
	}
	// What a model said about the audio holds for what people made of its text.
	var aside, warnings []byte
	err = v.row(chain+`SELECT v.set_aside, v.warnings FROM chain c JOIN versions v ON v.transcript = ?1 AND v.version = c.version ORDER BY c.depth DESC LIMIT 1`,
		t.id, number).Scan(&aside, &warnings)
	if err != nil {
		return full, err
	}
	if err := errors.Join(decode(aside, &full.SetAside), decode(warnings, &full.Warnings)); err != nil {
		return full, scout.Errorf(scout.CodeStoreCorrupt, "transcript %s is damaged: %w", t.key, err)
	}
	return full, nil
}

func decode(data []byte, into any) error {
	if len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, into)
}

// encode returns nil for an empty list.
func encode[T any](list []T) (any, error) {
	if len(list) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", list, err)
	}
	return data, nil
}

func summary(r *recordingRow, t *transcriptRow, version *store.Version) store.Summary {
	s := store.Summary{
		Key: t.key, Version: *version, Title: r.Title, Tags: r.Tags, Labels: r.Labels, Source: r.Source, StartedAt: r.StartedAt,
		Preview: t.preview, DeletedAt: t.deletedAt,
	}
	if s.DeletedAt.IsZero() {
		s.DeletedAt = r.DeletedAt
	}
	return s
}

// words are stored as arrays: text, start, end, log-probability; null if there is none.
type storedWord struct {
	text       string
	start, end *time.Duration
	logProb    *float64
}

// MarshalJSON writes the array.
func (w storedWord) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{w.text, w.start, w.end, w.logProb})
}

// UnmarshalJSON reads the array.
func (w *storedWord) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&w.text, &w.start, &w.end, &w.logProb})
}

func encodeWords(words []scout.Word) (any, error) {
	list := make([]storedWord, len(words))
	for i, w := range words {
		list[i] = storedWord{w.Text, w.Start, w.End, w.LogProb}
	}
	return encode(list)
}

func decodeWords(data []byte) ([]scout.Word, error) {
	var list []storedWord
	if err := decode(data, &list); err != nil || len(list) == 0 {
		return nil, err
	}
	words := make([]scout.Word, len(list))
	for i, w := range list {
		words[i] = scout.Word{Text: w.text, Start: w.start, End: w.end, LogProb: w.logProb}
	}
	return words, nil
}

// Recording returns a recording.
func (s *Store) Recording(ctx context.Context, id string) (store.Recording, error) {
	var found store.Recording
	err := s.read(ctx, "read recording "+id, func(v view) error {
		r, err := v.recording(id)
		if err != nil {
			return err
		}
		found, err = v.withTranscript(&r)
		return err
	})
	return found, err
}

// withTranscript adds the summary of the main transcript.
func (v view) withTranscript(r *recordingRow) (store.Recording, error) {
	t, found, err := v.transcript(r, store.MainKey(r.ID))
	if err != nil || !found || t.current == 0 {
		return r.Recording, err
	}
	version, err := v.version(&t, t.current)
	if err != nil {
		return r.Recording, err
	}
	s := summary(r, &t, &version)
	r.Transcript = &s
	return r.Recording, nil
}

// Transcript returns a version of a transcript.
func (s *Store) Transcript(ctx context.Context, key store.Key, version int) (store.Transcript, error) {
	var found store.Transcript
	err := s.read(ctx, "read transcript "+key.String(), func(v view) (err error) {
		found, err = v.Transcript(key, version)
		return err
	})
	return found, err
}

// Transcript returns a version of a transcript, as this transaction sees it.
func (v view) Transcript(key store.Key, version int) (store.Transcript, error) {
	r, t, err := v.text(key)
	if err != nil {
		return store.Transcript{}, err
	}
	if version == 0 {
		version = t.current
	}
	return v.full(&r, &t, version)
}

// Versions returns all versions of a transcript.
func (s *Store) Versions(ctx context.Context, key store.Key) ([]store.Version, error) {
	var list []store.Version
	err := s.read(ctx, "read versions of "+key.String(), func(v view) error {
		_, t, err := v.text(key)
		if err != nil {
			return err
		}
		return v.each(func(rows *sql.Rows) error {
			var version store.Version
			var created sql.NullInt64
			err := rows.Scan(versionInto(&version, &created)...)
			version.CreatedAt, version.Current = fromMillis(created), version.Version == t.current
			list = append(list, version)
			return err
		}, "SELECT "+versionColumns+" FROM versions v WHERE v.transcript = ? ORDER BY v.version", t.id)
	})
	return list, err
}

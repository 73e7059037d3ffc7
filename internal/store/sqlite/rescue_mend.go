package sqlite

import (
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/store"
)

// soundSegment looks at what SQLite cannot check: a page in the middle of a long value may be another's. It takes away words
// that cannot be read, and the text (then it is nil) if there is none.
func soundSegment(values []any) bool {
	text, isText := values[4].(string)
	if !isText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		values[4] = nil
		return false
	}
	words, _ := values[6].([]byte)
	if _, err := decodeWords(words); err != nil {
		values[6] = nil
		return false
	}
	return true
}

// mend makes what was read agree with itself.
func (r *rescuer) mend() error {
	for _, script := range []string{
		// Values that a damaged page has spoilt.
		`UPDATE recordings SET tags = '[]' WHERE NOT json_valid(tags) OR json_type(tags) <> 'array'`,
		`UPDATE recordings SET labels = '{}' WHERE NOT json_valid(labels) OR json_type(labels) <> 'object'`,
		`UPDATE recordings SET manifest = NULL WHERE manifest IS NOT NULL AND NOT json_valid(CAST(manifest AS TEXT))`,
		`UPDATE versions SET options = NULL WHERE options IS NOT NULL AND NOT json_valid(CAST(options AS TEXT))`,
		`UPDATE versions SET set_aside = NULL WHERE set_aside IS NOT NULL AND NOT json_valid(CAST(set_aside AS TEXT))`,
		`UPDATE versions SET warnings = NULL WHERE warnings IS NOT NULL AND NOT json_valid(CAST(warnings AS TEXT))`,
		// A version whose text is lost is none that could be the base of another.
		`DELETE FROM versions WHERE transcript NOT IN (SELECT id FROM transcripts)`,
		`DELETE FROM segments WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.transcript = segments.transcript AND v.version = segments.version)`,
		`UPDATE versions SET base = 0 WHERE base > 0 AND NOT EXISTS (SELECT 1 FROM versions b WHERE b.transcript = versions.transcript AND b.version = versions.base)`,
		`UPDATE transcripts SET latest = coalesce((SELECT max(version) FROM versions v WHERE v.transcript = transcripts.id), 0)`,
		`UPDATE transcripts SET current = latest WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.transcript = transcripts.id AND v.version = transcripts.current)`,
	} {
		if err := r.to.exec(script); err != nil {
			return err
		}
	}
	return r.adopt()
}

// adopt gives a recording to each text whose own was lost.
func (r *rescuer) adopt() error {
	type orphan struct{ document, recording int64 }
	var orphans []orphan
	if err := r.to.each(func(rows *sql.Rows) error {
		var o orphan
		err := rows.Scan(&o.document, &o.recording)
		orphans = append(orphans, o)
		return err
	}, "SELECT id, recording FROM transcripts t WHERE NOT EXISTS (SELECT 1 FROM recordings r WHERE r.key = t.recording) GROUP BY recording"); err != nil {
		return err
	}
	for _, o := range orphans {
		at := time.UnixMilli(o.document >> documentShift).UTC()
		id := r.lostID(o.recording)
		err := r.to.exec(`INSERT INTO recordings (key, id, source, state, device, started_at, duration, lost_frames, bytes, audio, fingerprint, title, tags, labels, client, revision)
			VALUES (?, ?, ?, '', '', ?, 0, 0, 0, ?, '', '', '[]', '{}', '', 1)`, o.recording, id, store.SourceImport, at.UnixMilli(), store.AudioRemoved)
		if err != nil {
			return err
		}
		r.result.Recordings++
	}
	if len(orphans) > 0 {
		r.lost("title, tags and labels of %s; the text is there", spelling.Count(len(orphans), "recording"))
	}
	// And a main text to each recording that has none.
	var bare []int64
	err := r.to.each(func(rows *sql.Rows) error {
		var key int64
		err := rows.Scan(&key)
		bare = append(bare, key)
		return err
	}, "SELECT key FROM recordings r WHERE NOT EXISTS (SELECT 1 FROM transcripts t WHERE t.recording = r.key AND t.track = ? AND t.task = ?)", store.TrackMix, store.TaskTranscribe)
	for _, key := range bare {
		recording, scanErr := scanRecording(r.to.row("SELECT "+recordingColumns+" FROM recordings r WHERE r.key = ?", key).Scan)
		if scanErr != nil {
			return scanErr
		}
		if _, err := r.to.addTranscript(&recording, store.MainKey(recording.ID)); err != nil {
			return err
		}
	}
	return err
}

// lostID returns the id of a recording whose row is lost: from an index of the damaged database, or else a made-up one.
func (r *rescuer) lostID(key int64) string {
	id := ""
	// What cannot be read leaves the id empty.
	_ = r.from.each(func(rows *sql.Rows) error {
		var found string
		var of int64
		err := rows.Scan(&found, &of)
		if of == key {
			id = found
		}
		return err
	}, "SELECT id, key FROM recordings INDEXED BY sqlite_autoindex_recordings_1 ORDER BY id")
	if id == "" {
		id = fmt.Sprintf("rescued-%d", key)
	}
	return id
}

// index makes search, previews and beginnings of segments again.
func (r *rescuer) index() error {
	var keys []int64
	err := r.to.each(func(rows *sql.Rows) error {
		var key int64
		err := rows.Scan(&key)
		keys = append(keys, key)
		return err
	}, "SELECT key FROM recordings ORDER BY key")
	if err != nil {
		return err
	}
	var texts []transcriptRow
	if err := r.to.each(func(rows *sql.Rows) error {
		var row transcriptRow
		var deleted sql.NullInt64
		err := rows.Scan(row.into(&deleted)...)
		texts = append(texts, row)
		return err
	}, "SELECT "+transcriptColumns+" FROM transcripts t WHERE t.current > 0 ORDER BY t.id"); err != nil {
		return err
	}
	for i := range texts {
		row := &texts[i]
		if err := r.to.summarise(row); err != nil {
			return err
		}
		if err := r.to.exec("UPDATE transcripts SET preview = ?, starts = ? WHERE id = ?", row.preview, row.starts, row.id); err != nil {
			return err
		}
	}
	for _, key := range keys {
		if err := r.to.reindex(key); err != nil {
			return err
		}
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/spelling"
)

// Report is what a check of a database found.
type Report struct {
	// Version is that of the schema.
	Version int
	// Recordings, Transcripts, Versions and Events are what the database holds.
	Recordings, Transcripts, Versions, Events int
	// Incomplete is true where not all of that could be counted.
	Incomplete bool
	// Problems are sentences for people; empty where the database is sound.
	Problems []string
}

// Err returns an error with scout.CodeStoreCorrupt where there are problems.
func (r *Report) Err(path string) error {
	switch len(r.Problems) {
	case 0:
		return nil
	case 1:
		return scout.Errorf(scout.CodeStoreCorrupt, "database %s: %s", path, r.Problems[0])
	}
	return scout.Errorf(scout.CodeStoreCorrupt, "database %s: %s, and %s more", path, r.Problems[0], spelling.Count(len(r.Problems)-1, "problem"))
}

// maxProblems bounds the report.
const maxProblems = 50

// invariants are queries for what must not exist, each with a line that takes the number of such things.
func invariants() map[string]string {
	return map[string]string{
		"texts with a current version that does not exist: %d": `SELECT count(*) FROM transcripts t WHERE t.current > 0 AND NOT EXISTS
			(SELECT 1 FROM versions v WHERE v.transcript = t.id AND v.version = t.current)`,
		"texts whose newest version is not the one they name: %d": `SELECT count(*) FROM transcripts t WHERE t.latest <>
			coalesce((SELECT max(v.version) FROM versions v WHERE v.transcript = t.id), 0) OR t.current > t.latest`,
		"versions made from a version that does not exist: %d": `SELECT count(*) FROM versions v WHERE v.base > 0 AND (v.base >= v.version OR NOT EXISTS
			(SELECT 1 FROM versions b WHERE b.transcript = v.transcript AND b.version = v.base))`,
		"recordings without a place for their text: %d": `SELECT count(*) FROM recordings r WHERE NOT EXISTS
			(SELECT 1 FROM transcripts t WHERE t.recording = r.key AND t.track = 'mix' AND t.task = 'transcribe')`,
		"streams of events with missing numbers: %d": `SELECT count(*) FROM streams s LEFT JOIN
			(SELECT stream, count(*) AS n, min(seq) AS low, max(seq) AS high FROM events GROUP BY stream) e ON e.stream = s.stream
			WHERE coalesce(e.n, 0) <> s.last - s.first + 1 OR e.n > 0 AND (e.low <> s.first OR e.high <> s.last)`,
		"events without a stream: %d":              "SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT 1 FROM streams s WHERE s.stream = e.stream)",
		"texts that the search does not find: %d":  "SELECT count(*) FROM transcripts t WHERE NOT EXISTS (SELECT 1 FROM search_docsize d WHERE d.id = t.id)",
		"entries of the search without a text: %d": "SELECT count(*) FROM search_docsize d WHERE NOT EXISTS (SELECT 1 FROM transcripts t WHERE t.id = d.id)",
		"segments whose words cannot be read: %d":  "SELECT count(*) FROM segments WHERE words IS NOT NULL AND NOT json_valid(CAST(words AS TEXT))",
		"recordings whose tags, labels or manifest cannot be read: %d": `SELECT count(*) FROM recordings WHERE NOT json_valid(tags) OR NOT json_valid(labels)
			OR manifest IS NOT NULL AND length(manifest) > 0 AND NOT json_valid(CAST(manifest AS TEXT))`,
		"rows that refer to something that is gone: %d": "SELECT count(*) FROM pragma_foreign_key_check",
	}
}

// Check reads the whole database and compares it with what must hold.
func (s *Store) Check(ctx context.Context) (Report, error) { return CheckFile(ctx, s.path) }

// CheckFile does the same with a database that nobody has open, or somebody else. It changes nothing. An error says why the
// file could not be looked at; what is wrong in it is in the report, also where the file is damaged so that little can be read.
func CheckFile(ctx context.Context, path string) (Report, error) {
	var report Report
	doing := "check database " + path
	if err := regular(doing, path); err != nil {
		return report, err
	}
	c, err := lookInto(ctx, path, connection{busy: 5 * time.Second, cacheKiB: 4 << 10, readOnly: true})
	if err == nil {
		defer func() { _ = c.close() }() // only read
		report.Version, err = readVersion(ctx, c)
	}
	if err == nil && report.Version == 0 {
		err = scout.Errorf(scout.CodeStoreForeign, "%s: it is empty", doing).WithHint("name a database of Scout, or a backup of it")
	}
	if err == nil {
		err = c.transaction(ctx, "BEGIN", func() error { return report.fill(view{ctx: ctx, conn: c}) })
	}
	err = fail(doing, err)
	if scout.CodeOf(err) == scout.CodeStoreCorrupt {
		report.Problems = append(report.Problems, strings.TrimPrefix(scout.Plain(err), doing+": "))
		report.Incomplete = report.Incomplete || report.Version == 0
		err = nil
	}
	return report, err
}

func (r *Report) fill(v view) error {
	problem := func(line string) {
		if len(r.Problems) < maxProblems {
			r.Problems = append(r.Problems, line)
		}
	}
	err := v.each(func(rows *sql.Rows) error {
		var line string
		err := rows.Scan(&line)
		for part := range strings.Lines(line) {
			// The first line of an answer may only name the database.
			if part = strings.TrimSpace(part); part != "ok" && !strings.HasPrefix(part, "***") {
				problem(part)
			}
		}
		return err
	}, fmt.Sprintf("PRAGMA integrity_check(%d)", maxProblems))
	var failures []error
	for query, into := range map[string]*int{
		"SELECT count(*) FROM recordings": &r.Recordings, "SELECT count(*) FROM transcripts WHERE latest > 0": &r.Transcripts,
		"SELECT count(*) FROM versions": &r.Versions, "SELECT count(*) FROM events": &r.Events,
	} {
		failures = append(failures, v.row(query).Scan(into))
	}
	r.Incomplete = errors.Join(failures...) != nil
	if r.Version == Version() {
		for sentence, query := range invariants() {
			var n int
			failures = append(failures, v.row(query).Scan(&n))
			if n > 0 {
				problem(fmt.Sprintf(sentence, n))
			}
		}
	}
	return errors.Join(err, errors.Join(failures...))
}

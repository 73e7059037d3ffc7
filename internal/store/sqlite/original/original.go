// Package original reads the database of the original Scout, the desktop program that came before this one. docs/adr/0104-import.md says
// what is known of it, what is read, and what is not. The file is foreign: nothing in it is trusted, and nothing is written into it.
package original

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/scout-speech/scout"
)

// magic begins every database of SQLite. Source: www.sqlite.org/fileformat.html, 1.3.
const magic = "SQLite format 3\x00"

// HeadBytes is how many bytes of a file IsDatabase needs.
const HeadBytes = len(magic)

// IsDatabase reports whether a file that begins like this is a database of SQLite.
func IsDatabase(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }

// Foreign is the error for a file that is no database of the original Scout.
func Foreign(format string, args ...any) error {
	return scout.Errorf(scout.CodeImportForeign, "this is no database of the original Scout: "+format, args...)
}

// Database is an open database of the original Scout. It is for one goroutine.
type Database struct {
	db      *sql.DB
	columns []string // of the table of texts, those that are read
	rowid   string   // what the number of a row is called in the table of texts
	model   string   // the expression for the model of a text
	total   int
	leftOut map[string]int
}

// texts is the table of texts, and its columns: the first two are in every version of the original Scout.
const texts = "transcripts"

var known = []string{"id", "text", "duration_ms", "created_at", "metadata", "audio_path", "audio_metadata"} //nolint:gochecknoglobals // a constant list

// The most bytes of a value that is read. A person speaks some 50 KiB in an hour.
const (
	mostText  = 16 << 20
	mostShort = 64 << 10
	// pageBytes is where a page of texts ends.
	pageBytes = 1 << 20
)

// besides are the tables with what a person has made, and which Scout has no place for.
var besides = []string{"llm_outputs", "llm_prompt_templates", "dictionary_entries", "webhooks"} //nolint:gochecknoglobals // a constant list

// Open opens a database and looks at every page of it. It reads the file as it is, without what a log beside it may have.
//
//	scout.CodeImportForeign  it is no database, or one without the texts of the original Scout
//	scout.CodeImportCorrupt  it is damaged
func Open(ctx context.Context, path string) (*Database, error) {
	db, err := connect(ctx, path, "mode=ro&immutable=1")
	if err != nil {
		return nil, err
	}
	d := &Database{db: db, leftOut: make(map[string]int)}
	if err := d.look(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// connect opens a file with one connection. What a schema may do is bounded: it calls no functions, and no statement writes.
func connect(ctx context.Context, path, how string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open the database", err)
	}
	at := url.URL{Scheme: "file", Path: absolute, RawQuery: how}
	db, err := sql.Open("sqlite", at.String())
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(1)
	for _, pragma := range []string{"trusted_schema = 0", "cell_size_check = 1", "query_only = 1", "temp_store = MEMORY", "cache_size = -2048", "mmap_size = 0", "busy_timeout = 5000"} {
		if _, err := db.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return nil, errors.Join(explain(ctx, err), db.Close())
		}
	}
	return db, nil
}

// explain gives an error of SQLite its code. What the machine has failed at does not blame the file.
func explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	var coded *scout.Error
	if errors.As(err, &coded) {
		return err
	}
	var failure *driver.Error
	if !errors.As(err, &failure) {
		return scout.Errorf(scout.CodeImportCorrupt, "the database is damaged: %w", err)
	}
	switch failure.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return Foreign("it cannot be read as one")
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return scout.Errorf(scout.CodeBusy, "another program is writing into the database: %w", err).WithHint("close the original Scout, and repeat the command")
	case sqlite3.SQLITE_FULL:
		return scout.Errorf(scout.CodeDiskFull, "copy the database: %w", err).WithHint("make room in the folder of temporary files; TMPDIR names another one")
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return scout.Errorf(scout.CodeReadFailed, "read the database: %w", err)
	case sqlite3.SQLITE_NOMEM:
		return scout.Errorf(scout.CodeOutOfMemory, "read the database: %w", err)
	}
	return scout.Errorf(scout.CodeImportCorrupt, "the database is damaged: %w", err)
}

// look checks the file and finds out what is in it.
func (d *Database) look(ctx context.Context) error {
	var found string
	if err := d.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return explain(ctx, err)
	} else if found != "ok" {
		return scout.Errorf(scout.CodeImportCorrupt, "the database is damaged: %s", found)
	}
	there, numbered, err := d.columnsOf(ctx, texts)
	switch {
	case err != nil:
		return err
	case len(there) == 0:
		return Foreign("it has no table %s", texts)
	}
	for _, name := range known {
		if slices.Contains(there, name) {
			d.columns = append(d.columns, name)
		}
	}
	if len(d.columns) < 2 || d.columns[0] != known[0] || d.columns[1] != known[1] {
		return Foreign("its table %s has no columns %s and %s", texts, known[0], known[1])
	}
	if d.rowid = rowidOf(there); !numbered || d.rowid == "" {
		return Foreign("the rows of its table %s have no numbers", texts)
	}
	measured, numbered, err := d.columnsOf(ctx, "performance_metrics")
	if err != nil {
		return err
	}
	d.model = "NULL"
	if slices.Contains(measured, "transcript_id") && slices.Contains(measured, "model_used") {
		last := ""
		if name := rowidOf(measured); numbered && name != "" {
			last = " ORDER BY m." + name + " DESC"
		}
		d.model = "(SELECT " + bounded("m.model_used", mostShort) + " FROM performance_metrics m WHERE m.transcript_id = t.id" + last + " LIMIT 1)"
	}
	if d.total, err = d.count(ctx, texts, ""); err != nil {
		return err
	}
	long, err := d.count(ctx, texts, fmt.Sprintf(" WHERE octet_length(text) > %d", mostText))
	if err != nil {
		return err
	}
	if long > 0 {
		d.total -= long
		d.leftOut[texts] = long
	}
	for _, table := range besides {
		columns, _, err := d.columnsOf(ctx, table)
		if err != nil {
			return err
		}
		own := ""
		if slices.Contains(columns, "is_custom") { // the others come with the program
			own = " WHERE is_custom"
		}
		if len(columns) == 0 {
			continue
		}
		n, err := d.count(ctx, table, own)
		if err != nil {
			return err
		}
		if n > 0 {
			d.leftOut[table] = n
		}
	}
	return nil
}

// columnsOf are the columns of a table, and whether its rows have numbers; none where there is no such table. A view is none: it could take any
// time.
func (d *Database) columnsOf(ctx context.Context, table string) (all []string, numbered bool, err error) {
	rows, err := d.db.QueryContext(ctx, "SELECT c.name, NOT l.wr FROM pragma_table_list l, pragma_table_info(l.name) c WHERE l.schema = 'main' AND l.type = 'table' AND l.name = ?", table)
	if err != nil {
		return nil, false, explain(ctx, err)
	}
	defer rows.Close() //nolint:errcheck // it was only read
	for rows.Next() {
		var name string
		if err := rows.Scan(&name, &numbered); err != nil {
			return nil, false, explain(ctx, err)
		}
		all = append(all, name)
	}
	return all, numbered, explain(ctx, rows.Err())
}

// rowidOf is the name of the number of a row that is no column; empty for none. Source: www.sqlite.org/lang_createtable.html, 5.
func rowidOf(columns []string) string {
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, name) }) {
			return name
		}
	}
	return ""
}

// bounded is the expression for a value of at most most bytes; a longer one is not known. As it is no column, the driver makes no time of it.
func bounded(column string, most int) string {
	return fmt.Sprintf("CASE WHEN octet_length(%s) <= %d THEN %s END", column, most, column)
}

func (d *Database) count(ctx context.Context, table, where string) (n int, err error) {
	err = d.db.QueryRowContext(ctx, "SELECT count(*) FROM "+table+where).Scan(&n)
	return n, explain(ctx, err)
}

// Total is the number of texts that After returns.
func (d *Database) Total() int { return d.total }

// LeftOut is how many rows there are of what is not read, by table; tables without any are not there. Of the table of texts it is what is longer
// than 16 MiB.
func (d *Database) LeftOut() map[string]int { return d.leftOut }

// Close ends the reading.
func (d *Database) Close() error { return d.db.Close() }

// After returns at most limit texts behind the one with a row, in the order of rows; nil is before the first. It returns fewer where they are long,
// and none at the end.
func (d *Database) After(ctx context.Context, after *int64, limit int) ([]Text, error) {
	chosen := make([]string, len(known))
	for i, name := range known {
		if chosen[i] = "NULL"; slices.Contains(d.columns, name) {
			chosen[i] = bounded("t."+name, mostShort)
		}
	}
	chosen[1] = bounded("t.text", mostText) // the longer ones do not come
	where, args := fmt.Sprintf("coalesce(octet_length(t.text), 0) <= %d", mostText), []any{limit}
	if after != nil {
		where, args = "t."+d.rowid+" > ? AND "+where, []any{*after, limit}
	}
	rows, err := d.db.QueryContext(ctx, "SELECT t."+d.rowid+", "+strings.Join(chosen, ", ")+", "+d.model+" FROM "+texts+" t WHERE "+where+" ORDER BY t."+d.rowid+" LIMIT ?", args...)
	if err != nil {
		return nil, explain(ctx, err)
	}
	defer rows.Close() //nolint:errcheck // it was only read
	var all []Text
	for size := 0; size < pageBytes && rows.Next(); {
		var r row
		if err := rows.Scan(&r.row, &r.id, &r.text, &r.duration, &r.created, &r.metadata, &r.audio, &r.device, &r.model); err != nil {
			return nil, explain(ctx, err)
		}
		all = append(all, r.plain())
		size += len(all[len(all)-1].Text)
	}
	return all, explain(ctx, rows.Err())
}

// MostDuration bounds what the database may say of the length of a text: a day more than any recording lasts.
const MostDuration = 400 * 24 * time.Hour

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/store"
)

// Rescued is what was read from a damaged database.
type Rescued struct {
	// Recordings, Transcripts, Versions and Segments are what the new database holds.
	Recordings, Transcripts, Versions, Segments int
	// Lost are sentences for people about what could not be read; empty where everything could.
	Lost []string
}

// Rescue reads what can be read of a damaged database and writes it to a new one, which is checked. The damaged file is not
// changed; nobody may have it open. Rows are read one by one, by every index that leads to them, so that a damaged page costs
// the rows on it. If the list of tables is damaged, the rows are read page by page, and told by their form. Events and jobs are left out. Search
// is built again.
//
// It returns scout.CodeStoreCorrupt where nothing can be read.
func Rescue(ctx context.Context, damaged, to string) (result Rescued, err error) {
	doing := "rescue database " + damaged
	if err := regular(doing, damaged); err != nil {
		return result, err
	}
	if _, err := os.Lstat(to); err == nil {
		return result, scout.Errorf(scout.CodeInvalidArgument, "%s: there is a file %s already", doing, to)
	}
	temporary, err := temporaryBeside(to)
	if err != nil {
		return result, scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	defer func() { err = errors.Join(err, removeDatabase(temporary)) }()
	if err := rescueAny(ctx, damaged, temporary, &result); err != nil {
		err = fail(doing, err)
		if scout.CodeOf(err) == scout.CodeStoreCorrupt { // the general hint is to do what was just tried
			err = scout.Errorf(scout.CodeStoreCorrupt, "%w; nothing in it can be read", err).
				WithHint("restore a backup: scout restore FILE; or move the file away: Scout begins a new one and finds the recordings again")
		}
		return result, err
	}
	report, err := CheckFile(ctx, temporary)
	if err == nil {
		err = report.Err(to)
	}
	if err == nil {
		err = plainCause(publish(temporary, to))
	}
	return result, fail(doing, err)
}

// rescueAny rescues by the database's own list of tables or, where that is damaged, without it.
func rescueAny(ctx context.Context, damaged, to string, result *Rescued) (err error) {
	err = rescueInto(ctx, damaged, to, result)
	code := scout.CodeOf(fail("read", err))
	if !errors.Is(err, errNoTables) && code != scout.CodeStoreCorrupt && code != scout.CodeStoreForeign || ctx.Err() != nil {
		return err
	}
	foreign := err
	*result = Rescued{}
	between, err := temporaryBeside(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeDatabase(between)) }()
	into, err := connect(ctx, between, connection{busy: time.Second, cacheKiB: 8 << 10, plain: true})
	if err != nil {
		return err
	}
	if _, err = migrate(ctx, into); err == nil {
		err = salvage(ctx, damaged, into, result)
	}
	err = errors.Join(err, into.close())
	if errors.Is(err, errNothing) && code == scout.CodeStoreForeign { // it is what it says it is
		return foreign
	}
	if errors.Is(err, errNothing) {
		err = scout.Errorf(scout.CodeStoreCorrupt, "rescue database %s: %w", damaged, err)
	}
	if err == nil {
		err = errors.Join(removeDatabase(to), rescueInto(ctx, between, to, result))
	}
	return err
}

// errNoTables is a database whose list of tables lacks some.
var errNoTables = errors.New("its list of tables is damaged")

func rescueInto(ctx context.Context, damaged, to string, result *Rescued) (err error) {
	from, err := lookInto(ctx, damaged, connection{busy: time.Second, cacheKiB: 4 << 10, readOnly: true, damaged: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	if _, err := readVersion(ctx, from); err != nil {
		return err
	}
	var tables int
	if err := from.raw.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('recordings', 'transcripts', 'versions', 'segments')").Scan(&tables); err != nil {
		return err
	} else if tables < 4 {
		return errNoTables
	}
	into, err := connect(ctx, to, connection{busy: time.Second, cacheKiB: 8 << 10, plain: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, into.close()) }()
	if _, err := migrate(ctx, into); err != nil {
		return err
	}
	if err := into.run(ctx, "PRAGMA foreign_keys = 0"); err != nil {
		return err
	}
	return into.transaction(ctx, "BEGIN IMMEDIATE", func() error {
		t := &tx{view: view{ctx: ctx, conn: into}, now: time.Now(), rung: make(map[string]bool), stale: make(map[int64]*freshRecording)}
		r := &rescuer{from: view{ctx: ctx, conn: from}, to: t, result: result}
		return r.run()
	})
}

// rescuer copies rows from a damaged database into a new one.
type rescuer struct {
	from   view
	to     *tx
	result *Rescued
}

func (r *rescuer) run() error {
	for _, step := range []struct {
		table string
		what  string
		into  *int
		keys  []string // each lists keys of the table by another index, those above ?1 first
	}{
		{"recordings", "recordings", &r.result.Recordings, []string{
			"SELECT key FROM recordings NOT INDEXED WHERE key > ?1 ORDER BY key", "SELECT key FROM recordings INDEXED BY sqlite_autoindex_recordings_1 WHERE ?1 IS NOT NULL",
		}},
		{"transcripts", "texts", &r.result.Transcripts, []string{
			"SELECT id FROM transcripts NOT INDEXED WHERE id > ?1 ORDER BY id", "SELECT id FROM transcripts INDEXED BY sqlite_autoindex_transcripts_1 WHERE ?1 IS NOT NULL",
		}},
		{"versions", "versions", &r.result.Versions, []string{
			"SELECT key FROM versions NOT INDEXED WHERE key > ?1 ORDER BY key", "SELECT key FROM versions INDEXED BY sqlite_autoindex_versions_1 WHERE ?1 IS NOT NULL",
		}},
	} {
		keys, all, err := r.keys(step.keys)
		if err != nil {
			return err
		}
		if !all { // where both the table and its index are damaged
			r.lost("%s whose number is not known", step.what)
		}
		lost, err := r.rows(step.table, keys, step.into)
		if err != nil {
			return err
		}
		if lost > 0 {
			r.lost("%d of %d %s", lost, len(keys), step.what)
		}
	}
	if err := r.segments(); err != nil {
		return err
	}
	if err := r.mend(); err != nil {
		return err
	}
	if err := r.streams(); err != nil {
		return err
	}
	return r.index()
}

// streams makes the numbers of all streams go on far ahead of those that were used. Those that cannot be read begin there, too.
func (r *rescuer) streams() error {
	if err := r.to.exec("INSERT INTO streams (stream, first, last, ended) VALUES (?, 1, 0, 0)", store.EventStream); err != nil {
		return err
	}
	err := r.from.each(func(rows *sql.Rows) error {
		var name string
		var last, ended int64
		if err := rows.Scan(&name, &last, &ended); err != nil {
			return err
		}
		return r.to.exec("INSERT OR REPLACE INTO streams (stream, first, last, ended) VALUES (?, ?, ?, ?)", name, last+1, last, ended)
	}, "SELECT stream, last, ended FROM streams")
	if err != nil && !r.damage(err) {
		return err
	}
	return leapJournal(r.to.view)
}

func (r *rescuer) lost(format string, args ...any) {
	r.result.Lost = append(r.result.Lost, fmt.Sprintf(format, args...))
}

// damage is true for errors that say that something cannot be read; others end the rescue.
func (r *rescuer) damage(err error) bool {
	code := scout.CodeOf(fail("read", err))
	return r.from.ctx.Err() == nil && (code == scout.CodeStoreCorrupt || code == scout.CodeReadFailed)
}

// keys returns all keys that the queries lead to, in order. all is true where one of them was read from its beginning to its end.
func (r *rescuer) keys(queries []string) (keys []int64, all bool, err error) {
	found := make(map[int64]bool)
	for _, query := range queries {
		after := int64(math.MinInt64)
		for damaged := false; ; damaged = true {
			last, err := r.stretch(query, after, found)
			if err == nil {
				all = all || !damaged
				break
			}
			if !r.damage(err) {
				return nil, false, err
			}
			if !strings.Contains(query, "ORDER BY") { // cannot begin in the middle
				break
			}
			next, ok := r.beyond(query, max(last, after))
			if !ok {
				break
			}
			after = next
		}
	}
	return slices.Sorted(maps.Keys(found)), all, nil
}

// stretch reads keys above after until the end or the first damage, and returns the last one.
func (r *rescuer) stretch(query string, after int64, found map[int64]bool) (last int64, err error) {
	last = after
	err = r.from.each(func(rows *sql.Rows) error {
		err := rows.Scan(&last)
		if err == nil {
			found[last] = true
		}
		return err
	}, query, after)
	return last, err
}

// beyond returns the lowest number behind a damaged place from which keys can be read again.
func (r *rescuer) beyond(query string, damaged int64) (int64, bool) {
	readable := func(after int64) bool {
		var key int64
		err := r.from.row(query+" LIMIT 1", after).Scan(&key)
		return err == nil
	}
	low, step := damaged, int64(1)
	high := low
	for !readable(high) {
		low = high
		if step > math.MaxInt64/4 || high > math.MaxInt64-step {
			return 0, false
		}
		high, step = high+step, step*2
	}
	if high == damaged { // readable after all, yet the same stretch failed behind its first row
		return damaged + 1, true
	}
	for low+1 < high {
		middle := low + (high-low)/2
		if readable(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}

// rows copies the rows with those keys and returns how many could not be read.
func (r *rescuer) rows(table string, keys []int64, copied *int) (lost int, err error) {
	columns, err := r.columns(table)
	if err != nil {
		return 0, err
	}
	key := "key"
	if table == "transcripts" {
		key = "id"
	}
	names := strings.Join(columns, ", ")
	read := "SELECT " + names + " FROM " + table + " NOT INDEXED WHERE " + key + " = ?"
	write := "INSERT INTO " + table + " (" + names + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for _, k := range keys {
		err := r.from.row(read, k).Scan(into...)
		if err == nil {
			err = r.to.exec(write, values...)
			if isConstraint(err) { // a damaged row that can be read and makes no sense
				lost++
				continue
			}
			if err != nil {
				return lost, err
			}
			*copied++
			continue
		}
		if !errors.Is(err, sql.ErrNoRows) && !r.damage(err) {
			return lost, err
		}
		lost++
	}
	return lost, nil
}

// columnsOf returns the names of a table's columns, quoted.
func columnsOf(v view, table string) (list []string, err error) {
	err = v.each(func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		list = append(list, `"`+name+`"`)
		return err
	}, "SELECT name FROM pragma_table_info(?)", table)
	return list, err
}

// columns returns those of a table that the damaged database has, in which an earlier version lacks some.
func (r *rescuer) columns(table string) ([]string, error) {
	there, err := columnsOf(r.from, table)
	if err != nil {
		return nil, err
	}
	known, err := columnsOf(r.to.view, table)
	return slices.DeleteFunc(known, func(name string) bool { return !slices.Contains(there, name) }), err
}

// versionKey names a version within the database.
type versionKey struct {
	transcript int64
	version    int
}

// versionsOf returns the versions that a query lists.
func versionsOf(v view, query string, args ...any) ([]versionKey, error) {
	var list []versionKey
	err := v.each(func(rows *sql.Rows) error {
		var k versionKey
		err := rows.Scan(&k.transcript, &k.version)
		list = append(list, k)
		return err
	}, query, args...)
	return list, err
}

// lostVersions makes the rows of versions whose segments are there and whose own rows are not. It takes those that have fewer
// segments than the version before for edits of it.
func (r *rescuer) lostVersions() error {
	const query = "SELECT transcript, version FROM versions ORDER BY transcript, version"
	there, err := versionsOf(r.to.view, query)
	if err != nil {
		return err
	}
	known := make(map[versionKey]bool, len(there))
	for _, k := range there {
		known[k] = true
	}
	var documents []int64
	if err := r.to.each(func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		documents = append(documents, id)
		return err
	}, "SELECT id FROM transcripts ORDER BY id"); err != nil {
		return err
	}
	made := 0
	for _, id := range documents {
		full := 0 // segments of the last version with all of them
		for _, order := range []string{"version", "version DESC"} {
			err := r.from.each(func(rows *sql.Rows) error {
				var k versionKey
				var count int
				if err := rows.Scan(&k.transcript, &k.version, &count); err != nil {
					return err
				}
				edited := k.version > 1 && count < full
				if !edited {
					full = count
				}
				if known[k] {
					return nil
				}
				known[k] = true
				made++
				kind, base := store.KindFirst, 0
				if edited {
					kind, base = store.KindEdited, k.version-1
				}
				return r.to.exec(`INSERT INTO versions (transcript, version, kind, model, language, duration, created_at, client, words, base, restored_from)
					VALUES (?, ?, ?, '', '', 0, ?, '', 0, ?, 0)`, k.transcript, k.version, kind, k.transcript>>documentShift, base)
			}, "SELECT transcript, version, count(*) FROM segments WHERE transcript = ? GROUP BY version ORDER BY "+order, id)
			if err == nil {
				break
			}
			if !r.damage(err) {
				return err
			}
		}
	}
	if made > 0 {
		r.lost("model, language and time of %s; the text is there", spelling.Count(made, "version"))
		r.result.Versions += made
	}
	return nil
}

// segments copies those of all versions.
func (r *rescuer) segments() error {
	if err := r.lostVersions(); err != nil {
		return err
	}
	versions, err := versionsOf(r.to.view, "SELECT transcript, version FROM versions ORDER BY transcript, version")
	if err != nil {
		return err
	}
	const columns = `n, start, "end", channel, text, log_prob, words`
	incomplete := 0
	for _, k := range versions {
		damaged := false
		// A damaged page in the middle is passed from both sides.
		for _, order := range []string{"n", "n DESC"} {
			err := r.from.each(func(rows *sql.Rows) error {
				var values [7]any
				if err := rows.Scan(&values[0], &values[1], &values[2], &values[3], &values[4], &values[5], &values[6]); err != nil {
					return err
				}
				if !soundSegment(values[:]) {
					damaged = true
					if values[4] == nil {
						return nil
					}
				}
				err := r.to.exec("INSERT OR IGNORE INTO segments (transcript, version, "+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
					append([]any{k.transcript, k.version}, values[:]...)...)
				if isConstraint(err) {
					damaged = true
					return nil
				}
				return err
			}, "SELECT "+columns+" FROM segments WHERE transcript = ? AND version = ? ORDER BY "+order, k.transcript, k.version)
			if err == nil {
				break
			}
			if !r.damage(err) {
				return err
			}
			damaged = true
		}
		if damaged {
			incomplete++
		}
	}
	if incomplete > 0 {
		r.lost("parts of %s", spelling.Count(incomplete, "version"))
	}
	return r.to.row("SELECT count(*) FROM segments").Scan(&r.result.Segments)
}

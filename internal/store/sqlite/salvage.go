package sqlite

import (
	"context"
	"errors"
	"strings"

	"github.com/scout-speech/scout/internal/spelling"
	"github.com/scout-speech/scout/internal/store"
)

// salvaged is a table whose rows can be told by their form.
type salvaged struct {
	name, key string
	what      string // its rows, for people
	least     int    // columns of the first version
	fits      func(values []any) bool
	// indexed returns the key that an entry of an index of the table names.
	indexed func(values []any) (key int64, is bool)
}

func isText(v any) bool { _, is := v.(string); return is }
func isInt(v any) bool  { _, is := v.(int64); return is }

// isID tells ids of recordings, which begin with a time (20261124T082146123Z-7f3a9c2e41d0), from other texts: the search has an index of
// the same form.
func isID(v any) bool {
	id, _ := v.(string) // "" is none
	return len(id) > 20 && id[8] == 'T' && id[18] == 'Z' && id[19] == '-'
}

// lastInt is the key at the end of an entry of an index, if that is one of the index that is meant.
func lastInt(values []any, fits bool) (key int64, is bool) {
	if !fits {
		return 0, false
	}
	key, is = values[len(values)-1].(int64)
	return key, is
}

// salvagedTables are those with what people said. Their rows have the columns in the order of the schema; the primary key of a row is
// not among its values, but NULL is in its place.
func salvagedTables() []salvaged {
	return []salvaged{
		{"recordings", "key", "recordings", 19, func(v []any) bool { return v[0] == nil && isText(v[1]) && isText(v[2]) && isInt(v[5]) }, func(v []any) (int64, bool) {
			return lastInt(v, len(v) == 2 && isID(v[0]))
		}},
		{"transcripts", "id", "texts", 8, func(v []any) bool { return v[0] == nil && isInt(v[1]) && isText(v[2]) && isText(v[3]) && isInt(v[4]) }, func(v []any) (int64, bool) {
			return lastInt(v, len(v) == 4 && isInt(v[0]) && isText(v[1]) && isText(v[2]))
		}},
		{"versions", "key", "versions", 16, func(v []any) bool { return v[0] == nil && isInt(v[1]) && isInt(v[2]) && isText(v[3]) }, func(v []any) (int64, bool) {
			return lastInt(v, len(v) == 3 && isInt(v[0]) && isInt(v[1]))
		}},
	}
}

// segmentColumns is how many a row of segments has. It is stored like an entry of an index, which no other with so many columns is.
const segmentColumns = 9

// salvage reads the rows of a file whose list of tables cannot be read, page by page, and writes them to a new database. Tables are told by
// the form of their rows, and what is missing by the indexes that name it.
func salvage(ctx context.Context, damaged string, into *conn, result *Rescued) (err error) {
	p, err := openPages(damaged)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }() // only read
	to := view{ctx: ctx, conn: into}
	s := &salvager{to: to, tables: salvagedTables(), columns: make(map[string][]string), rows: make(map[string]map[int64]bool), named: make(map[string]map[int64]bool)}
	names := []string{"segments", "streams"}
	for i := range s.tables {
		names = append(names, s.tables[i].name)
		s.rows[s.tables[i].name], s.named[s.tables[i].name] = make(map[int64]bool), make(map[int64]bool)
	}
	for _, name := range names {
		if s.columns[name], err = columnsOf(to, name); err != nil {
			return err
		}
	}
	if err := into.run(ctx, "PRAGMA foreign_keys = 0"); err != nil {
		return err
	}
	broken, useless := 0, 0
	err = into.transaction(ctx, "BEGIN IMMEDIATE", func() error {
		broken, useless, err = p.rows(s.add)
		return err
	})
	if err != nil {
		return err
	}
	if s.segments == 0 && len(s.rows["recordings"])+len(s.rows["transcripts"])+len(s.rows["versions"]) == 0 {
		return errNothing
	}
	r := &rescuer{result: result}
	r.lost("the list of tables; their rows were read page by page")
	for i := range s.tables {
		t := &s.tables[i]
		missing := 0
		for key := range s.named[t.name] {
			if !s.rows[t.name][key] {
				missing++
			}
		}
		if missing > 0 {
			r.lost("%d of %d %s", missing, missing+len(s.rows[t.name]), t.what)
		}
	}
	if broken+s.refused > 0 {
		r.lost("%s of which a part was missing", spelling.Count(broken+s.refused, "row"))
	}
	if useless > 0 {
		r.lost("what was on %s that are damaged or were free", spelling.Count(useless, "page"))
	}
	return nil
}

// isStream tells rows of the table of streams, with or without a checkpoint, from entries of indexes.
func isStream(v []any) bool {
	if len(v) < 4 || len(v) > 5 || !isText(v[0]) || !isInt(v[1]) || !isInt(v[2]) || !isInt(v[3]) {
		return false
	}
	name, _ := v[0].(string) // it is one
	return name == store.EventStream || store.LiveRecording(name) != "" || strings.HasPrefix(name, store.WorkStream(""))
}

// errNothing is a file in which no row was found.
var errNothing = errors.New("there is no row of Scout's in it")

// salvager puts rows into the tables that they are from.
type salvager struct {
	to       view
	tables   []salvaged
	columns  map[string][]string
	rows     map[string]map[int64]bool // keys that were found
	named    map[string]map[int64]bool // keys that an index names
	segments int
	refused  int // rows whose values cannot stand together
}

func (s *salvager) add(r cellRow) error {
	if r.index && len(r.values) == segmentColumns {
		s.segments++
		return s.insert("segments", s.columns["segments"], r.values)
	}
	if r.index && isStream(r.values) {
		return s.insert("streams", s.columns["streams"][:4], r.values[:4])
	}
	for i := range s.tables {
		t := &s.tables[i]
		if r.index {
			if key, is := t.indexed(r.values); is {
				s.named[t.name][key] = true
			}
			continue
		}
		all := s.columns[t.name]
		if len(r.values) < t.least || len(r.values) > len(all) || !t.fits(r.values) {
			continue
		}
		r.values[0] = r.key
		s.rows[t.name][r.key] = true
		return s.insert(t.name, all[:len(r.values)], r.values)
	}
	return nil
}

func (s *salvager) insert(table string, columns []string, values []any) error {
	err := s.to.exec("INSERT OR IGNORE INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES (?"+strings.Repeat(", ?", len(values)-1)+")", values...)
	if isConstraint(err) {
		s.refused++
		return nil
	}
	return err
}

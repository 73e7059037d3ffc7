package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout/internal/store"
)

// quote writes words as a string of the search language: a phrase.
func quote(words []string) string {
	return `"` + strings.ReplaceAll(strings.Join(words, " "), `"`, `""`) + `"`
}

// matchOf writes terms in the search language, within the columns. It is empty where nothing has to match. without are the
// terms that must not match; they need something on their left.
func matchOf(columns string, terms []store.Term) (with, without string) {
	var wanted, unwanted []string
	for _, term := range terms {
		phrase := quote(term.Words)
		if term.Prefix {
			phrase += " *"
		}
		if term.Without {
			unwanted = append(unwanted, phrase)
		} else {
			wanted = append(wanted, phrase)
		}
	}
	if len(wanted) > 0 {
		with = "{" + columns + "} : (" + strings.Join(wanted, " AND ") + ")"
	}
	if len(unwanted) > 0 {
		without = "{" + columns + "} : (" + strings.Join(unwanted, " OR ") + ")"
	}
	return with, without
}

// listing is what to list.
type listing struct {
	name string
	// columns are those that a query looks into.
	columns string
	// kept is the condition for what is listed outside of the trash, deleted the facets of what is listed inside of it.
	kept    string
	deleted []string
	// texts is true where each item has its whole text, unless it is not asked for.
	texts bool
}

func listingOfRecordings() listing {
	return listing{
		name: "recordings", columns: "title tags text others", kept: "r.deleted_at IS NULL AND t.track = 'mix' AND t.task = 'transcribe'", deleted: []string{facetGone},
	}
}

func listingOfTranscripts() listing {
	return listing{
		name: "transcripts", columns: "title tags text", kept: "r.deleted_at IS NULL AND t.deleted_at IS NULL AND t.current > 0", deleted: []string{facetTrash, facetText},
		texts: true,
	}
}

// facetsWanted returns the facets that a document must have.
func facetsWanted(f *store.Filter) []string {
	var words []string
	for _, p := range []struct{ name, value string }{
		{propertySource, string(f.Source)},
		{propertyState, f.State},
		{propertyDevice, f.Device},
		{propertyClient, f.Client},
		{propertyModel, f.Model},
		{propertyLanguage, f.Language},
	} {
		if p.value != "" {
			words = append(words, facet(p.name, p.value))
		}
	}
	for _, tag := range f.Tags {
		words = append(words, facet(propertyTag, strings.TrimSpace(tag)))
	}
	for name, value := range f.Labels {
		words = append(words, facet(propertyLabel, name+":"+value))
	}
	return words
}

// selection is a listing made ready for the database.
type selection struct {
	terms []store.Term
	text  string // what must match of the query; empty where nothing must
	match string // all of it; empty where no search is needed
	where string
	args  []any
	none  bool // nothing can match
}

// selectionOf asks the search only for what is rare. That something is not in the trash is true of nearly all, and is a
// condition on the rows that were found; that it is there is rare, and asked of the search.
func selectionOf(l listing, f *store.Filter) (selection, error) {
	var s selection
	var err error
	if s.terms, err = store.ParseQuery(f.Query); err != nil {
		return s, err
	}
	if s.none = len(s.terms) == 0 && strings.TrimSpace(f.Query) != ""; s.none {
		return s, nil
	}
	condition := func(sql string, args ...any) {
		if s.where != "" {
			s.where += " AND "
		}
		s.where, s.args = s.where+sql, append(s.args, args...)
	}
	var without string
	s.text, without = matchOf(l.columns, s.terms)
	facets := facetsWanted(f)
	if f.Deleted {
		facets = append(facets, l.deleted...)
	}
	if without != "" && s.text == "" && len(facets) == 0 {
		facets = append(facets, facetLive) // something must be there to leave words out of
	}
	s.match = s.text
	if len(facets) > 0 {
		s.match = "facets : (" + strings.Join(facets, " AND ") + ")"
		if s.text != "" {
			s.match = "(" + s.text + ") AND (" + s.match + ")"
		}
	}
	if without != "" {
		s.match = "(" + s.match + ") NOT (" + without + ")"
	}
	if s.match != "" {
		condition("search MATCH ?", s.match)
	}
	if !f.Deleted {
		condition(l.kept)
	}
	if !f.From.IsZero() {
		condition(s.id()+" >= ?", documentBound(f.From.Add(time.Millisecond-1)))
	}
	if !f.To.IsZero() {
		condition(s.id()+" < ?", documentBound(f.To.Add(time.Millisecond-1)))
	}
	if f.ID != "" {
		key, err := store.ParseKey(f.ID)
		if s.none = err != nil; s.none {
			return s, nil // what is no id is the id of nothing
		}
		length := utf8.RuneCountInString(key.Recording)
		// What has just this id is looked up. Otherwise all ids are read, from their index, and nothing else.
		condition(`t.recording IN (SELECT key FROM recordings WHERE id = ? UNION ALL
			SELECT key FROM recordings WHERE NOT EXISTS (SELECT 1 FROM recordings WHERE id = ?) AND (substr(id, 1, ?) = ? OR substr(id, -?) = ?))`,
			key.Recording, key.Recording, length, key.Recording, length, key.Recording)
		condition("t.track = ? AND t.task = ?", key.Track, key.Task)
	}
	if f.MinDuration > 0 {
		condition("r.duration >= ?", f.MinDuration)
	}
	if f.MaxDuration > 0 {
		condition("r.duration <= ?", f.MaxDuration)
	}
	return s, nil
}

// id is the column with the number of a document in the table that is read first.
func (s *selection) id() string {
	if s.match != "" {
		return "search.rowid"
	}
	return "t.id"
}

// tables are read in this order.
func (s *selection) tables() string {
	if s.match != "" {
		return " FROM search CROSS JOIN transcripts t ON t.id = search.rowid CROSS JOIN recordings r ON r.key = t.recording "
	}
	return " FROM transcripts t CROSS JOIN recordings r ON r.key = t.recording "
}

// hit is a document of a page.
type hit struct {
	recording  recordingRow
	transcript transcriptRow
	version    store.Version // of the current text; zero if there is none
	found      document      // without facets; empty where nothing was searched for
	whole      string        // the current text, where it is asked for
}

// hitColumns are read with the tables r, t and v, and with search where something is searched for.
func (s *selection) hitColumns() string {
	columns := recordingColumns + ", " + transcriptColumns + `, coalesce(v.version, 0), coalesce(v.kind, ''), coalesce(v.model, ''), coalesce(v.language, ''),
		coalesce(v.duration, 0), v.created_at, coalesce(v.client, ''), v.options, coalesce(v.words, 0), coalesce(v.base, 0), coalesce(v.restored_from, 0)`
	if len(s.terms) > 0 {
		return columns + ", search.title, search.tags, search.text, search.others"
	}
	return columns + ", '', '', '', ''"
}

const currentVersion = "LEFT JOIN versions v ON v.transcript = t.id AND v.version = t.current "

func scanHit(rows *sql.Rows) (hit, error) {
	var h hit
	var deleted, created sql.NullInt64
	into := append(h.transcript.into(&deleted), versionInto(&h.version, &created)...)
	for i := range h.found[:4] {
		into = append(into, &h.found[i])
	}
	var err error
	h.recording, err = scanRecording(rows.Scan, into...)
	h.transcript.key.Recording, h.transcript.deletedAt = h.recording.ID, fromMillis(deleted)
	h.version.CreatedAt, h.version.Current = fromMillis(created), true
	return h, err
}

// hits returns the documents of a page and the cursor of the next.
func (v view) hits(sel *selection, plan *store.Plan) ([]hit, string, error) {
	if sel.none {
		return nil, "", nil
	}
	if plan.Relevance {
		return v.best(sel, plan)
	}
	where, args, order := sel.where, slices.Clone(sel.args), "DESC"
	if plan.Ascending {
		order = "ASC"
	}
	if at := plan.Position.Document; at != 0 {
		where += " AND " + sel.id() + map[bool]string{true: " > ?", false: " < ?"}[plan.Ascending]
		args = append(args, at)
	}
	var list []hit
	err := v.each(func(rows *sql.Rows) error {
		h, err := scanHit(rows)
		list = append(list, h)
		return err
	}, "SELECT "+sel.hitColumns()+sel.tables()+currentVersion+"WHERE "+where+" ORDER BY "+sel.id()+" "+order+" LIMIT ?", append(args, plan.Limit+1)...)
	if err != nil || len(list) <= plan.Limit {
		return list, "", err
	}
	list = list[:plan.Limit]
	return list, plan.Cursor(store.Position{Document: list[plan.Limit-1].transcript.id}), nil
}

// best returns a page of the best among the newest matches. The next page ranks the same documents again and continues
// behind the last one; documents that came later are not among them.
func (v view) best(sel *selection, plan *store.Plan) ([]hit, string, error) {
	where, args := sel.where, slices.Clone(sel.args)
	bound := plan.Position.Bound
	if bound != 0 {
		where += " AND search.rowid <= ?"
		args = append(args, bound)
	}
	newest := make(map[int64]bool)
	var lowest int64
	err := v.each(func(rows *sql.Rows) error {
		err := rows.Scan(&lowest)
		newest[lowest] = true
		bound = max(bound, lowest)
		return err
	}, "SELECT search.rowid"+sel.tables()+"WHERE "+where+" ORDER BY search.rowid DESC LIMIT ?", append(args, store.RelevanceWindow)...)
	if err != nil || len(newest) == 0 {
		return nil, "", err
	}
	ranked, err := v.ranked(sel, newest, lowest, bound)
	if err != nil {
		return nil, "", err
	}
	if at := slices.Index(ranked, plan.Position.Document); at >= 0 {
		ranked = ranked[at+1:]
	}
	more := len(ranked) > plan.Limit
	if more {
		ranked = ranked[:plan.Limit]
	}
	list := make([]hit, 0, len(ranked))
	for _, id := range ranked {
		err := v.each(func(rows *sql.Rows) error {
			h, err := scanHit(rows)
			list = append(list, h)
			return err
		}, "SELECT "+sel.hitColumns()+sel.tables()+currentVersion+"WHERE search.rowid = ?", id)
		if err != nil {
			return nil, "", err
		}
	}
	if !more {
		return list, "", nil
	}
	return list, plan.Cursor(store.Position{Document: ranked[len(ranked)-1], Bound: bound}), nil
}

// ranked returns the documents, the best first and the newer of equals first.
func (v view) ranked(sel *selection, among map[int64]bool, lowest, highest int64) ([]int64, error) {
	list := make([]int64, 0, len(among))
	match := sel.text
	if match == "" { // only words that must not be there: all are equal
		match = facetLive + " OR " + facetTrash
	}
	err := v.each(func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		if among[id] {
			list = append(list, id)
		}
		return err
	}, "SELECT rowid FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ? ORDER BY bm25(search, 8.0, 4.0, 1.0, 1.0, 0.0), rowid DESC", match, lowest, highest)
	return list, err
}

// snippets returns those of a document.
func (v view) snippets(terms []store.Term, h *hit) ([]store.Snippet, error) {
	if len(terms) == 0 {
		return nil, nil
	}
	var starts []int64
	read := false
	var failed error
	lines := func(text string) []string { return strings.Split(store.Readable(text), segmentBreak) }
	found := store.Snippets(terms, lines(h.found[2]), func(segment int) store.Snippet {
		if !read {
			starts, failed = v.starts(&h.transcript)
			read = true
		}
		if segment >= len(starts) {
			return store.Snippet{}
		}
		start := time.Duration(starts[segment]) * time.Millisecond
		return store.Snippet{Start: &start}
	})
	if len(found) == 0 {
		found = store.Snippets(terms, lines(h.found[0]+segmentBreak+h.found[1]+segmentBreak+h.found[3]), func(int) store.Snippet { return store.Snippet{} })
	}
	return found, failed
}

// starts returns where the segments of the current text begin, in milliseconds.
func (v view) starts(t *transcriptRow) ([]int64, error) {
	var starts []int64
	if t.starts.Valid {
		err := json.Unmarshal([]byte(t.starts.String), &starts)
		return starts, err
	}
	list, err := v.segments(t.id, t.current, false)
	for i := range list {
		starts = append(starts, list[i].Start.Milliseconds())
	}
	return starts, err
}

// Transcripts returns one page of transcripts.
func (s *Store) Transcripts(ctx context.Context, filter store.Filter, page store.Page) (store.Listing[store.Summary], error) {
	return list(ctx, s, listingOfTranscripts(), request{filter, page}, func(h *hit, snippets []store.Snippet) store.Summary {
		item := summary(&h.recording, &h.transcript, &h.version)
		item.Snippets, item.Whole = snippets, h.whole
		return item
	})
}

// Recordings returns one page of recordings.
func (s *Store) Recordings(ctx context.Context, filter store.Filter, page store.Page) (store.Listing[store.Recording], error) {
	return list(ctx, s, listingOfRecordings(), request{filter, page}, func(h *hit, snippets []store.Snippet) store.Recording {
		item := h.recording.Recording
		if h.transcript.current > 0 {
			text := summary(&h.recording, &h.transcript, &h.version)
			item.Transcript = &text
		}
		item.Snippets = snippets
		return item
	})
}

// Tags returns the tags of the recordings outside of the trash, the most used first.
func (s *Store) Tags(ctx context.Context, client string) (tags []store.TagCount, err error) {
	err = s.read(ctx, "count tags", func(v view) error {
		return v.each(func(rows *sql.Rows) error {
			var t store.TagCount
			err := rows.Scan(&t.Tag, &t.Recordings)
			tags = append(tags, t)
			return err
		}, `SELECT tag.value, count(*) FROM recordings r, json_each(r.tags) tag
			WHERE r.tags <> '[]' AND json_valid(r.tags) AND r.deleted_at IS NULL AND (?1 = '' OR r.client = ?1) GROUP BY tag.value ORDER BY count(*) DESC, tag.value`, client)
	})
	return tags, err
}

// request is what a listing was asked for with.
type request struct {
	filter store.Filter
	page   store.Page
}

func list[T any](ctx context.Context, s *Store, l listing, asked request, item func(*hit, []store.Snippet) T) (store.Listing[T], error) {
	var result store.Listing[T]
	plan, err := asked.page.Check(l.name, asked.filter)
	if err != nil {
		return result, err
	}
	sel, err := selectionOf(l, &asked.filter)
	if err != nil {
		return result, err
	}
	began := time.Now()
	err = s.read(ctx, "list "+l.name, func(v view) error {
		hits, next, err := v.hits(&sel, &plan)
		if err != nil {
			return err
		}
		result.Next = next
		for i := range hits {
			snippets, err := v.snippets(sel.terms, &hits[i])
			if err != nil {
				return err
			}
			if l.texts && !asked.page.NoText {
				said, err := v.segments(hits[i].transcript.id, hits[i].transcript.current, false)
				if err != nil {
					return err
				}
				hits[i].whole = joined(said)
			}
			result.Data = append(result.Data, item(&hits[i], snippets))
		}
		return nil
	})
	s.metrics.listed(began, len(sel.terms) > 0)
	return result, err
}

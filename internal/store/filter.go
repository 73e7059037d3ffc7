package store

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"sort"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// Order is the direction of a listing by time.
type Order string

// The two orders; the newest is first by default.
const (
	Descending Order = "desc"
	Ascending  Order = "asc"
)

// Sort is what a listing is sorted by.
type Sort string

// A listing is sorted by the start of the recording, or with a query also by how well it matches. Relevance is computed among
// the newest RelevanceWindow matches.
const (
	ByTime      Sort = "time"
	ByRelevance Sort = "relevance"
)

// RelevanceWindow is among how many of the newest matches the best are sought.
const RelevanceWindow = 1000

// Filter selects recordings or transcripts. A field that is empty selects all.
type Filter struct {
	// Query are words to find in text, title and tags: all of them, "phrases" in quotation marks, -without, prefix*. Broken
	// syntax is taken literally.
	Query string
	// From and To are bounds of the recording's start: From <= start < To.
	From, To time.Time
	// MinDuration and MaxDuration are bounds, both included.
	MinDuration, MaxDuration time.Duration
	Source                   Source
	Model                    string
	State                    string
	Device                   string
	Language                 string
	Client                   string
	// Tags must all be there.
	Tags []string
	// Labels must all have that value.
	Labels map[string]string
	// ID is the beginning or the end of the id of a recording or of its main transcript, or with ".TRACK.TASK" of another transcript.
	ID string
	// Deleted selects the trash instead of what is not in it.
	Deleted bool
}

// Page selects a stretch of a listing.
type Page struct {
	// Limit is how many to return, default 50, at most 200.
	Limit int
	// Cursor is Listing.Next of the page before; empty for the first.
	Cursor string
	Order  Order
	Sort   Sort
	// NoText leaves Summary.Whole empty, for callers that do not need the texts: reading them takes most of the time of a listing.
	NoText bool
}

// Listing is one page.
type Listing[T any] struct {
	Data []T
	// Next is the cursor of the next page; empty at the end.
	Next string
}

// Snippet is a stretch of a text around words that were searched for.
type Snippet struct {
	Text string
	// Marks are stretches of Text that match, in characters (Unicode code points): from, to.
	Marks [][2]int
	// Start is where the segment begins in the audio; nil where the match is in title or tags.
	Start *time.Duration
}

// Limits of pages.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// Position is where a listing continues: behind this document.
type Position struct {
	// Document is the number of the last document of the page; 0 for the first page.
	Document int64
	// Bound is the highest number there was when the first page by relevance was read.
	Bound int64
}

// Plan is a page that was checked.
type Plan struct {
	Limit     int
	Ascending bool
	Relevance bool
	Position  Position
	scope     uint64
}

// Check completes and checks a page for a listing of that name ("recordings", "transcripts"). Errors have
// scout.CodeInvalidArgument.
func (p Page) Check(listing string, filter Filter) (Plan, error) {
	plan := Plan{Limit: p.Limit, Ascending: p.Order == Ascending, Relevance: p.Sort == ByRelevance}
	if p.Limit == 0 {
		plan.Limit = defaultLimit
	}
	switch {
	case plan.Limit < 1 || plan.Limit > maxLimit:
		return plan, scout.Errorf(scout.CodeInvalidArgument, "limit %d: want 1 to %d", p.Limit, maxLimit)
	case p.Order != "" && p.Order != Ascending && p.Order != Descending:
		return plan, scout.Errorf(scout.CodeInvalidArgument, "order %q: want %s or %s", p.Order, Ascending, Descending)
	case p.Sort != "" && p.Sort != ByTime && p.Sort != ByRelevance:
		return plan, scout.Errorf(scout.CodeInvalidArgument, "sort %q: want %s or %s", p.Sort, ByTime, ByRelevance)
	case plan.Relevance && strings.TrimSpace(filter.Query) == "":
		return plan, scout.Errorf(scout.CodeInvalidArgument, "sort %q needs a query", p.Sort)
	case plan.Relevance && plan.Ascending:
		return plan, scout.Errorf(scout.CodeInvalidArgument, "sort %q: the best match is always first", p.Sort)
	}
	plan.scope = filter.scope(listing, plan)
	if p.Cursor == "" {
		return plan, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || len(data) != cursorBytes || binary.BigEndian.Uint64(data) != plan.scope {
		return plan, scout.Errorf(scout.CodeInvalidArgument, "the cursor does not belong to this listing").
			WithHint("begin again without a cursor; filter, sort and order stay the same from page to page")
	}
	plan.Position = Position{Document: int64(binary.BigEndian.Uint64(data[8:])), Bound: int64(binary.BigEndian.Uint64(data[16:]))} //nolint:gosec // the bits of what Cursor wrote
	return plan, nil
}

// cursorBytes is the length of a cursor: a checksum of what it is for, and the position.
const cursorBytes = 24

// Cursor returns the cursor for a position.
func (p *Plan) Cursor(at Position) string {
	var data [cursorBytes]byte
	binary.BigEndian.PutUint64(data[:], p.scope)
	binary.BigEndian.PutUint64(data[8:], uint64(at.Document)) //nolint:gosec // the bits, for Check
	binary.BigEndian.PutUint64(data[16:], uint64(at.Bound))   //nolint:gosec // the bits, for Check
	return base64.RawURLEncoding.EncodeToString(data[:])
}

// scope is a checksum of everything that must be the same from page to page.
func (f *Filter) scope(listing string, plan Plan) uint64 {
	parts := []string{
		listing, f.Query, f.From.UTC().Format(time.RFC3339Nano), f.To.UTC().Format(time.RFC3339Nano), f.MinDuration.String(), f.MaxDuration.String(),
		string(f.Source), f.Model, f.State, f.Device, f.Language, f.Client, f.ID,
	}
	tags := append([]string(nil), f.Tags...)
	sort.Strings(tags)
	parts = append(parts, strings.Join(tags, "\x01"))
	labels := make([]string, 0, len(f.Labels))
	for name, value := range f.Labels {
		labels = append(labels, name+"\x02"+value)
	}
	sort.Strings(labels)
	parts = append(parts, strings.Join(labels, "\x01"))
	for _, flag := range []bool{f.Deleted, plan.Ascending, plan.Relevance} {
		if flag {
			parts = append(parts, "1")
		} else {
			parts = append(parts, "0")
		}
	}
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(strings.Join(parts, "\x00"))) // a hash takes everything
	return sum.Sum64()
}

package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/scout-speech/scout/internal/store"
)

// Facets that say what a document is.
const (
	facetLive  = "zlive"  // not in the trash
	facetTrash = "ztrash" // in the trash
	facetText  = "ztext"  // a transcript with text
	facetMain  = "zmain"  // stands for its recording
	// facetGone marks the main document of a recording that is in the trash; a text alone may be there, too.
	facetGone = "zgone"
	facetKept = "zkept"
)

// facet returns the word that stands for a property in the search: one token of letters and digits.
func facet(name, value string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + value))
	return "z" + hex.EncodeToString(sum[:12])
}

// Names of properties that are filtered by.
const (
	propertySource   = "source"
	propertyState    = "state"
	propertyDevice   = "device"
	propertyClient   = "client"
	propertyModel    = "model"
	propertyLanguage = "language"
	propertyTag      = "tag"
	propertyLabel    = "label"
)

// facetsOf returns what a document can be filtered by.
func facetsOf(r *recordingRow, row *transcriptRow, version *store.Version) string {
	words := []string{
		facet(propertySource, string(r.Source)), facet(propertyState, r.State), facet(propertyDevice, r.Device), facet(propertyClient, r.Client),
	}
	for _, tag := range r.Tags {
		words = append(words, facet(propertyTag, tag))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		words = append(words, facet(propertyLabel, name+":"+r.Labels[name]))
	}
	if row.current > 0 {
		words = append(words, facetText, facet(propertyModel, version.Model), facet(propertyLanguage, version.Language))
	}
	if r.DeletedAt.IsZero() && row.deletedAt.IsZero() {
		words = append(words, facetLive)
	} else {
		words = append(words, facetTrash)
	}
	if row.key == store.MainKey(r.ID) {
		words = append(words, facetMain)
		if r.DeletedAt.IsZero() {
			words = append(words, facetKept)
		} else {
			words = append(words, facetGone)
		}
	}
	return strings.Join(words, " ")
}

// reindexStale writes the search entries of the recordings that were changed.
func (t *tx) reindexStale() error {
	for recording, fresh := range t.stale {
		var err error
		if fresh != nil {
			err = t.addDocument(&fresh.transcript, documentOf(&fresh.recording, &fresh.transcript, texts{}))
		} else {
			err = t.reindex(recording)
		}
		if err != nil {
			return err
		}
	}
	clear(t.stale)
	return nil
}

// segmentBreak parts segments in the search's copy of a text.
const segmentBreak = "\n"

func (t *tx) reindex(recording int64) error {
	r, err := scanRecording(t.row("SELECT "+recordingColumns+" FROM recordings r WHERE r.key = ?", recording).Scan)
	if err != nil {
		return err
	}
	var rows []transcriptRow
	err = t.each(func(found *sql.Rows) error {
		var row transcriptRow
		var deleted sql.NullInt64
		err := found.Scan(row.into(&deleted)...)
		row.key.Recording, row.deletedAt = r.ID, fromMillis(deleted)
		rows = append(rows, row)
		return err
	}, "SELECT "+transcriptColumns+" FROM transcripts t WHERE t.recording = ? ORDER BY t.id", recording)
	if err != nil {
		return err
	}
	lines := make([]string, len(rows))
	for i := range rows {
		if lines[i], err = t.indexText(&rows[i]); err != nil {
			return err
		}
	}
	for i := range rows {
		own := texts{text: lines[i]}
		if rows[i].key == store.MainKey(r.ID) {
			var others []string
			for j := range lines {
				if j != i && rows[j].deletedAt.IsZero() {
					others = append(others, lines[j])
				}
			}
			own.others = strings.Join(others, segmentBreak)
		}
		if err := t.indexDocument(&r, &rows[i], own); err != nil {
			return err
		}
	}
	return nil
}

// indexText returns the current text of a transcript as the search keeps it: one line for each segment.
func (t *tx) indexText(row *transcriptRow) (string, error) {
	if row.current == 0 {
		return "", nil
	}
	list, err := t.segments(row.id, row.current, false)
	if err != nil {
		return "", err
	}
	lines := make([]string, len(list))
	for i := range list {
		lines[i] = store.Indexable(strings.ReplaceAll(list[i].Text, segmentBreak, " "))
	}
	return strings.Join(lines, segmentBreak), nil
}

// texts are what a document says: its own text and those of other transcripts of its recording.
type texts struct {
	text, others string
	version      store.Version // of the text
}

// document is an entry of the search, by columns.
type document [5]string

func documentOf(r *recordingRow, row *transcriptRow, say texts) document {
	return document{
		store.Indexable(r.Title), store.Indexable(strings.Join(r.Tags, segmentBreak)), say.text, say.others, facetsOf(r, row, &say.version),
	}
}

func (t *tx) indexDocument(r *recordingRow, row *transcriptRow, say texts) error {
	if row.current > 0 {
		var err error
		if say.version, err = t.version(row, row.current); err != nil {
			return err
		}
	}
	next := documentOf(r, row, say)
	var known document
	err := t.row("SELECT title, tags, text, others, facets FROM search WHERE rowid = ?", row.id).Scan(&known[0], &known[1], &known[2], &known[3], &known[4])
	switch {
	case err == nil && known == next:
		return nil
	case err == nil:
		err = t.exec("DELETE FROM search WHERE rowid = ?", row.id)
	case errors.Is(err, sql.ErrNoRows):
		err = nil
	}
	if err != nil {
		return err
	}
	return t.addDocument(row, next)
}

func (t *tx) addDocument(row *transcriptRow, d document) error {
	return t.exec("INSERT INTO search (rowid, title, tags, text, others, facets) VALUES (?, ?, ?, ?, ?, ?)", row.id, d[0], d[1], d[2], d[3], d[4])
}

package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// forget makes the files hold nothing of what was deleted. SQLite overwrites what it deletes (secure_delete), and the search
// takes deleted words out of its index at once, but two kinds of bytes stay behind: words that part two pages of the search's
// index, and copies in the free space of pages whose rows have moved to a neighbour.
//
// Looking for these bytes takes seconds with 100,000 texts. Others write meanwhile.
func (s *Store) forget(ctx context.Context) error {
	if err := s.rewriteSearch(ctx); err != nil {
		return err
	}
	s.reached("search")
	if err := s.scrub(ctx); err != nil {
		return err
	}
	s.reached("scrubbed")
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.writer == nil {
		return errClosed()
	}
	if err := s.metrics.fail(fail(doingForget, s.checkpoint(ctx))); err != nil {
		return err
	}
	s.reached("emptied")
	return nil
}

const doingForget = "erase what was deleted"

// rewriteSearch writes the index of the search again if a word in it is in no document any more. With 100,000 texts that
// takes seconds, in which nobody else can write; it is seldom needed.
func (s *Store) rewriteSearch(ctx context.Context) error {
	// An index of one part counts as optimal and would be left as it is: a document that is added and removed makes a second
	// part. What optimising leaves, building the index again does not.
	const passing = -1
	for _, script := range []string{"INSERT INTO search (search) VALUES ('optimize')", "INSERT INTO search (search) VALUES ('rebuild')"} {
		var stale bool
		err := s.read(ctx, doingForget, func(v view) (err error) {
			stale, err = v.staleWord()
			return err
		})
		if err != nil || !stale {
			return err
		}
		err = s.update(ctx, func(t *tx) error {
			if err := t.exec("INSERT INTO search (rowid, text) VALUES (?, '0')", passing); err != nil {
				return err
			}
			if err := t.exec(script); err != nil {
				return err
			}
			return t.exec("DELETE FROM search WHERE rowid = ?", passing)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// staleWord reports whether a word that parts two pages of the search's index is the beginning of no word that is left.
func (v view) staleWord() (bool, error) {
	var words []string
	err := v.each(func(rows *sql.Rows) error {
		var word []byte
		err := rows.Scan(&word)
		if len(word) > 1 { // behind the number of the index
			words = append(words, string(word[1:]))
		}
		return err
	}, "SELECT term FROM search_idx")
	if err != nil {
		return false, err
	}
	for _, word := range words {
		for word != "" && !utf8.ValidString(word) { // parted within a letter
			word = word[:len(word)-1]
		}
		if word == "" || strings.ContainsRune(word, 0) {
			continue
		}
		var found bool
		err := v.row("SELECT EXISTS (SELECT 1 FROM search WHERE search MATCH ?)", quote([]string{word})+" *").Scan(&found)
		if err != nil || !found {
			return err == nil, err
		}
	}
	return false, nil
}

// scrubBatch is how many pages are overwritten in one transaction, so that others can write in between.
const scrubBatch = 200

// scrub overwrites the free space of all pages. It looks for it in one state of the database, which others change meanwhile: what they copy
// from page to page is in the pages that they write, and SQLite's log has their numbers.
func (s *Store) scrub(ctx context.Context) error {
	s.writing.Lock()
	mark, err := markLog(s.path)
	s.writing.Unlock()
	if err != nil {
		return fail(doingForget, err)
	}
	return s.read(ctx, doingForget, func(v view) error {
		dirty, err := v.dirtyPages()
		if err != nil {
			return err
		}
		for pages := range slices.Chunk(dirty, scrubBatch) {
			if err := s.update(ctx, func(t *tx) error { return t.scrub(pages) }); err != nil {
				return err
			}
		}
		return s.update(ctx, func(t *tx) error {
			pages, err := pagesSince(s.path, mark)
			if err != nil {
				return err
			}
			slices.Sort(pages)
			return t.scrub(slices.Compact(pages))
		})
	})
}

// dirtyPages returns the pages that have something in their free space.
func (v view) dirtyPages() ([]int64, error) {
	var dirty []int64
	err := v.each(func(rows *sql.Rows) error {
		var number int64
		var page sql.RawBytes
		if err := rows.Scan(&number, &page); err != nil {
			return err
		}
		if clearFree(bytes.Clone(page), number == 1) {
			dirty = append(dirty, number)
		}
		return nil
	}, "SELECT pgno, data FROM sqlite_dbpage")
	return dirty, err
}

// scrub overwrites the free space of these pages.
func (t *tx) scrub(pages []int64) error {
	for _, number := range pages {
		var page []byte
		err := t.row("SELECT data FROM sqlite_dbpage WHERE pgno = ?", number).Scan(&page)
		if errors.Is(err, sql.ErrNoRows) { // the database has become shorter
			continue
		} else if err != nil {
			return err
		}
		if !clearFree(page, number == 1) {
			continue
		}
		if err := t.exec("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", page, number); err != nil {
			return err
		}
	}
	return nil
}

// Layout of pages: https://www.sqlite.org/fileformat2.html, 1.6.
const (
	databaseHeader = 100 // bytes before the header of the first page
	leafHeader     = 8
	interiorHeader = 12

	interiorIndex, interiorTable, leafIndex, leafTable = 2, 5, 10, 13
)

// clearFree overwrites what is free in a page of a table or index with zeros, and leaves other pages alone. It returns
// whether anything changed.
//
// Other kinds of pages begin with the number of a page, whose first byte is 0 in files below 64 GiB.
func clearFree(page []byte, first bool) bool {
	at := 0
	if first {
		at = databaseHeader
	}
	header := leafHeader
	switch page[at] {
	case interiorIndex, interiorTable:
		header = interiorHeader
	case leafIndex, leafTable:
	default:
		return false
	}
	number := func(i int) int { return int(binary.BigEndian.Uint16(page[i:])) }
	content := number(at + 5)
	if content == 0 {
		content = 1 << 16
	}
	changed := false
	clearRange := func(from, to int) {
		if from < 0 || to > len(page) || from > to {
			return // a damaged page is not ours to change
		}
		for i := from; i < to; i++ {
			changed = changed || page[i] != 0
			page[i] = 0
		}
	}
	clearRange(at+header+2*number(at+3), min(content, len(page)))
	for block := number(at + 1); block != 0 && block+4 <= len(page); {
		next := number(block)
		clearRange(block+4, block+number(block+2))
		if next != 0 && next <= block { // in a healthy page they are in order
			break
		}
		block = next
	}
	return changed
}

package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// forget makes the files hold nothing of what was deleted. SQLite overwrites what it deletes (secure_delete), and the search
// takes deleted words out of its index at once, but two kinds of bytes stay behind: words that part two pages of the search's
// index, and copies in the free space of pages whose rows have moved to a neighbour.
func (s *Store) forget(ctx context.Context) error {
	const doing = "erase what was deleted"
	for {
		var left bool
		err := s.update(ctx, func(t *tx) (err error) {
			left, err = t.mergeSearch()
			return err
		})
		if err != nil {
			return err
		}
		if !left {
			break
		}
	}
	if err := s.update(ctx, (*tx).scrub); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.metrics.fail(fail(doing, s.checkpoint(ctx)))
}

// mergePages is the work of one step, so that others can write in between: 500 pages take some 50 ms.
const mergePages = 500

// mergeSearch does one step of writing the index of the search anew, where a word in it is in no document any more. It
// returns false where there is nothing to do.
func (t *tx) mergeSearch() (bool, error) {
	stale, err := t.staleWord()
	if err != nil || !stale {
		return false, err
	}
	var before, after int64
	if err := t.row("SELECT total_changes()").Scan(&before); err != nil {
		return false, err
	}
	if err := t.exec("INSERT INTO search (search, rank) VALUES ('merge', ?)", -mergePages); err != nil {
		return false, err
	}
	if err := t.row("SELECT total_changes()").Scan(&after); err != nil {
		return false, err
	}
	if after-before < 2 { // the documented sign that the merge is complete
		return false, t.exec("INSERT INTO search (search) VALUES ('optimize')")
	}
	return true, nil
}

// staleWord tells whether a word that parts two pages of the search's index is the beginning of no word that is left.
func (t *tx) staleWord() (bool, error) {
	var words []string
	err := t.each(func(rows *sql.Rows) error {
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
		err := t.row("SELECT EXISTS (SELECT 1 FROM search WHERE search MATCH ?)", quote([]string{word})+" *").Scan(&found)
		if err != nil || !found {
			return err == nil, err
		}
	}
	return false, nil
}

// scrub overwrites the free space of all pages.
func (t *tx) scrub() error {
	var dirty []int64
	err := t.each(func(rows *sql.Rows) error {
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
	if err != nil {
		return err
	}
	for _, number := range dirty {
		var page []byte
		if err := t.row("SELECT data FROM sqlite_dbpage WHERE pgno = ?", number).Scan(&page); err != nil {
			return err
		}
		clearFree(page, number == 1)
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

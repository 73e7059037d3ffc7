package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/scout-speech/scout/internal/outfile"
)

// plainText is the text of an error for people. What the standard library says about files and numbers ("open x: no such
// file or directory", "strconv.ParseInt: …") becomes plain words; what our own packages say stays.
func plainText(err error) string {
	text := oneLine(err)
	for _, e := range errorTree(err) {
		said, plain := "", ""
		switch e := e.(type) { //nolint:errorlint // each error of the tree is looked at
		case *fs.PathError:
			said, plain = e.Error(), e.Path+": "+outfile.Reason(e)
		case *os.LinkError:
			said, plain = e.Error(), e.New+": "+outfile.Reason(e.Err)
		case *os.SyscallError:
			said, plain = e.Error(), outfile.Reason(e.Err)
		case *strconv.NumError:
			said, plain = e.Error(), fmt.Sprintf("%q is not a number", e.Num)
		case *url.Error:
			said, plain = e.Error(), fmt.Sprintf("%s: %v", e.URL, e.Err)
		default:
			switch {
			case e == context.Canceled: //nolint:errorlint // the value itself
				said, plain = e.Error(), "interrupted"
			case e == context.DeadlineExceeded: //nolint:errorlint // the value itself
				said, plain = e.Error(), "it took too long"
			case e == io.ErrUnexpectedEOF: //nolint:errorlint // the value itself
				said, plain = e.Error(), "it ends too early"
			}
		}
		if said != "" {
			text = strings.ReplaceAll(text, said, plain)
		}
	}
	return once(text)
}

// errorTree returns err and all errors below it.
func errorTree(err error) []error {
	all := []error{err}
	switch e := err.(type) { //nolint:errorlint // the tree is walked
	case interface{ Unwrap() error }:
		if next := e.Unwrap(); next != nil {
			all = append(all, errorTree(next)...)
		}
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			if next != nil {
				all = append(all, errorTree(next)...)
			}
		}
	}
	return all
}

// once leaves out a part of a message that stands before it already: "decode x: decode x: it is text".
func once(text string) string {
	parts := strings.Split(text, ": ")
	kept := parts[:1]
	for _, part := range parts[1:] {
		if part != kept[len(kept)-1] {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ": ")
}

// closest returns the word that was probably meant, empty for none: a letter too many, too few or wrong, two that changed
// places, or a beginning.
func closest(word string, list []string) string {
	word = strings.ToLower(word)
	best, least := "", 1+max(1, len(word)/3)
	for _, candidate := range list {
		if d := distance(word, strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	if best == "" && len(word) > 1 {
		for _, candidate := range list {
			if strings.HasPrefix(strings.ToLower(candidate), word) {
				return candidate
			}
		}
	}
	return best
}

// distance is the number of edits between two words (Damerau-Levenshtein, restricted: no part is edited twice).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// lengthExamples says how a length is written.
const lengthExamples = "write a length such as 500ms, 15s or 2m"

package vote

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
)

// Window is a part of the audio in which a fast model is asked about differences: it hears pieces that are shorter than those of the
// accurate model.
type Window struct {
	// From and To bound it, in time of the words.
	From, To time.Duration
	// Words are those of the fast model that are said in it.
	Words align.Range
	// Differences lie in it, with words around them.
	Differences []*Difference
}

// Lengths of windows. Pieces of Moonshine are 6 to 14 s long (docs/adr/0007-segmentation.md).
const (
	windowMost = 14 * time.Second // what is not longer is one window
	// A window begins and ends between windowLeast and windowFar from a difference, in the longest pause between two words there,
	// of several the farthest.
	windowLeast = 3 * time.Second
	windowFar   = 6 * time.Second
	// windowAround is how many words of the window must stand before and behind a difference.
	windowAround = 3
)

// Windows returns windows for differences, in order, of a text of the audio between two times. A difference without times near it
// is in none.
func (b *Ballot) Windows(differences []*Difference, from, to time.Duration) []Window {
	var windows []Window
	for _, d := range differences {
		if n := len(windows); n > 0 && windows[n-1].holds(d.A, len(b.Fast)) {
			windows[n-1].Differences = append(windows[n-1].Differences, d)
			continue
		}
		w := Window{From: from, To: to, Words: align.Range{To: len(b.Fast)}, Differences: []*Difference{d}}
		if to-from > windowMost {
			begins, ends, ok := around(b.Fast, d.A)
			if !ok {
				continue
			}
			w.begin(b.Fast, d.A.From, begins)
			w.end(b.Fast, d.A.To, ends)
		}
		windows = append(windows, w)
	}
	return windows
}

// holds reports whether a stretch of n words lies in the window, with words around it.
func (w *Window) holds(r align.Range, n int) bool {
	return r.From >= w.Words.From && (w.Words.From == 0 || r.From-w.Words.From >= windowAround) &&
		r.To <= w.Words.To && (w.Words.To == n || w.Words.To-r.To >= windowAround)
}

// around returns where a stretch of words is said, which may be empty: between the nearest times.
func around(words []scout.Word, r align.Range) (from, to time.Duration, ok bool) {
	before, after := false, false
	for i := min(r.From, len(words)-1); i >= 0 && !before; i-- {
		if w := words[i]; w.Start != nil && w.End != nil {
			from, before = *w.Start, true
		}
	}
	for i := max(r.To-1, 0); i < len(words) && !after; i++ {
		if w := words[i]; w.Start != nil && w.End != nil {
			to, after = *w.End, true
		}
	}
	switch {
	case before && !after:
		to = from
	case after && !before:
		from = to
	}
	return from, max(from, to), before || after
}

// begin finds the pause in which the window begins, before the word with a number.
func (w *Window) begin(words []scout.Word, first int, at time.Duration) {
	longest := time.Duration(-1)
	for i := first; i > 0; i-- {
		left, right := words[i-1].End, words[i].Start
		if left == nil || right == nil || at-*right < windowLeast {
			continue
		}
		if at-*right > windowFar && longest >= 0 {
			break
		}
		if pause := *right - *left; pause >= longest {
			longest = pause
			w.From, w.Words.From = (*left+*right)/2, i
		}
		if at-*right > windowFar {
			break // none is nearer
		}
	}
}

// end finds the pause in which the window ends, behind the words before a number.
func (w *Window) end(words []scout.Word, last int, at time.Duration) {
	longest := time.Duration(-1)
	for i := max(last, 1); i < len(words); i++ {
		left, right := words[i-1].End, words[i].Start
		if left == nil || right == nil || *left-at < windowLeast {
			continue
		}
		if *left-at > windowFar && longest >= 0 {
			break
		}
		if pause := *right - *left; pause >= longest {
			longest = pause
			w.To, w.Words.To = (*left+*right)/2, i
		}
		if *left-at > windowFar {
			break
		}
	}
}

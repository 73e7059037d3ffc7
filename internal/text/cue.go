package text

import (
	"math"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// cue is text that is shown for a time; lines are not escaped.
type cue struct {
	start, end time.Duration
	lines      []string
}

// cuesOf lays out a transcript: docs/adr/0035-subtitles.md. It considers all ways to divide the text into cues that
// keep the rules without exception (width and number of lines, seven seconds, no pause of three seconds inside). It
// takes the one with the least cost, so that the other rules are weighed against each other. Cues do not overlap.
func cuesOf(t *scout.Transcript, layout Layout) []cue {
	layout = layout.withDefaults()
	atoms := atomsOf(t, layout.MaxLineWidth)
	audio := t.Duration.Truncate(time.Millisecond)
	if audio <= 0 {
		audio = math.MaxInt64
	}
	var cues []cue
	for _, c := range divide(atoms, layout, audio) {
		limit := audio
		if c.to < len(atoms) {
			limit = atoms[c.to].start
		}
		start := atoms[c.from].start
		cues = append(cues, cue{
			start: start, end: shownUntil(start, atoms[c.to-1].end, limit, columns(atoms[c.from:c.to])),
			lines: lines(atoms[c.from:c.to], layout.MaxLineWidth),
		})
	}
	inMilliseconds(cues)
	return cues
}

// inMilliseconds rounds times so that cues stay apart. Both formats count in milliseconds, and WebVTT requires the end
// to be after the start.
func inMilliseconds(cues []cue) {
	for i := range cues {
		c := &cues[i]
		c.start, c.end = c.start.Round(time.Millisecond), c.end.Round(time.Millisecond)
		if i > 0 {
			c.start = max(c.start, cues[i-1].end)
		}
		if i+1 < len(cues) {
			c.end = min(c.end, cues[i+1].start.Round(time.Millisecond))
		}
		c.end = max(c.end, c.start+time.Millisecond)
	}
}

// stretch is a range of atoms, without the last.
type stretch struct{ from, to int }

// divide divides atoms into cues, by dynamic programming over the borders between them.
func divide(atoms []atom, layout Layout, audio time.Duration) []stretch {
	n := len(atoms)
	least := make([]float64, n+1) // of dividing the atoms before each border
	from := make([]int, n+1)      // where the last cue of that division begins
	for i := range least[1:] {
		least[i+1] = math.Inf(1)
	}
	for i := range atoms {
		c := candidate{layout: layout, atoms: atoms[i:], first: &atoms[i]}
		filled := filling{width: layout.MaxLineWidth, lines: layout.MaxLineCount}
		for j := i; j < n; j++ { // a cue of atoms[i : j+1]
			a := &atoms[j]
			if !filled.add(a) || j > i && (a.end-c.first.start > cueLongest || a.start-atoms[j-1].end >= parted) {
				break
			}
			c.add(a, j == i)
			c.lines = filled.used
			var next *atom
			limit := audio
			if j+1 < n {
				next = &atoms[j+1]
				limit = next.start
			}
			if cost := least[i] + c.cost(a, next, limit); cost < least[j+1] {
				least[j+1], from[j+1] = cost, i
			}
		}
	}
	var cues []stretch
	for to := n; to > 0; to = from[to] {
		cues = append(cues, stretch{from[to], to})
	}
	for i, j := 0, len(cues)-1; i < j; i, j = i+1, j-1 {
		cues[i], cues[j] = cues[j], cues[i]
	}
	return cues
}

// filling fills lines from the first word on, which needs the fewest lines.
type filling struct {
	width, lines int
	used         int // lines
	column       int
}

// add reports whether there is room for one more atom.
func (f *filling) add(a *atom) bool {
	if f.used == 0 || f.column+a.columnsBehind() > f.width {
		f.used++
		f.column = a.width
	} else {
		f.column += a.columnsBehind()
	}
	return f.used <= f.lines
}

// columnsBehind returns how many columns an atom adds to a line that it does not begin.
func (a *atom) columnsBehind() int {
	if a.spaced {
		return a.width + 1
	}
	return a.width
}

func columns(atoms []atom) int {
	n := atoms[0].width
	for i := range atoms[1:] {
		n += atoms[i+1].columnsBehind()
	}
	return n
}

// The costs. Only their ratios matter; docs/adr/0035-subtitles.md explains how they were chosen.
const (
	costCue       = 3.0  // of each cue
	costFull      = 4.0  // of a full one, growing with the square: two halves are better than a full cue and a rest
	costSentence  = 1.0  // of the end of a sentence inside
	costTwoLines  = 2.0  // of the end of a sentence inside a cue of more than one line
	costPause     = 4.0  // of each second of a pause inside, from pauseInside on
	costShort     = 35.0 // of a cue that cannot be shown for cueShortest: half at once, the rest in proportion to the missing time
	costFast      = 1.5  // of each column a second beyond fastest
	costLonely    = 25.0 // of a single word that does not begin a sentence
	costDangling  = 6.0  // of one word of another sentence at the beginning or the end
	costEstimated = 5.0  // of a border whose time is not known
	costLineBreak = 0.5  // times the cost of the border between two lines

	pauseInside = 500 * time.Millisecond
)

// candidate is a stretch that may become a cue.
type candidate struct {
	layout  Layout
	atoms   []atom // from its first on
	first   *atom
	count   int // of atoms
	lines   int
	columns int
	words   float64 // as many as there are spaces; characters of other scripts count by their width
	inside  float64 // cost of pauses and sentence ends inside

	last         *atom
	sentences    int     // that end inside it
	wordsOfFirst float64 // up to the first sentence's end
	wordsOfLast  float64 // since the last sentence's end
}

// columnsOfAWord is how many columns of a script without spaces count as a word: two ideographs.
const columnsOfAWord = 4

// add takes the next atom.
func (c *candidate) add(a *atom, first bool) {
	if first {
		c.columns = a.width
	} else {
		c.columns += a.columnsBehind()
		if pause := a.start - c.last.end; pause > pauseInside {
			c.inside += costPause * (pause - pauseInside).Seconds()
		}
		if c.last.ends {
			c.sentences++
			c.inside += costSentence
			if c.sentences == 1 {
				c.wordsOfFirst = c.words
			}
			c.wordsOfLast = 0
		}
	}
	c.count++
	words := 0.0
	switch {
	case a.within == withinScript || strings.ContainsFunc(a.text, spaceless):
		words = float64(a.width) / columnsOfAWord
	case first || a.within == betweenWords:
		words = 1
	}
	c.words += words
	c.wordsOfLast += words
	c.last = a
}

// cost returns the cost of the cue that ends with last and can be shown until limit. next comes after it, or is nil.
func (c *candidate) cost(last, next *atom, limit time.Duration) float64 {
	fill := float64(c.columns) / float64(c.layout.MaxLineWidth*c.layout.MaxLineCount)
	cost := costCue + costFull*fill*fill + c.inside
	if c.sentences > 0 && fill > 0.5 {
		cost += costTwoLines
	}
	if c.lines == 2 {
		cost += costLineBreak * c.lineBreak(c.layout.MaxLineWidth)
	}
	shown := shownUntil(c.first.start, last.end, limit, c.columns) - c.first.start
	if shown < cueShortest {
		cost += costShort * (1 - shown.Seconds()/cueShortest.Seconds()/2)
	}
	if speed := float64(c.columns) / max(shown.Seconds(), 0.1); speed > fastest {
		cost += costFast * (speed - fastest)
	}
	switch {
	case c.words <= 1 && !c.first.begins:
		cost += costLonely
	case c.sentences > 0 && !c.first.begins && c.wordsOfFirst <= 1:
		cost += costDangling
	}
	if c.sentences > 0 && !last.ends && c.wordsOfLast <= 1 {
		cost += costDangling
	}
	if next == nil {
		return cost
	}
	if next.estimated {
		cost += costEstimated
	}
	return cost + next.border
}

// lineBreak returns the least cost of a border that divides a cue into two lines that fit.
func (c *candidate) lineBreak(width int) float64 {
	least, left := math.Inf(1), c.first.width
	for i := 1; i < c.count && left <= width; i++ {
		a := &c.atoms[i]
		if right := c.columns - left - a.columnsBehind() + a.width; right <= width {
			least = min(least, c.atoms[i].border)
		}
		left += a.columnsBehind()
	}
	return least
}

package bench

import (
	"bufio"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// TimedWord is a word and when it was said; both times count from the beginning of the clip.
type TimedWord struct {
	Text string
	// Start and End are nil if they are not known.
	Start, End *time.Duration
}

// TimedClip is a clip whose words have known times. The list need not be complete.
type TimedClip struct {
	File  string
	Words []TimedWord
}

// ParseWordTimes reads lines of four fields separated by tabs: file, start and end in seconds, word. The first line is
// a header. The lines of a file are consecutive and in order of time. Invalid input gives the code manifest_invalid,
// with the line.
func ParseWordTimes(r io.Reader) ([]TimedClip, error) {
	var clips []TimedClip
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if number == 1 || strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 4 {
			return nil, manifestError(number, "%d fields, want file, start, end, word", len(fields))
		}
		start, errStart := parseSeconds(fields[1])
		end, errEnd := parseSeconds(fields[2])
		if errStart != nil || errEnd != nil || end < start {
			return nil, manifestError(number, "%q to %q are no times", fields[1], fields[2])
		}
		if len(clips) == 0 || clips[len(clips)-1].File != fields[0] {
			clips = append(clips, TimedClip{File: fields[0]})
		}
		clip := &clips[len(clips)-1]
		if n := len(clip.Words); n > 0 && *clip.Words[n-1].Start > start {
			return nil, manifestError(number, "begins ahead of the word before")
		}
		clip.Words = append(clip.Words, TimedWord{Text: fields[3], Start: &start, End: &end})
	}
	if err := lines.Err(); err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read word times", err)
	}
	if len(clips) == 0 {
		return nil, scout.Errorf(scout.CodeManifestInvalid, "no words listed")
	}
	return clips, nil
}

// parseSeconds reads a number of seconds from 0 to a day.
func parseSeconds(s string) (time.Duration, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 86400) { // NaN is refused too
		return 0, scout.Errorf(scout.CodeManifestInvalid, "%q is not a number of seconds", s)
	}
	return time.Duration(math.Round(v*1e6)) * time.Microsecond, nil
}

// WordTimes compares times of recognised words with known ones.
type WordTimes struct {
	// Words have known times. Heard of them were recognised, and Unplaced of those got no time.
	Words    int `json:"words"`
	Heard    int `json:"heard"`
	Unplaced int `json:"unplaced"`
	// Start and End are for the words that were recognised and placed.
	Start BorderErrors `json:"start"`
	End   BorderErrors `json:"end"`

	start, end []float64 // errors in ms: recognised minus known
}

// BorderErrors are the errors of one border of words, in milliseconds.
type BorderErrors struct {
	Count int `json:"count"`
	// Median and P90 are of the absolute error. Bias is the median of the error itself, above 0 for late.
	Median float64 `json:"median_ms"`
	P90    float64 `json:"p90_ms"`
	Bias   float64 `json:"bias_ms"`
	// Within100 and Within200 are shares with an absolute error of at most this many milliseconds.
	Within100 float64 `json:"within_100_ms"`
	Within200 float64 `json:"within_200_ms"`
}

// Add compares the recognised words of a clip with the known ones. Words are matched by text, so a wrong word is not
// judged. If the same word was said again between two others that match, the nearest in time is used.
func (w *WordTimes) Add(known []TimedWord, heard []scout.Word) {
	texts := make([]string, len(known))
	for i := range known {
		texts[i] = known[i].Text
	}
	said := make([]string, len(heard))
	for i := range heard {
		said[i] = heard[i].Text
	}
	w.Words += len(known)
	matched := same(tag(texts), tag(said))
	for i, m := range matched {
		from, to := 0, len(known)
		if i > 0 {
			from = matched[i-1].A + 1
		}
		if i+1 < len(matched) {
			to = matched[i+1].A
		}
		h := &heard[m.B]
		matched[i].A = from + nearest(known[from:to], m.A-from, h)
		k := &known[matched[i].A]
		w.Heard++
		if h.Start == nil || h.End == nil {
			w.Unplaced++
			continue
		}
		if k.Start != nil {
			w.start = append(w.start, milliseconds(*h.Start-*k.Start))
		}
		if k.End != nil {
			w.end = append(w.end, milliseconds(*h.End-*k.End))
		}
	}
	w.Start, w.End = bordersOf(w.start), bordersOf(w.end)
}

// nearest returns the index of the word with the text of known[like] that begins nearest to h.
func nearest(known []TimedWord, like int, h *scout.Word) int {
	if h.Start == nil || known[like].Start == nil {
		return like
	}
	best := like
	text := Words(known[like].Text)
	for i := range known {
		if known[i].Start != nil && (*known[i].Start-*h.Start).Abs() < (*known[best].Start-*h.Start).Abs() && slices.Equal(Words(known[i].Text), text) {
			best = i
		}
	}
	return best
}

// milliseconds returns whole milliseconds, as in transcripts.
func milliseconds(d time.Duration) float64 { return float64(d.Round(time.Millisecond).Milliseconds()) }

func bordersOf(errors []float64) BorderErrors {
	b := BorderErrors{Count: len(errors)}
	if b.Count == 0 {
		return b
	}
	signed, absolute := slices.Sorted(slices.Values(errors)), make([]float64, 0, len(errors))
	for _, e := range errors {
		absolute = append(absolute, math.Abs(e))
	}
	slices.Sort(absolute)
	within := func(ms float64) float64 {
		n := 0
		for n < len(absolute) && absolute[n] <= ms {
			n++
		}
		return float64(n) / float64(len(absolute))
	}
	b.Median, b.P90, b.Bias = Percentile(absolute, 50), Percentile(absolute, 90), Percentile(signed, 50)
	b.Within100, b.Within200 = within(100), within(200)
	return b
}

package segment

import (
	"strings"
	"time"

	scout "github.com/scout-speech/scout"
)

// hopFrames is the grid of all levels and cuts: 10 ms. It is short enough to find the gap between two words. It is
// about one period of a low voice, so removing the mean of a hop (see level.go) removes direct current and rumble but
// not speech.
const hopFrames = scout.EngineSampleRateHz / 100

// stretchHops is the length of the stretch whose level decides where to cut: 160 ms, about the shortest pause between
// two phrases. A cut lies in its middle, 80 ms from either side.
const stretchHops = 16

// Strategy is the way cuts are placed.
type Strategy int

const (
	// Quiet cuts in the longest of the quietest pauses inside a window of lengths.
	Quiet Strategy = iota
	// Fixed cuts every Options.Max, wherever that falls, without overlap. It is the yardstick for Quiet and not meant
	// for use.
	Fixed
)

// Options say how long pieces are. Durations are rounded to 10 ms. The zero value is invalid: start from Defaults or
// ParseCut.
type Options struct {
	// Strategy places the cuts.
	Strategy Strategy
	// Min and Max bound the core of a piece. Only the last one may be shorter, or longer by Tail. Fixed uses only Max.
	Min, Max time.Duration
	// Overlap is the context that a piece gets beyond a cut in speech, on each side of the cut: both neighbours then
	// contain twice this length. Zero means no overlap.
	Overlap time.Duration
	// Tail is the shortest last piece; a shorter rest is joined to the piece before it.
	Tail time.Duration
}

// Defaults returns the options that were measured best: docs/adr/0007.
func Defaults() Options {
	return Options{
		Strategy: Quiet,
		Min:      6 * time.Second,
		Max:      14 * time.Second,
		Overlap:  1500 * time.Millisecond,
		Tail:     time.Second,
	}
}

// ParseCut reads a strategy as users write it: "quiet", or "fixed:10s" with any length from 1 s to
// 28 s. The error has the code invalid_argument.
func ParseCut(s string) (Options, error) {
	o := Defaults()
	name, length, found := strings.Cut(s, ":")
	switch {
	case name == "quiet" && !found:
		return o, nil
	case name == "fixed" && found:
		d, err := time.ParseDuration(length)
		if err != nil {
			return Options{}, scout.Errorf(scout.CodeInvalidArgument, "read cut %q: %w", s, err).
				WithHint("write quiet, or fixed with a length, for example fixed:10s")
		}
		o.Strategy, o.Max, o.Min, o.Overlap = Fixed, d, d, 0
		return o, o.validate()
	}
	return Options{}, scout.Errorf(scout.CodeInvalidArgument, "unknown cut %q", s).
		WithHint("write quiet, or fixed with a length, for example fixed:10s")
}

// longest is the most audio that a piece may hold with all its context: the most that engines take at once.
const longest = 30 * time.Second

func (o Options) validate() error {
	stretch := stretchHops * hop
	fail := func(format string, args ...any) error {
		return scout.Errorf(scout.CodeInvalidArgument, "cut into pieces: "+format, args...)
	}
	switch {
	case o.Strategy != Quiet && o.Strategy != Fixed:
		return fail("unknown strategy %d", int(o.Strategy))
	case o.Max < time.Second:
		return fail("pieces of at most %v are too short (at least 1s)", o.Max)
	case o.Strategy == Quiet && (o.Min < stretch || o.Max-o.Min < stretch):
		return fail("no room for a quiet stretch of %v between %v and %v", stretch, o.Min, o.Max)
	case o.Overlap < 0 || o.Overlap > o.Min:
		return fail("overlap of %v is not between 0 and the shortest piece (%v)", o.Overlap, o.Min)
	case o.Tail < 0 || o.Tail > o.Max:
		return fail("shortest last piece of %v is not between 0 and the longest piece (%v)", o.Tail, o.Max)
	case o.Max+o.Tail+2*o.Overlap > longest:
		return fail("pieces of up to %v with context are too long (at most %v)", o.Max+o.Tail+2*o.Overlap, longest)
	}
	return nil
}

const hop = time.Second / 100

// Context is how many frames of context may precede a piece: as long as a whole piece with what follows it fits into what an engine takes.
func (o Options) Context() int64 { return int64(frames(longest - o.Max - o.Tail - o.Overlap)) }

// frames converts a duration to frames on the grid.
func frames(d time.Duration) int {
	return int((d+hop/2)/hop) * hopFrames
}

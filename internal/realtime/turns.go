package realtime

import (
	"math"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// Numbers of turn detection; docs/adr/0105-turns.md has the measurements.
const (
	// hop is the time of one level.
	hop       = 20 * time.Millisecond
	hopFrames = int64(scout.EngineSampleRateHz) * int64(hop) / int64(time.Second)
	// background is how far back the quietest tenth is looked for.
	background = 10 * time.Second
	// leastAbove and mostAbove are by how many dB the limit lies above the background, for a threshold of 0 and of 1.
	leastAbove, mostAbove = 6.0, 18.0
	// beginsAfter is how long the level must be above the limit for a turn to begin.
	beginsAfter = 60 * time.Millisecond
	// steadyAfter is how long no new word came, where the level does not tell the end of a turn.
	steadyAfter = 2 * time.Second
	// hearsPause is how much of a pause the engine must have heard, and hearsWithin how long the end of a turn waits for that: what is spoken
	// softly, the level does not tell.
	hearsPause, hearsWithin = 250 * time.Millisecond, time.Second
	// lowest is the least level of a background, in dBFS: what is quieter is not decoded either.
	lowest = -75
)

// Detection is how turns are found.
type Detection struct {
	// Threshold is from 0, the most sensitive, to 1.
	Threshold float64
	// Prefix is how far the start of a turn moves back, Silence the pause that ends it.
	Prefix, Silence time.Duration
	// AfterSentence takes the place of Silence where the text so far ends a sentence; 0 for never.
	AfterSentence time.Duration
}

// Spoken is what is known of the words of an open item. Positions are frames at 16 kHz since the session began.
type Spoken struct {
	// Any says whether there are words, committed or not.
	Any bool
	// First is where the first word begins, Last where the last one ends.
	First, Last int64
	// Heard is up to where the engine has heard.
	Heard int64
	// Ends says that the text so far ends a sentence.
	Ends bool
}

// add notes words whose times count from a position.
//
//	to  the end of the audio that was heard, from there
func (s *Spoken) add(start int64, words []scout.Word, to time.Duration) {
	if len(words) == 0 {
		return
	}
	last := words[len(words)-1]
	end := start + framesOf(to)
	if last.End != nil {
		end = start + framesOf(*last.End)
	}
	if !s.Any {
		s.First = end
		if first := words[0].Start; first != nil {
			s.First = start + framesOf(*first)
		}
	}
	s.Any, s.Last, s.Ends = true, max(s.Last, end), sentence.Ends([]string{last.Text}, 0)
}

// Turns finds turns by the levels of a stream and the words that the engine found. It is not safe for concurrent use.
type Turns struct {
	how   Detection
	floor floor

	began   int64 // where the turn was found, -1 for none
	run     int64 // frames above the limit, up to now
	loud    int64 // end of the last frame above the limit in this turn
	wasLoud bool  // the level was above the limit in this turn
}

// NewTurns returns a detection that has heard nothing.
func NewTurns(how Detection) *Turns { return &Turns{how: how, began: -1} }

// Change changes how turns are found, also for the one that is open.
func (t *Turns) Change(how Detection) { t.how = how }

// Open reports whether a turn is open.
func (t *Turns) Open() bool { return t.began >= 0 }

// Turn is what a level changed.
type Turn int

// What a level may change.
const (
	TurnNone Turn = iota
	TurnBegins
	TurnEnds
)

// Hear takes the level of one hop, in dBFS, that ends at a position. least is where the item may begin at the earliest.
// It returns what changed, and for TurnBegins where the turn began.
func (t *Turns) Hear(to int64, level float64, least int64, said Spoken) (change Turn, start int64) {
	t.floor.add(level)
	loud := level > t.limit()
	if loud {
		t.run += hopFrames
	} else {
		t.run = 0
	}
	if !t.Open() {
		switch {
		case said.Any:
			start = said.First
			t.wasLoud = t.run > 0
		case t.run >= framesOf(beginsAfter):
			start = to - t.run
			t.wasLoud = true
		default:
			return TurnNone, 0
		}
		t.began, t.loud = to, to
		return TurnBegins, min(max(least, start-framesOf(t.how.Prefix)), to)
	}
	if loud {
		t.loud, t.wasLoud = to, true
	}
	if t.ends(to, said) {
		t.Close()
		return TurnEnds, 0
	}
	return TurnNone, 0
}

// ends reports whether the open turn ends here.
func (t *Turns) ends(to int64, said Spoken) bool {
	silence := t.how.Silence
	if t.how.AfterSentence > 0 && said.Ends {
		silence = t.how.AfterSentence
	}
	pause := max(t.loud, said.Last)
	if quiet := to - pause; t.wasLoud && quiet >= framesOf(silence) {
		return said.Heard-pause >= framesOf(min(silence, hearsPause)) || quiet >= framesOf(silence+hearsWithin)
	}
	return said.Heard-max(said.Last, t.began) >= framesOf(max(steadyAfter, 2*silence))
}

// Close ends a turn that the client ended.
func (t *Turns) Close() { t.began, t.loud, t.wasLoud, t.run = -1, 0, false, 0 }

// limit is the level above which somebody may speak.
func (t *Turns) limit() float64 {
	return t.floor.quietest() + leastAbove + (mostAbove-leastAbove)*t.how.Threshold
}

// framesOf is how many frames at 16 kHz a time has.
func framesOf(d time.Duration) int64 {
	return int64(d/time.Second)*scout.EngineSampleRateHz + int64(d%time.Second)*scout.EngineSampleRateHz/int64(time.Second)
}

// durationOf is how long so many frames take.
func durationOf(frames int64) time.Duration { return lasting(frames, scout.EngineSampleRateHz) }

// lasting is how long so many samples at a rate take: those of days in nanoseconds do not overflow.
func lasting(samples int64, rate int) time.Duration {
	hz := int64(rate)
	return time.Duration(samples/hz)*time.Second + time.Duration(samples%hz)*time.Second/time.Duration(hz)
}

// floor is the quietest tenth of the last levels: a histogram of half decibels.
type floor struct {
	recent []uint8 // bins of the last levels, a ring
	next   int
	bins   [floorBins]int
}

const (
	floorBins   = 201 // half decibels from -100 to 0 dBFS
	floorLevels = int(background / hop)
)

func (f *floor) add(level float64) {
	bin := uint8(math.Round(2 * (min(0, max(-100, level)) + 100)))
	if len(f.recent) < floorLevels {
		f.recent = append(f.recent, bin)
	} else {
		f.bins[f.recent[f.next]]--
		f.recent[f.next] = bin
		f.next = (f.next + 1) % floorLevels
	}
	f.bins[bin]++
}

// quietest is the level below which a tenth of the last levels lies. Those below the lowest do not count, as long as they are the smaller half:
// silence that a program inserts tells nothing of the room.
func (f *floor) quietest() float64 {
	const lowestBin = int(2 * (lowest + 100))
	there := len(f.recent)
	for _, n := range f.bins[:lowestBin] {
		there -= n
	}
	if 2*there <= len(f.recent) {
		return lowest
	}
	left := (there + 9) / 10
	for bin := lowestBin; bin < floorBins; bin++ {
		if left -= f.bins[bin]; left <= 0 {
			return float64(bin)/2 - 100
		}
	}
	return lowest
}

// levels makes levels of samples.
type levels struct {
	sum, squares float64
	n            int64
}

// add takes one sample; full says that a hop is complete, and level is its level in dBFS.
func (l *levels) add(sample float32) (level float64, full bool) {
	v := float64(sample)
	l.sum += v
	l.squares += v * v
	if l.n++; l.n < hopFrames {
		return 0, false
	}
	n := float64(l.n)
	power := max(0, l.squares/n-(l.sum/n)*(l.sum/n))
	*l = levels{}
	return max(-100, 10*math.Log10(power+1e-30)), true
}

// Begin opens a turn of which the words are known before the levels.
func (t *Turns) Begin(at int64) { t.began, t.loud, t.wasLoud = at, at, t.run > 0 }

// Levels are the levels of samples at 16 kHz as Hear takes them, one for each hop of HopFrames.
func Levels(samples []float32) []float64 {
	var all []float64
	var l levels
	for _, v := range samples {
		if level, full := l.add(v); full {
			all = append(all, level)
		}
	}
	return all
}

// HopFrames is how many frames a hop has.
const HopFrames = hopFrames

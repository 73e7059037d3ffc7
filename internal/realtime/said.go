package realtime

import (
	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech"
)

// contextFrames is how much sound before an item is heard again with it, at most: docs/adr/0107-realtime.md has the measurements.
const contextFrames = int64(4 * scout.EngineSampleRateHz)

// said is what was said before an item, in the sound directly before it. The zero value is nothing. It belongs to who transcribes the items.
type said struct {
	words []spokenWord
	to    int64 // the end of the last item that is text
	ask   Ask   // of that item
	model string
}

// spokenWord is a word with where it was said, in frames since the session began: -1 where that is not known.
type spokenWord struct {
	text     string
	from, to int64
}

// add notes committed words of an item.
func (s *said) add(it *Item, words []scout.Word) {
	for _, w := range words {
		one := spokenWord{w.Text, -1, -1}
		if w.Start != nil && w.End != nil {
			one.from, one.to = it.Origin+framesOf(*w.Start), it.Origin+framesOf(*w.End)
		}
		s.words = append(s.words, one)
	}
	if drop := len(s.words) - mostContextWords; drop > 0 {
		s.words = append(s.words[:0], s.words[drop:]...)
	}
}

// mostContextWords bounds what is kept: nobody says more words within contextFrames.
const mostContextWords = 64

// end notes that an item is text.
func (s *said) end(it *Item, r *Recognizer) { s.to, s.ask, s.model = it.End, it.Ask, r.Model }

// before returns the sound directly before an item that is heard again with it, and moves the origin of the item to its beginning. There is
// none where nothing was said within contextFrames, where the client has forgotten what was said, or wanted it transcribed in another way.
func (s *said) before(it *Item, r *Recognizer) speech.Context {
	if it.state != nil || it.Origin != it.Start {
		return s.context(it) // the origin stays: text may have come from there
	}
	if s.to != it.Start || s.model != r.Model || !s.ask.same(&it.Ask) {
		s.words = nil
		return speech.Context{}
	}
	first := len(s.words)
	for first > 0 && s.words[first-1].from >= it.Start-contextFrames {
		first--
	}
	if first == len(s.words) {
		return speech.Context{}
	}
	origin := max(0, it.Start-contextFrames)
	if first > 0 {
		origin = max(origin, s.words[first-1].to) // no word is cut
	}
	s.words, it.Origin = s.words[first:], min(origin, s.words[first].from)
	return s.context(it)
}

// context is the sound from the origin of an item to its beginning.
func (s *said) context(it *Item) speech.Context {
	c := speech.Context{Frames: it.Start - it.Origin}
	for _, w := range s.words {
		if w.from < it.Origin || w.from >= it.Start {
			continue
		}
		from, to := durationOf(w.from-it.Origin), durationOf(min(w.to, it.Start)-it.Origin)
		c.Words = append(c.Words, scout.Word{Text: w.text, Start: &from, End: &to})
	}
	return c
}

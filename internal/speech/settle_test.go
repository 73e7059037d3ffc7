package speech

import (
	"fmt"
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

// A process that goes on with a dictation hears it from the beginning of the open piece again. What it hears first was committed long ago,
// and none of it comes next.
func TestWhatIsHeardAgainDoesNotComeNext(t *testing.T) {
	t.Parallel()
	const wordLength = 400 * time.Millisecond
	said := func(n int) (words []scout.Word) {
		for k := range n {
			start := time.Duration(k) * wordLength
			end := start + wordLength
			words = append(words, scout.Word{Text: fmt.Sprintf("w%dx", k), Start: &start, End: &end})
		}
		return words
	}
	const committed = 8
	for heard := 1; heard <= committed+3; heard++ {
		s := settling{rule: DefaultCommitRule()}
		s.commit(said(committed))
		d := Decoded{Tokens: heard}
		d.To, d.Words = time.Duration(heard)*wordLength, said(heard)
		s.grow(d)
		if n := len(s.pending); n != max(0, heard-committed) {
			t.Errorf("of %d words that are heard %d are pending", heard, n)
		}
		if words := s.due(time.Hour); len(words) > max(0, heard-committed) {
			t.Errorf("of %d words that are heard %d were committed again: %+v", heard, len(words), words)
		}
	}
}

package speech

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

// TestAReadyTextThatGrew holds what a later text of the same piece means for one that was made ready for a stop.
func TestAReadyTextThatGrew(t *testing.T) {
	t.Parallel()
	word := func(text string, start, end time.Duration) scout.Word {
		return scout.Word{Text: text, Start: new(start), End: new(end)}
	}
	untimed := scout.Word{Text: "five"}
	const second = time.Second
	for situation, c := range map[string]struct {
		doubted bool
		later   []scout.Word
		ready   bool // the text still is
		to      int64
	}{
		"the same words":                   {false, []scout.Word{word("twenty", 0, second)}, true, 20},
		"the same word, a little longer":   {false, []scout.Word{word("twenty", 0, second+brief/2)}, true, 20},
		"fewer words":                      {false, nil, true, 20},
		"another word behind":              {false, []scout.Word{word("twenty", 0, second), word("five", second, 2*second)}, false, 0},
		"the last word has grown":          {false, []scout.Word{word("twenty-five", 0, 2*second)}, false, 0},
		"a word without a time":            {false, []scout.Word{word("twenty", 0, second), untimed}, false, 0},
		"a text that is doubted, any word": {true, []scout.Word{word("twenty", 0, second), word("five", second, 2*second)}, true, 10},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			ready := hypothesis{start: 1, to: 10, final: !c.doubted}
			ready.text.Words = []scout.Word{word("twenty", 0, second)}
			later := hypothesis{start: 1, to: 20}
			later.text.Words = c.later
			ready.hear(&later)
			if ready.of(1) != c.ready || ready.to != c.to {
				t.Errorf("ready %v, up to %d, want %v and %d", ready.of(1), ready.to, c.ready, c.to)
			}
		})
	}
}

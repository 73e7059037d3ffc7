package speech

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// wordAt is a word between two times in seconds; without an end it has no times.
func wordAt(text string, start, end float64) scout.Word {
	w := scout.Word{Text: text}
	if end > 0 {
		from, to := time.Duration(start*float64(time.Second)), time.Duration(end*float64(time.Second))
		w.Start, w.End = &from, &to
	}
	return w
}

// TestMisplaced finds words in a hole that stand before it. Those that lie in a pause are the same ones. Those that somebody said there,
// softly too, were said twice.
func TestMisplaced(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		level float32 // where the word before the hole is
		want  int
	}{"in a pause": {0.0005, 1}, "said as loudly": {0.3, 0}, "said softly": {0.012, 0}} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			p := segment.Piece{Samples: make([]float32, 12*scout.EngineSampleRateHz)}
			for i := range p.Samples {
				level, at := float32(0.0005), float64(i)/scout.EngineSampleRateHz
				switch {
				case at > 1 && at < 3, at > 6 && at < 8:
					level = 0.3
				case at > 4 && at < 4.4:
					level = c.level
				}
				p.Samples[i] = level * float32(1-2*(i%2))
			}
			got := misplaced(p, []scout.Word{wordAt("so", 1, 3), wordAt("no,", 4, 4.4)}, []scout.Word{wordAt("No.", 6, 8)})
			if got != c.want {
				t.Errorf("%d words, want %d", got, c.want)
			}
		})
	}
}

// TestReuseOfWordsWithoutTimes closes a piece whose text is known, but not on which side of its end a word without times was said. It is
// decoded then.
func TestReuseOfWordsWithoutTimes(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		words  []scout.Word
		reused bool
	}{
		"all have times":                {[]scout.Word{wordAt("alpha", 5, 5.5), wordAt("beta", 19, 19.5), wordAt("gamma", 21, 21.5)}, true},
		"none before the end":           {[]scout.Word{wordAt("alpha", 5, 5.5), wordAt("beta", 0, 0), wordAt("gamma", 21, 21.5)}, false},
		"the last one":                  {[]scout.Word{wordAt("alpha", 5, 5.5), wordAt("beta", 0, 0)}, false},
		"between others before the end": {[]scout.Word{wordAt("alpha", 5, 5.5), wordAt("beta", 0, 0), wordAt("gamma", 19, 19.5)}, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			const second = scout.EngineSampleRateHz
			g, err := newGrowth(&LiveOptions{Trait: Trait{Window: Window{Least: 6 * time.Second, Most: 12 * time.Second}}, Commit: DefaultCommitRule(), Rhythm: DefaultRhythm()})
			if err != nil {
				t.Fatal(err)
			}
			text := Decoded{Core: Span{0, 26 * time.Second}}
			text.To, text.Words = 26*time.Second, c.words
			g.hyp = hypothesis{to: 26 * second, text: text}
			closing := &task{kind: taskClose, piece: segment.Piece{Samples: make([]float32, 20*second), Right: segment.Edge{Kind: segment.EdgePause}}}
			if g.reuse(closing); closing.reused != c.reused {
				t.Errorf("reused: %t, want %t", closing.reused, c.reused)
			}
		})
	}
}

// TestAStateKeepsItsCut continues a dictation of an earlier version of the program, in which other pieces suited the model.
func TestAStateKeepsItsCut(t *testing.T) {
	t.Parallel()
	earlier, now := segment.Defaults(), segment.Defaults()
	now.Min, now.Max = 12*time.Second, 20*time.Second
	stored, err := json.Marshal(LiveState{Version: liveStateVersion, Model: "m", Cut: earlier})
	if err != nil {
		t.Fatal(err)
	}
	var state LiveState
	if err := json.Unmarshal(stored, &state); err != nil {
		t.Fatal(err)
	}
	o := &LiveOptions{Model: "m", Trait: Trait{LiveCut: &now}, From: &state}
	if err := state.suits(o); err != nil {
		t.Fatal(err)
	}
	if g, err := newGrowth(o); err != nil || g.cut != earlier {
		t.Errorf("%+v, %v", g, err)
	}
	o.Cut = &now
	if err := state.suits(o); err == nil {
		t.Error("another cut was asked for, and is not used")
	}
}

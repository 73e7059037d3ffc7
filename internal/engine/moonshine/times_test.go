package moonshine

import (
	"math"
	"testing"

	"github.com/scout-speech/scout/internal/engine/wire"
)

func TestWordTimes(t *testing.T) {
	t.Parallel()
	b := open(t)
	samples := clip(t, "jfk_16k_mono.wav")
	if !b.Facts().WordTimes {
		t.Error("the facts say that there are no word times")
	}
	free := transcribe(t, b, samples, wire.RequestOptions{Words: true})
	without := transcribe(t, b, samples, wire.RequestOptions{})
	if free.Text != without.Text {
		t.Errorf("%q with times, %q without", free.Text, without.Text)
	}
	before := float32(0)
	for _, w := range free.Words {
		switch {
		case w.StartMS == nil || w.EndMS == nil:
			t.Errorf("%q has no time", w.Text)
		case *w.StartMS < before || *w.EndMS <= *w.StartMS || *w.EndMS > 11000:
			t.Errorf("%q from %v to %v, the word before ends at %v", w.Text, *w.StartMS, *w.EndMS, before)
		default:
			before = *w.EndMS
		}
	}
	// Long pauses: "Americans" ends at 2.2 s, "ask" begins at 3.3 s.
	for i, w := range free.Words[1:] {
		if plain(w.Text) == "ask" && *w.StartMS < 5000 && *w.StartMS-*free.Words[i].EndMS < 500 {
			t.Errorf("no pause between %q, to %v, and %q, from %v", free.Words[i].Text, *free.Words[i].EndMS, w.Text, *w.StartMS)
		}
	}

	right := ids(free)
	for name, hypothesis := range map[string][]int32{
		"all of it right":   right,
		"half of it":        right[:len(right)/2],
		"wrong at its end":  append(append([]int32(nil), right[:len(right)-4]...), 304, 304),
		"wrong from the go": {304, 304, 304},
	} {
		r := transcribe(t, b, samples, wire.RequestOptions{Words: true, Hypothesis: hypothesis})
		if plain(r.Text) != plain(free.Text) { // commas may fall the other way
			t.Fatalf("%s: %q", name, r.Text)
		}
		for i, w := range r.Words {
			if w.StartMS == nil || math.Abs(float64(*w.StartMS-*free.Words[i].StartMS)) > 50 || math.Abs(float64(*w.EndMS-*free.Words[i].EndMS)) > 50 {
				t.Errorf("%s: %q from %v to %v, decoded freely from %v to %v", name, w.Text, *w.StartMS, *w.EndMS, *free.Words[i].StartMS, *free.Words[i].EndMS)
			}
		}
	}
}

func TestWordTimesOfNothing(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, n := range []int{0, 1, 800, 1024, 4800, 16000} {
		for _, w := range transcribe(t, b, make([]float32, n), wire.RequestOptions{Words: true}).Words {
			if (w.StartMS == nil) != (w.EndMS == nil) || w.EndMS != nil && (*w.EndMS > float32(n)/16 || *w.StartMS > *w.EndMS) {
				t.Errorf("%d samples of silence: %+v", n, w)
			}
		}
	}
}

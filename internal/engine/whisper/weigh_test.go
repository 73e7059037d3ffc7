package whisper

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/scout-speech/scout"
)

// heardBrief is what a beam finds in a second of speech, on a slot of the test.
func heardBrief(t *testing.T, b *backend, language string) (*session, *decoding) {
	t.Helper()
	l, err := b.slots.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s := &session{slot: l, job: job{samples: speech(t)[:scout.EngineSampleRateHz], language: language, align: true}}
	t.Cleanup(func() {
		s.cache.forget()
		if err := join(s.owned.Free(), l.shed(s.longest)); err != nil {
			t.Error(err)
		}
		b.slots.Add(l)
	})
	d, err := s.decode(context.Background(), how{tail: safeTail, beam: 3})
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

// A brief piece is heard a second time only where the model is not sure. The text has the probabilities of the first hearing, whose
// keys and values are there again afterwards.
func TestWeigh(t *testing.T) {
	t.Parallel()
	s, d := heardBrief(t, either(t), "en")
	sure, unsure := -0.4, -0.6
	d.surest = &sure
	if again, err := s.weigh(context.Background(), d); again != nil || err != nil {
		t.Fatalf("a sure text is weighed: %+v, %v", again, err)
	}
	d.surest = &unsure
	heard, cross := s.heard, &s.cross[0]
	again, err := s.weigh(context.Background(), d)
	if err != nil || again == nil {
		t.Fatalf("%+v, %v", again, err)
	}
	if s.heard.frames != heard.frames || &s.cross[0] != cross {
		t.Error("what was heard first is lost")
	}
	f := &forcer{session: s, prompt: d.prompt}
	logprobs, _, err := f.whole(context.Background(), again.tokens)
	if err != nil {
		t.Fatal(err)
	}
	own := append(slices.Clone(again.logprobs), *again.ending)
	if !slices.EqualFunc(own, logprobs, func(a, b float32) bool { return math.Abs(float64(a-b)) < 0.01 }) {
		t.Errorf("probabilities %v, in the first hearing %v", own, logprobs)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.weigh(canceled, d); err == nil {
		t.Error("a request that was called off is weighed")
	}
}

// Which pieces are heard a second time, and how.
func TestSecondHearing(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	encode := func(text string) []int64 { return b.model.vocabulary.Encode(text) }
	for name, c := range map[string]struct {
		seconds float64
		text    string
		frames  int
		surest  float64
		tail    int // 0: it is not heard again
	}{
		"a word":                            {1, "word", 1500, -0.6, safeTail},
		"a word that is sure":               {1, "word", 1500, -0.4, 0},
		"a sentence":                        {6, "word", 550, -0.6, 0},
		"characters":                        {6, "経済", 550, -0.3, wholeTail},
		"characters that are sure":          {6, "経済", 550, -0.2, 0},
		"characters of a long piece":        {20, "経済", 1250, -0.3, 0},
		"characters that have heard it all": {6, "経済", 1500, -0.3, 0},
	} {
		s := &session{slot: &slot{model: b.model}, job: job{samples: make([]float32, int(c.seconds*scout.EngineSampleRateHz))}}
		d := &decoding{tokens: encode(c.text), ending: new(float32), surest: &c.surest, frames: c.frames}
		samples, w, ok := s.secondHearing(d)
		if ok != (c.tail > 0) || ok && w.tail != c.tail {
			t.Errorf("%s: %v, %+v", name, ok, w)
		}
		if lead := len(samples) - len(s.samples); ok && (lead > 0) != (c.seconds < 2) {
			t.Errorf("%s: %d samples in front", name, lead)
		}
	}
	s := &session{slot: &slot{model: b.model}, job: job{samples: make([]float32, scout.EngineSampleRateHz)}}
	if _, _, ok := s.secondHearing(&decoding{ending: new(float32)}); ok {
		t.Error("a text that was not searched for is weighed")
	}
}

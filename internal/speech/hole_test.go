package speech_test

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// drowsy reads a tape of twelve seconds. If it gets the whole tape at once, it skips a part of it.
type drowsy struct {
	from, to float64                           // the seconds that it skips
	apart    func() (*scout.Hypothesis, error) // its answer to that part alone; nil for the words in it
}

func (d *drowsy) Transcribe(_ context.Context, request engine.Request) (*scout.Hypothesis, error) {
	from := speechtest.PositionOf(request.Samples[0])
	to := from + len(request.Samples)
	if to-from < 10*rate && d.apart != nil {
		return d.apart()
	}
	h := hear(from, to, true)
	sure := -0.1
	h.EndLogProb = &sure
	kept := h.Words[:0]
	for _, w := range h.Words {
		if at := w.Start.Seconds(); to-from > 10*rate && at >= d.from && at < d.to {
			continue
		}
		kept = append(kept, w)
		h.Tokens = append(h.Tokens, scout.Token{LogProb: &sure})
	}
	h.Words = kept
	return h, nil
}

// TestLongHolesAreDecodedByThemselves checks that speech which the model skips, while it finds the words around it, is
// not lost silently.
func TestLongHolesAreDecodedByThemselves(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		model  drowsy
		effort speech.Effort
		words  int // out of thirty
		aside  bool
	}{
		"in the middle":         {model: drowsy{from: 4, to: 8}, words: 30},
		"at the beginning":      {model: drowsy{from: 0, to: 8}, words: 30},
		"the text ends early":   {model: drowsy{from: 4, to: 12}, words: 30},
		"nothing passed over":   {model: drowsy{}, words: 30},
		"a short one":           {model: drowsy{from: 4, to: 6}, words: 25},
		"text wanted at once":   {model: drowsy{from: 4, to: 8}, effort: speech.EffortQuick, words: 20},
		"not sure of no words":  {model: drowsy{from: 4, to: 8, apart: empty(-0.4)}, words: 20, aside: true},
		"sure of no words":      {model: drowsy{from: 4, to: 8, apart: empty(-0.001)}, words: 20},
		"a loop in it":          {model: drowsy{from: 4, to: 8, apart: lengthy(strings.Repeat("24, ", 20), -0.1)}, words: 20, aside: true},
		"unlikely words for it": {model: drowsy{from: 4, to: 8, apart: says("be with you", -1)}, words: 20, aside: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, _ := transcriber(&test.model)
			got, err := tr.Transcribe(t.Context(), &tape{frames: 12 * rate}, speech.Options{Words: true, Effort: test.effort})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(strings.Fields(got.Text())); n != test.words {
				t.Errorf("%d words, want %d: %s", n, test.words, got.Text())
			}
			if test.aside != (len(got.SetAside) > 0) {
				t.Fatalf("set aside %+v", got.SetAside)
			}
			for _, a := range got.SetAside {
				if a.Start < 3900*time.Millisecond || a.End > 8100*time.Millisecond || a.End-a.Start < 3500*time.Millisecond {
					t.Errorf("set aside from %v to %v, want 4 s to 8 s", a.Start, a.End)
				}
			}
			var end time.Duration
			for _, s := range got.Segments {
				for _, w := range s.Words {
					if w.Start == nil || *w.Start < end {
						t.Fatalf("%q begins at %v, but the word before it ends at %v", w.Text, w.Start, end)
					}
					end = *w.End
				}
			}
		})
	}
}

// A model that says itself that nobody speaks is asked about shorter holes.
func TestShorterHolesOfAModelThatRechecks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rechecks bool
		to       float64
		words    int
	}{{true, 6, 30}, {true, 5.6, 26}, {false, 6, 25}} {
		tr, _ := transcriber(&drowsy{from: 4, to: test.to})
		options := speech.Options{Words: true, Trait: speech.Trait{Rechecks: test.rechecks}}
		got, err := tr.Transcribe(t.Context(), &tape{frames: 12 * rate}, options)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Fields(got.Text())); n != test.words {
			t.Errorf("a hole until %v s, rechecks %v: %d words, want %d: %s", test.to, test.rechecks, n, test.words, got.Text())
		}
	}
}

// heedless finds nothing in a part of its tape unless it hears 30 s of silence behind it.
type heedless struct {
	drowsy
	sure float64 // log-probability of that text
}

func (d *heedless) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	if len(request.Samples) < 10*rate && request.Tail < 30*time.Second {
		nobody := 0.9
		h, err := empty(-0.001)()
		h.NoSpeech = &nobody
		return h, err
	}
	h, err := d.drowsy.Transcribe(ctx, request)
	if len(request.Samples) < 10*rate {
		for i := range h.Tokens {
			h.Tokens[i].LogProb = &d.sure
		}
	}
	return h, err
}

// A loud hole in which a model that rechecks finds nobody is heard with more silence.
func TestLoudHolesAreHeardWithMoreSilence(t *testing.T) {
	t.Parallel()
	for situation, test := range map[string]struct {
		rechecks bool
		sure     float64
		words    int
	}{
		"a sure text":              {true, -0.1, 30},
		"an unlikely text":         {true, -1, 20},
		"a model without rechecks": {false, -0.1, 20},
	} {
		tr, _ := transcriber(&heedless{drowsy{from: 4, to: 8}, test.sure})
		options := speech.Options{Words: true, Trait: speech.Trait{Rechecks: test.rechecks}}
		got, err := tr.Transcribe(t.Context(), &tape{frames: 12 * rate}, options)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Fields(got.Text())); n != test.words || len(got.SetAside) > 0 {
			t.Errorf("%s: %d words, want %d: %s; set aside %+v", situation, n, test.words, got.Text(), got.SetAside)
		}
	}
}

// straying reads a tape of twelve seconds. It skips all behind the fourth but the last word, and never hears the last word of a stretch
// that ends earlier.
type straying struct {
	end  string  // its last word where it hears the end without the beginning; empty for the one that is said
	sure float64 // log-probability of that text
}

func (s *straying) Transcribe(_ context.Context, request engine.Request) (*scout.Hypothesis, error) {
	from := speechtest.PositionOf(request.Samples[0])
	to := from + len(request.Samples)
	h, sure := hear(from, to, true), -0.1
	last := len(h.Words) - 1
	switch {
	case from < rate:
		h.Words = append(h.Words[:10], h.Words[last])
	case to < 12*rate:
		h.Words = h.Words[:last]
	default:
		h.Words[last].Text, sure = cmp.Or(s.end, h.Words[last].Text), s.sure
	}
	for range h.Words {
		h.Tokens = append(h.Tokens, scout.Token{LogProb: &sure})
	}
	h.EndLogProb = &sure
	return h, nil
}

// A word behind a hole may have been said before it: it is heard with the hole, and taken from there if the text ends with it.
func TestStrayedWords(t *testing.T) {
	t.Parallel()
	for situation, test := range map[string]struct {
		model    straying
		rechecks bool
		words    int
	}{
		"heard with the hole": {straying{sure: -0.1}, true, 30},
		"another word":        {straying{end: "other", sure: -0.1}, true, 29},
		"an unlikely text":    {straying{sure: -1}, true, 29},
		"the fast model":      {straying{sure: -0.1}, false, 29},
	} {
		tr, _ := transcriber(&test.model)
		options := speech.Options{Words: true, Trait: speech.Trait{Rechecks: test.rechecks}}
		got, err := tr.Transcribe(t.Context(), &tape{frames: 12 * rate}, options)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Fields(got.Text())); n != test.words || len(got.SetAside) > 0 {
			t.Errorf("%s: %d words, want %d: %s; set aside %+v", situation, n, test.words, got.Text(), got.SetAside)
		}
	}
}

// softly is a tape of twelve seconds, of which the fifth to the eighth are 30 dB softer than the rest.
type softly struct{ tape }

func (s *softly) Read(dst []float32) (int, error) {
	at := int(s.at.Load())
	n, err := s.tape.Read(dst)
	for i := range n {
		if at+i >= 4*rate && at+i < 8*rate {
			dst[i] *= 0.03
		}
	}
	return n, err
}

// TestSoftHoles checks that somebody far away, whom a model that checks its text skips, is heard, and that what it is not sure of there is
// neither text nor missing.
func TestSoftHoles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		apart    func() (*scout.Hypothesis, error)
		rechecks bool
		words    int
	}{
		"speech":                           {says("be with you", -0.1), true, 23},
		"unlikely words":                   {says("be with you", -1), true, 20},
		"no words":                         {empty(-0.4), true, 20},
		"a model that is asked no further": {says("be with you", -0.1), false, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, _ := transcriber(&drowsy{from: 4, to: 8, apart: test.apart})
			options := speech.Options{Words: true, Trait: speech.Trait{Rechecks: test.rechecks}}
			got, err := tr.Transcribe(t.Context(), &softly{tape{frames: 12 * rate}}, options)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(strings.Fields(got.Text())); n != test.words || len(got.SetAside) > 0 {
				t.Errorf("%d words, want %d: %s; set aside %+v", n, test.words, got.Text(), got.SetAside)
			}
		})
	}
}

// abroad skips what is said in another language than the first words of a piece, and understands it only if it may find the language.
type abroad struct {
	drowsy
	prob float64 // of the second language
}

func (a *abroad) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	sure := 0.9
	if len(request.Samples) >= 10*rate {
		h, err := a.drowsy.Transcribe(ctx, request)
		h.Language, h.LanguageProb = "de", &sure
		return h, err
	}
	if request.Language != "" {
		return says("be with you", -1)()
	}
	h, err := says("be with you", -0.1)()
	h.Language, h.LanguageProb = "fr", &a.prob
	return h, err
}

// TestHolesInAnotherLanguage checks that the language of a hole is found anew, unless it was given or the new one is not certain.
func TestHolesInAnotherLanguage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given string
		prob  float64
		words int
	}{"found": {"", 0.9, 23}, "not certain": {"", 0.3, 20}, "given": {"de", 0.9, 20}} {
		tr, _ := transcriber(&abroad{drowsy{from: 4, to: 8}, c.prob})
		got, err := tr.Transcribe(t.Context(), &tape{frames: 12 * rate}, speech.Options{Words: true, Language: c.given})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Fields(got.Text())); n != c.words || (len(got.SetAside) > 0) != (c.words == 20) {
			t.Errorf("%s: %d words, want %d: %s; set aside %+v", name, n, c.words, got.Text(), got.SetAside)
		}
		if got.Language != "de" {
			t.Errorf("%s: the recording is in %q", name, got.Language)
		}
	}
}

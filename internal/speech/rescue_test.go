package speech_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
)

// confused answers by the kind of request: pieces of at most short seconds without silence around them, those with it,
// and longer ones. It is for a tape of one piece.
type confused struct {
	mu                  sync.Mutex
	long, plain, padded func() (*scout.Hypothesis, error)
	asked               int
}

const short = 4 * rate

func (c *confused) Transcribe(_ context.Context, request engine.Request) (*scout.Hypothesis, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	silent := 0
	for silent < len(request.Samples) && request.Samples[silent] == 0 {
		silent++
	}
	switch {
	case silent > 200:
		return c.padded()
	case len(request.Samples) <= short:
		return c.plain()
	}
	return c.long()
}

// empty finds no words, and reports how sure it is of that.
func empty(logProb float64) func() (*scout.Hypothesis, error) {
	return func() (*scout.Hypothesis, error) {
		return &scout.Hypothesis{Stop: scout.StopEnd, EndLogProb: &logProb}, nil
	}
}

// lengthy is like says, but was stopped by the bound on tokens.
func lengthy(text string, logProb float64) func() (*scout.Hypothesis, error) {
	return func() (*scout.Hypothesis, error) {
		h, err := says(text, logProb)()
		h.Stop, h.EndLogProb = scout.StopLength, nil
		return h, err
	}
}

// TestTextIsNeverLostInSilence checks that each stretch of speech gives words or is reported. The model is lost in six
// seconds of speech. The test looks at the text, the stretches that are set aside and the warnings.
func TestTextIsNeverLostInSilence(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		long, plain, padded func() (*scout.Hypothesis, error)
		effort              speech.Effort
		want                string            // for each short piece
		aside               bool              // everything that is not text
		warning             scout.WarningCode // for the whole
	}{
		"a loop, and no words in short pieces": {
			long: lengthy(strings.Repeat("24, ", 30), -0.2), plain: empty(-0.5), padded: empty(-0.4), aside: true,
		},
		"a loop in short pieces as well": {
			long: lengthy(strings.Repeat("24, ", 30), -0.2), plain: lengthy("18-18-18-18-18-18-18-18", -0.2), padded: lengthy("18-18-18-18-18-18-18-18", -0.2), aside: true,
		},
		"a loop in short pieces, not with silence around them": {
			long: lengthy(strings.Repeat("24, ", 30), -0.2), plain: lengthy("1-1-1-1-1-1-1-1", -0.2), padded: says("twenty four", -0.2), want: "twenty four",
		},
		"the text ahead of a loop": {
			long: lengthy("go on "+strings.Repeat("24, ", 30), -0.2), plain: lengthy("go "+strings.Repeat("24, ", 30), -0.2), padded: empty(-0.5), want: "go", aside: true,
		},
		"no words, of which it is not sure": {
			long: empty(-0.4), plain: empty(-0.02), padded: empty(-0.2), aside: true,
		},
		"no words, but with silence around them": {
			long: empty(-0.4), plain: empty(-0.02), padded: says("no no", -0.2), want: "no no",
		},
		"no words but unlikely ones": {
			long: empty(-0.4), plain: empty(-0.02), padded: says("tail", -1.1), aside: true,
		},
		"no words, of which it is sure": {
			long: empty(-0.001), plain: empty(-0.0005), padded: says("invented", -0.1), warning: scout.WarningNothingSaid,
		},
		"the bound on tokens in the middle of a sentence": {
			long: lengthy("we met him there and", -0.2), plain: lengthy("we met him there and", -0.2), padded: empty(-0.5), aside: true,
		},
		"a repetition that is complete": {
			long: says(strings.Repeat("no ", 14), -0.1), plain: says(strings.Repeat("no ", 6), -0.1), padded: empty(-0.5), want: "no no no no no no",
		},
		"text that is wanted at once": {
			long: empty(-0.4), plain: empty(-0.2), padded: says("no no", -0.2), effort: speech.EffortQuick, aside: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &confused{long: test.long, plain: test.plain, padded: test.padded}
			tr, registry := transcriber(c)
			got, err := tr.Transcribe(t.Context(), &tape{frames: 6 * rate}, speech.Options{Effort: test.effort})
			if err != nil {
				t.Fatal(err)
			}
			if heard := different(got.Text()); heard != different(test.want) {
				t.Errorf("text %q, want only %q", got.Text(), test.want)
			}
			if test.aside == (len(got.SetAside) == 0) || test.aside == got.Complete() {
				t.Errorf("set aside: %+v", got.SetAside)
			}
			for _, a := range got.SetAside {
				if a.Code != scout.CodeTextLost || a.Reason == "" || a.End <= a.Start {
					t.Errorf("%+v", a)
				}
			}
			if n := len(got.SetAside); test.aside && test.want == "" && (n != 1 || got.SetAside[0].Start != 0 || got.SetAside[n-1].End != 6*time.Second) {
				t.Errorf("set aside %+v, want all of it as one stretch", got.SetAside)
			}
			if test.warning == "" != (len(got.Warnings) == 0) || test.warning != "" && (got.Warnings[0].Code != test.warning || got.Warnings[0].Message == "") {
				t.Errorf("warnings %+v, want %q", got.Warnings, test.warning)
			}
			if n, err := testutil.GatherAndCount(registry, "scout_pieces_set_aside_total"); err != nil || n > 0 != test.aside {
				t.Errorf("%d counters of stretches set aside", n)
			}
			if n, err := testutil.GatherAndCount(registry, "scout_transcript_warnings_total"); err != nil || n != len(got.Warnings) {
				t.Errorf("%d counters of warnings for %d", n, len(got.Warnings))
			}
		})
	}
}

// different returns the distinct words of a text: how often the halves of a piece repeat them does not matter here.
func different(text string) string {
	words := strings.Fields(text)
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// TestLongStretchWithoutWords has music of 30 s in a talk, which causes a warning.
func TestLongStretchWithoutWords(t *testing.T) {
	t.Parallel()
	l := &listener{timed: true}
	l.fault = func(from, to int) (*scout.Hypothesis, error) {
		if from >= 29*rate && to <= 71*rate {
			return empty(-0.001)()
		}
		return nil, nil
	}
	tr, _ := transcriber(l)
	got, err := tr.Transcribe(t.Context(), &tape{frames: 100 * rate}, speech.Options{Words: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Warnings) != 1 || got.Warnings[0].Code != scout.WarningNoText || len(got.SetAside) != 0 {
		t.Fatalf("warnings %+v, set aside %+v", got.Warnings, got.SetAside)
	}
	if w := got.Warnings[0]; *w.End-*w.Start < 15*time.Second || *w.Start < 25*time.Second || *w.End > 75*time.Second {
		t.Errorf("from %v to %v: %s", *w.Start, *w.End, w.Message)
	}
}

// square is a square wave of 400 Hz.
type square struct {
	frames, at int
	level      float32
}

func (s *square) Read(dst []float32) (int, error) {
	if s.at == s.frames {
		return 0, io.EOF
	}
	n := min(len(dst), s.frames-s.at)
	for i := range n {
		dst[i] = s.level
		if (s.at+i)/20%2 == 0 {
			dst[i] = -s.level
		}
	}
	s.at += n
	return n, nil
}

func TestNothingSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		level float64 // of the loudest, linear
		want  scout.WarningCode
		says  string
	}{
		"digital silence":      {0, scout.WarningSilence, "only silence"},
		"noise at -86 dBFS":    {5e-5, scout.WarningSilence, "-8"},
		"very quiet, -60 dBFS": {1e-3, scout.WarningNothingSaid, "louder"},
		"loud, and not a word": {0.3, scout.WarningNothingSaid, "-10 dBFS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, _ := transcriber(&opinions{results: []func() (*scout.Hypothesis, error){empty(-0.0001)}})
			got, err := tr.Transcribe(t.Context(), &square{frames: 3 * rate, level: float32(test.level)}, speech.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Warnings) != 1 || got.Warnings[0].Code != test.want || !strings.Contains(got.Warnings[0].Message, test.says) || !got.Complete() {
				t.Errorf("%+v, want %s with %q", got.Warnings, test.want, test.says)
			}
		})
	}
}

// TestFaintSpeechIsAmplified checks what the model gets for very quiet audio.
func TestFaintSpeechIsAmplified(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		level float32
		want  float32 // largest of the decoded samples; 0 if none are
	}{
		"loud":              {0.1, 0.1},
		"quiet, -50 dBFS":   {3e-3, 3e-3},
		"faint, -66 dBFS":   {5e-4, 0.5},
		"fainter, -90 dBFS": {3e-5, 0.5},
		"digital silence":   {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &opinions{results: []func() (*scout.Hypothesis, error){says("we met him", -0.05)}}
			tr, _ := transcriber(o)
			got, err := tr.Transcribe(t.Context(), &square{frames: 3 * rate, level: test.level}, speech.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if test.want == 0 {
				if len(o.requests) > 0 || got.Text() != "" || len(got.Warnings) != 1 {
					t.Errorf("%d requests, %+v", len(o.requests), got)
				}
				return
			}
			if largest := slices.Max(o.requests[0].Samples); largest < 0.99*test.want || largest > 1.01*test.want || got.Text() != "we met him" {
				t.Errorf("largest sample %v, want %v; %q", largest, test.want, got.Text())
			}
		})
	}
}

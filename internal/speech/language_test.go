package speech_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// polyglot answers as a model of several languages does: it detects a language unless one is given, and writes the language
// into each word.
type polyglot struct {
	detects func(from, to int) (code string, prob float64)
}

func (p *polyglot) Transcribe(_ context.Context, request engine.Request) (*scout.Hypothesis, error) {
	from := speechtest.PositionOf(request.Samples[0])
	to := from + len(request.Samples)
	result := hear(from, to, true)
	result.Language = request.Language
	if result.Language == "" {
		code, prob := p.detects(from, to)
		result.Language, result.LanguageProb = code, &prob
	}
	for i := range result.Words {
		result.Words[i].Text = fmt.Sprintf("%s-%s", result.Language, result.Words[i].Text)
	}
	return result, nil
}

func spokenIn(t *testing.T, p *polyglot, source *tape, o speech.Options) *scout.Transcript {
	t.Helper()
	tr, _ := transcriber(p)
	got, err := tr.Transcribe(t.Context(), source, o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestLanguageOfARecording(t *testing.T) {
	t.Parallel()
	const tail = 2 * rate // the last piece is a rest of 2 s
	for name, c := range map[string]struct {
		detects  func(from, to int) (string, float64)
		given    string
		language string
		prob     float64
		of       func(at time.Duration) string // the language of each segment
	}{
		"one language": {
			detects:  func(int, int) (string, float64) { return "de", 0.9 },
			language: "de", prob: 0.9, of: func(time.Duration) string { return "de" },
		},
		"given, so that nothing is detected": {
			detects: func(int, int) (string, float64) { panic("asked") },
			given:   "fr", language: "fr", of: func(time.Duration) string { return "fr" },
		},
		"a piece in the middle that is taken for another language without certainty": {
			detects: func(from, _ int) (string, float64) {
				if from > 20*rate && from < 40*rate {
					return "nl", 0.4
				}
				return "de", 0.9
			},
			language: "de", prob: 0.9, of: func(time.Duration) string { return "de" },
		},
		"a short rest that is taken for another language": {
			detects: func(from, to int) (string, float64) {
				if to-from < 5*rate && from > 50*rate {
					return "nl", 0.99
				}
				return "de", 0.8
			},
			language: "de", prob: 0.8, of: func(time.Duration) string { return "de" },
		},
		"another language from the middle on": {
			detects: func(from, _ int) (string, float64) {
				if from >= 30*rate {
					return "fr", 0.7
				}
				return "en", 0.9
			},
			language: "en", prob: 0.9, of: nil,
		},
		"doubt from the first piece to the last": {
			detects:  func(int, int) (string, float64) { return "sv", 0.3 },
			language: "sv", prob: 0.3, of: func(time.Duration) string { return "sv" },
		},
	} {
		for parallel := 1; parallel <= 3; parallel += 2 {
			t.Run(fmt.Sprintf("%s, %d at a time", name, parallel), func(t *testing.T) {
				t.Parallel()
				p := &polyglot{detects: c.detects}
				source := &tape{frames: 60*rate + tail}
				got := spokenIn(t, p, source, speech.Options{Language: c.given, Parallel: parallel})
				if got.Language != c.language {
					t.Errorf("language %q, want %q", got.Language, c.language)
				}
				switch {
				case c.prob == 0 && got.LanguageProb != nil, c.prob > 0 && (got.LanguageProb == nil || math.Abs(*got.LanguageProb-c.prob) > 1e-6):
					t.Errorf("probability %v, want %v", got.LanguageProb, c.prob)
				}
				seen := map[string]bool{}
				for _, s := range got.Segments {
					seen[s.Language] = true
					if c.of != nil && s.Language != c.of(s.Start) {
						t.Errorf("%v to %v is %q", s.Start, s.End, s.Language)
					}
				}
				if c.of == nil && (len(seen) != 2 || !seen["en"] || !seen["fr"]) {
					t.Errorf("languages %v, want both", seen)
				}
			})
		}
	}
}

// A transcription that continues from a checkpoint knows the languages that were heard before.
func TestLanguagesContinueFromACheckpoint(t *testing.T) {
	t.Parallel()
	p := &polyglot{detects: func(from, _ int) (string, float64) {
		if from < 15*rate {
			return "de", 0.9
		}
		return "nl", 0.4
	}}
	var saved []speech.Checkpoint
	options := speech.Options{Saved: func(c speech.Checkpoint) { saved = append(saved, c) }}
	whole := spokenIn(t, p, &tape{frames: 60 * rate}, options)
	for i := range saved[:len(saved)-1] {
		resumed := spokenIn(t, p, &tape{frames: 60 * rate}, speech.Options{From: &saved[i]})
		if resumed.Text() != whole.Text() || resumed.Language != whole.Language || *resumed.LanguageProb != *whole.LanguageProb {
			t.Errorf("continued after piece %d: %q in %q (%v), want %q in %q (%v)", i,
				resumed.Text(), resumed.Language, *resumed.LanguageProb, whole.Text(), whole.Language, *whole.LanguageProb)
		}
	}
	_, err := func() (*scout.Transcript, error) {
		tr, _ := transcriber(p)
		return tr.Transcribe(t.Context(), &tape{frames: 60 * rate}, speech.Options{From: &saved[0], Translate: true})
	}()
	if scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("a checkpoint without translation was continued with it: %v", err)
	}
}

// The language of a piece stays known if its text is doubted and it is heard again in parts and in other ways.
func TestADoubtedPieceKeepsItsLanguage(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(request engine.Request) (scout.StopReason, float64){
		"doubtful": func(engine.Request) (scout.StopReason, float64) { return scout.StopEnd, -0.5 },
		"repeats until it is short": func(r engine.Request) (scout.StopReason, float64) {
			if len(r.Samples) > 4*rate {
				return scout.StopRepeats, -0.1
			}
			return scout.StopEnd, -0.1
		},
	} {
		calls := 0
		r := recognizerFunc(func(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
			calls++
			p := &polyglot{detects: func(int, int) (string, float64) { return "zh", 0.8 }}
			if calls > 1 && request.Language != "zh" {
				t.Errorf("%s: request %d asks for %q", name, calls, request.Language)
			}
			result, err := p.Transcribe(ctx, request)
			var logProb float64
			result.Stop, logProb = stop(request)
			result.Tokens = []scout.Token{{LogProb: &logProb}}
			return result, err
		})
		tr, _ := transcriber(r)
		got, err := tr.Transcribe(t.Context(), &tape{frames: 8 * rate}, speech.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if calls < 2 || got.Language != "zh" || got.LanguageProb == nil {
			t.Errorf("%s: %d requests, language %q (%v)", name, calls, got.Language, got.LanguageProb)
		}
	}
}

// asked records what the requests ask for.
type asked struct{ requests []engine.Request }

func (a *asked) Transcribe(_ context.Context, request engine.Request) (*scout.Hypothesis, error) {
	a.requests = append(a.requests, request)
	from := speechtest.PositionOf(request.Samples[0])
	return hear(from, from+len(request.Samples), true), nil
}

func TestRequestsSayWhatIsWanted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options speech.Options
		frames  int
		beam    int
		tail    time.Duration
	}{
		"normal":          {speech.Options{Language: "de"}, 20 * rate, 0, 0},
		"thorough":        {speech.Options{Language: "de", Effort: speech.EffortThorough, Translate: true}, 20 * rate, 5, 5 * time.Second},
		"quick":           {speech.Options{Effort: speech.EffortQuick}, 20 * rate, 0, 0},
		"a word":          {speech.Options{}, rate, 8, 30 * time.Second},
		"a word, quickly": {speech.Options{Effort: speech.EffortQuick}, rate, 0, 0},
	} {
		a := &asked{}
		tr, _ := transcriber(a)
		got, err := tr.Transcribe(t.Context(), &tape{frames: c.frames}, c.options)
		if err != nil {
			t.Fatal(err)
		}
		if got.Translated != c.options.Translate {
			t.Errorf("%s: translated %v", name, got.Translated)
		}
		for _, r := range a.requests {
			if r.Language != c.options.Language || r.Translate != c.options.Translate || r.Beam != c.beam || r.Tail != c.tail {
				t.Errorf("%s: language %q, translate %v, beam %d, tail %v", name, r.Language, r.Translate, r.Beam, r.Tail)
			}
		}
	}
}

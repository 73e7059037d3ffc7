package speech_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// ear is a model that hears one text in whatever it is given, and scores changes of it.
type ear struct {
	text     string    // "word:-0.5 …", each word a fifth of a second, the first after a fifth
	scores   []float64 // own less other, of each change in turn
	err      error     // of requests for scores
	language string

	requests []engine.Request
}

func (e *ear) Transcribe(_ context.Context, r engine.Request) (*scout.Hypothesis, error) {
	e.requests = append(e.requests, r)
	h := &scout.Hypothesis{Stop: scout.StopEnd, Language: e.language}
	if r.Score != nil {
		for range r.Score.Changes {
			if len(e.scores) > 0 {
				h.Changes, e.scores = append(h.Changes, scout.ChangeScore{Own: e.scores[0] - 7, Other: -7}), e.scores[1:]
			}
		}
		return h, e.err
	}
	h.Words = timedWords(e.text)
	for _, w := range h.Words {
		h.Tokens = append(h.Tokens, scout.Token{LogProb: w.LogProb})
	}
	return h, nil
}

// asked returns what was asked about, "words: from-to changed", by request.
func (e *ear) asked() []string {
	var list []string
	for i := range e.requests {
		if s := e.requests[i].Score; s != nil {
			for _, c := range s.Changes {
				list = append(list, strings.Join(s.Words[:c.From], " ")+"|"+strings.Join(s.Words[c.From:c.To], " ")+">"+strings.Join(c.Words, " "))
			}
		}
	}
	return list
}

func timedWords(text string) []scout.Word {
	h, err := says(text, -0.05)()
	if err != nil {
		return nil
	}
	for i := range h.Words {
		start := time.Duration(i+1) * 200 * time.Millisecond
		end := start + 180*time.Millisecond
		h.Words[i].Start, h.Words[i].End = &start, &end
		if word, p, ok := strings.Cut(h.Words[i].Text, ":"); ok {
			odds := map[string]float64{"sure": -0.01, "unsure": -2}[p]
			h.Words[i].Text, h.Words[i].LogProb = word, &odds
		}
	}
	return h.Words
}

func TestVote(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for situation, c := range map[string]struct {
		accurate, fast ear
		options        speech.Options
		words          []scout.Word
		languages      string
		want           string
		askedAccurate  string
		askedFast      string
		votes          map[string]float64
		heardByFast    int // pieces
	}{
		"both keys turn": {
			accurate: ear{text: "we run:unsure home", scores: []float64{1}}, fast: ear{text: "we go:sure home", scores: []float64{1.5}},
			want: "we go home", askedAccurate: "we|run>go", askedFast: "we|go>run", votes: map[string]float64{"fast": 1}, heardByFast: 1,
		},
		"the first key alone": {
			accurate: ear{text: "we run:unsure home", scores: []float64{2}}, fast: ear{text: "we go:sure home", scores: []float64{1.5}},
			want: "we run home", askedAccurate: "we|run>go", askedFast: "we|go>run", votes: map[string]float64{"accurate": 1}, heardByFast: 1,
		},
		"the accurate model is sure": {
			accurate: ear{text: "we run:sure home"}, fast: ear{text: "we go:sure home"},
			want: "we run home", heardByFast: 1,
		},
		"the text of the fast model is known": {
			accurate: ear{text: "we run:unsure home", scores: []float64{1}}, fast: ear{scores: []float64{1.5}}, words: timedWords("we go:sure home"),
			want: "we go home", askedAccurate: "we|run>go", askedFast: "we|go>run", votes: map[string]float64{"fast": 1},
		},
		"it is known, and differs at its end": {
			accurate: ear{text: "we go run:unsure"}, words: timedWords("we go home:sure"),
			want: "we go run",
		},
		"the accurate model gives no scores": {
			accurate: ear{text: "we run:unsure home", err: broken}, fast: ear{text: "we go:sure home"},
			want: "we run home", askedAccurate: "we|run>go", votes: map[string]float64{"failed": 1}, heardByFast: 1,
		},
		"the fast model gives none": {
			accurate: ear{text: "we run:unsure home", scores: []float64{1}}, fast: ear{text: "we go:sure home"},
			want: "we run home", askedAccurate: "we|run>go", askedFast: "we|go>run", votes: map[string]float64{"failed": 1}, heardByFast: 1,
		},
		"a language that the fast model does not know": {
			accurate: ear{text: "we run:unsure home", language: "de"}, fast: ear{text: "we go:sure home"}, want: "we run home",
		},
		"a language that it knows": {
			accurate: ear{text: "we run:unsure home", language: "en", scores: []float64{1}}, fast: ear{text: "we go:sure home", scores: []float64{1.5}}, languages: "en",
			want: "we go home", askedAccurate: "we|run>go", askedFast: "we|go>run", votes: map[string]float64{"fast": 1}, heardByFast: 1,
		},
		"a translation": {
			accurate: ear{text: "we run:unsure home"}, fast: ear{text: "we go:sure home"}, options: speech.Options{Translate: true}, want: "we run home",
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			b, registry := transcriber(&c.accurate)
			o := c.options
			if o.Language == "" && c.accurate.language == "" {
				o.Language = "en"
			}
			o.Words, o.Trait = true, speech.Trait{Rechecks: true}
			o.Vote = &speech.Vote{Fast: &c.fast, Languages: []string{"en"}, Rule: vote.Default(), Words: c.words}
			transcript, err := b.Transcribe(context.Background(), &tape{frames: 5 * rate / 2}, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := transcript.Text(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := strings.Join(c.accurate.asked(), "; "); got != c.askedAccurate {
				t.Errorf("the accurate model was asked %q, want %q", got, c.askedAccurate)
			}
			if got := strings.Join(c.fast.asked(), "; "); got != c.askedFast {
				t.Errorf("the fast model was asked %q, want %q", got, c.askedFast)
			}
			heard := len(c.fast.requests) - len(c.fast.asked())
			if heard != c.heardByFast {
				t.Errorf("the fast model decoded %d pieces, want %d", heard, c.heardByFast)
			}
			for _, result := range []string{"fast", "accurate", "failed"} {
				if got := count(t, registry, "scout_word_votes_total", result); got != c.votes[result] {
					t.Errorf("%v votes %s, want %v", got, result, c.votes[result])
				}
			}
			if first := c.accurate.requests[0]; first.Keep == o.Translate {
				t.Errorf("the accurate model was told to keep what it hears: %v", first.Keep)
			}
		})
	}
}

// Measurements get every piece before the vote, with scores of all differences.
func TestWatchedVote(t *testing.T) {
	t.Parallel()
	accurate := &ear{text: "we run:sure home now:unsure then", scores: []float64{3, 1}}
	fast := &ear{text: "we go:sure home soon:sure then", scores: []float64{-1, 1.5}}
	b, _ := transcriber(accurate)
	var before string
	var scores []vote.Scores
	o := speech.Options{Words: true, Language: "en", Trait: speech.Trait{Rechecks: true}}
	o.Vote = &speech.Vote{Fast: fast, Languages: []string{"en"}, Rule: vote.Default(), Watch: func(d speech.Decoded, b *vote.Ballot) {
		for _, w := range d.Words {
			before += w.Text + " "
		}
		for _, d := range b.Differences {
			scores = append(scores, *d.Scores)
		}
	}}
	transcript, err := b.Transcribe(context.Background(), &tape{frames: 5 * rate / 2}, o)
	if err != nil {
		t.Fatal(err)
	}
	if before != "we run home now then " || transcript.Text() != "we run home soon then" {
		t.Errorf("%q before, %q after", before, transcript.Text())
	}
	if len(scores) != 2 || scores[0] != (vote.Scores{Accurate: 3, Fast: 1}) || scores[1] != (vote.Scores{Accurate: 1, Fast: -1.5}) {
		t.Errorf("%+v", scores)
	}
}

// count is a counter with a label.
func count(t *testing.T, registry prom.Registry, name, label string) (sum float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

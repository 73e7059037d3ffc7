package speech_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// withOdds gives all words of a hypothesis a log-probability, and one token each.
func withOdds(h *scout.Hypothesis, logProb float64) *scout.Hypothesis {
	heard := *h
	heard.EndLogProb = &logProb
	heard.Words, heard.Tokens = nil, nil
	for _, w := range h.Words {
		w.LogProb = &logProb
		heard.Words = append(heard.Words, w)
		heard.Tokens = append(heard.Tokens, scout.Token{ID: -1, LogProb: &logProb})
	}
	return &heard
}

// TestLiveLosesNoWordThatWasShown dictates to a model that is lost as soon as it hears the silence after the last word, as
// when a device is unplugged. Words that were shown stay, unless other words take their place or the model was not sure of
// them.
func TestLiveLosesNoWordThatWasShown(t *testing.T) {
	t.Parallel()
	const said = 4
	first := func(text string, n int, logProb float64) func() *scout.Hypothesis {
		return func() *scout.Hypothesis {
			h := withOdds(hear(0, n*wordFrames, true), logProb)
			for i := range h.Words {
				h.Words[i].Text = text + h.Words[i].Text
			}
			return h
		}
	}
	nothing := func(logProb float64) func() *scout.Hypothesis {
		return func() *scout.Hypothesis { return &scout.Hypothesis{Stop: scout.StopEnd, EndLogProb: &logProb} }
	}
	for situation, c := range map[string]struct {
		shown float64 // log-probability of the words that are shown
		lost  func() *scout.Hypothesis
		want  string
		aside bool
	}{
		"no words, of which it is not sure":  {-0.05, nothing(-0.4), script(said), false},
		"only the first word, and doubtful":  {-0.05, first("", 1, -0.4), script(said), false},
		"only the first word":                {-0.05, first("", 1, -0.05), script(said), false},
		"other words, likelier":              {-0.2, first("x", said, -0.05), "xw0x xw1x xw2x xw3x", false}, // so few are not committed
		"shown words that nobody believes":   {-0.9, nothing(-0.4), "", true},
		"shown words that are only doubtful": {-0.4, first("", 1, -0.05), script(1), false},
		"all words":                          {-0.05, first("", said, -0.05), script(said), false},
	} {
		for _, silence := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second} {
			t.Run(situation+", "+silence.String(), func(t *testing.T) {
				t.Parallel()
				p := &page{t: t}
				lost := false
				recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
					if err := ctx.Err(); err != nil {
						return nil, err
					}
					from := speechtest.PositionOf(r.Samples[0])
					to := min(from+len(r.Samples), 100*wordFrames)
					lost = lost || to > said*wordFrames+rate/50
					if !lost {
						return withOdds(hear(from, to, true), c.shown), nil
					}
					if from > 0 {
						return nothing(-0.001)(), nil // of a part of the piece
					}
					return c.lost(), nil
				})
				frames := said*wordFrames + int(silence.Seconds()*rate)
				o := p.options(speech.LiveOptions{Recorded: onDisk(frames)})
				var aside []scout.SetAside
				var shown string
				committed, partial := o.Committed, o.Partial
				o.Committed = func(c speech.LiveCommitted) { committed(c); aside = append(aside, c.SetAside...) }
				o.Partial = func(l speech.LivePartial) {
					partial(l)
					if !lost {
						shown = strings.TrimSpace(p.text + l.Text)
					}
				}
				sim := &speech.Simulation{
					Samples: (pauses{said + 100, 100}).tapeOf(frames), StopAt: segment.Duration(int64(frames)), Block: 20 * time.Millisecond,
					Cost: func() time.Duration { return 10 * time.Millisecond },
				}
				registry := prom.NewRegistry()
				var log bytes.Buffer
				scope := observe.NewScope(slog.New(slog.NewTextHandler(&log, nil)), registry, nil)
				live, err := speech.NewLive(scope, observe.NewFailures(scope), recognizer, o)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := live.Simulate(t.Context(), sim); err != nil {
					t.Fatal(err)
				}
				counted, err := testutil.GatherAndCount(registry, "scout_pieces_set_aside_total")
				if logged := strings.Count(log.String(), "msg=text_lost"); err != nil || (counted > 0) != c.aside || (logged > 0) != c.aside {
					t.Errorf("counted %v, logged %d times, want %v", counted > 0, logged, c.aside)
				}
				if !strings.HasPrefix(shown, script(said-1)) {
					t.Fatalf("only %q was shown", shown)
				}
				want := c.want
				if want == script(said) {
					want = shown // the last word may have been cut through
					if situation == "all words" {
						want = script(said)
					}
				}
				if got := strings.TrimSpace(p.text); got != want || c.aside != (len(aside) > 0) {
					t.Errorf("text %q, want %q; set aside %v", got, want, aside)
				}
			})
		}
	}
}

// TestSilentEnd transcribes a recording that ends in silence, to a model that finds nothing, or only a first word that it
// repeats, in audio that does. The words must be there, nothing is set aside, and one more decode is enough.
func TestSilentEnd(t *testing.T) {
	t.Parallel()
	for situation, lost := range map[string]func() (*scout.Hypothesis, error){
		"no words, not sure": empty(-0.4),
		"no words, sure":     empty(-0.0001),
		"a loop":             lengthy(strings.Repeat("24, ", 30), -0.2),
	} {
		for _, quiet := range []int{rate / 2, 2 * rate, 4 * rate} {
			t.Run(situation, func(t *testing.T) {
				t.Parallel()
				const frames = 4 * wordFrames
				asked := 0
				tr, _ := transcriber(recognizerFunc(func(_ context.Context, r engine.Request) (*scout.Hypothesis, error) {
					asked++
					end := len(r.Samples)
					for end > 0 && r.Samples[end-1] == 0 {
						end--
					}
					if len(r.Samples)-end > rate/5 {
						return lost()
					}
					from := speechtest.PositionOf(r.Samples[0])
					return withOdds(hear(from, from+end, true), -0.05), nil
				}))
				got, err := tr.Transcribe(t.Context(), &thenQuiet{tape: tape{frames: frames}, quiet: quiet}, speech.Options{Words: true})
				if err != nil {
					t.Fatal(err)
				}
				if got.Text() != script(4) || len(got.SetAside) > 0 || len(got.Warnings) > 0 || asked != 2 {
					t.Errorf("%q after %d requests; set aside %+v, warnings %+v", got.Text(), asked, got.SetAside, got.Warnings)
				}
			})
		}
	}
}

// thenQuiet is a tape, then silence.
type thenQuiet struct {
	tape  tape
	quiet int
}

func (s *thenQuiet) Read(dst []float32) (int, error) {
	if n, err := s.tape.Read(dst); n > 0 {
		return n, err
	}
	if s.quiet == 0 {
		return s.tape.Read(nil)
	}
	n := min(s.quiet, len(dst))
	clear(dst[:n])
	s.quiet -= n
	return n, nil
}

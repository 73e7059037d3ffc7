package speech_test

import (
	"context"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// opinions is a recognizer that gives another answer each time it is asked.
type opinions struct {
	mu       sync.Mutex
	results  []func() (*scout.Hypothesis, error)
	requests []engine.Request
}

func (o *opinions) Transcribe(_ context.Context, request engine.Request) (*scout.Hypothesis, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.requests)
	o.requests = append(o.requests, request)
	return o.results[min(n, len(o.results)-1)]()
}

// says answers with words of one token each, all with the same log-probability, except that words marked with an
// exclamation mark have ten times as much. Word k lies at k seconds.
func says(text string, logProb float64) func() (*scout.Hypothesis, error) {
	return func() (*scout.Hypothesis, error) {
		ending := logProb
		r := &scout.Hypothesis{Text: strings.ReplaceAll(text, "!", ""), Stop: scout.StopEnd, EndLogProb: &ending}
		for k, word := range strings.Fields(text) {
			odds := logProb
			if strings.HasSuffix(word, "!") {
				odds *= 10
			}
			start := time.Duration(k) * time.Second
			end := start + 500*time.Millisecond
			r.Words = append(r.Words, scout.Word{Text: strings.TrimSuffix(word, "!"), LogProb: &odds, Start: &start, End: &end})
			r.Tokens = append(r.Tokens, scout.Token{ID: int32(k + 3), LogProb: &odds})
		}
		return r, nil
	}
}

func fails(err error) func() (*scout.Hypothesis, error) {
	return func() (*scout.Hypothesis, error) { return nil, err }
}

func TestSecondLook(t *testing.T) {
	t.Parallel()
	type answers = []func() (*scout.Hypothesis, error)
	ended := scout.Errorf(scout.CodeAudioSetAside, "ended twice")
	tests := map[string]struct {
		effort  speech.Effort
		answers answers
		want    string
		asked   int
	}{
		"a confident piece is heard once":        {answers: answers{says("we met him", -0.1)}, want: "we met him", asked: 1},
		"a doubtful piece is heard again":        {answers: answers{says("we mat! him", -0.3), says("we met him", -0.3), says("we mat! him", -0.3)}, want: "we met him", asked: 3},
		"each hearing gives its better part":     {answers: answers{says("we mat! him there", -0.3), says("we met him their!", -0.3), says("we mat! him there", -0.3)}, want: "we met him there", asked: 3},
		"quick never looks again":                {effort: speech.EffortQuick, answers: answers{says("we mat! him", -3)}, want: "we mat him", asked: 1},
		"thorough looks at slighter doubts":      {effort: speech.EffortThorough, answers: answers{says("we mat him", -0.2), says("we met him", -0.1)}, want: "we met him", asked: 2},
		"a look that fails leaves what is known": {answers: answers{says("we met him", -0.4), fails(ended)}, want: "we met him", asked: 3},
		"a clear look is enough":                 {answers: answers{says("we mat! him", -0.3), says("we met him", -0.1)}, want: "we met him", asked: 2},
		"an empty look leaves what is known":     {answers: answers{says("we met him", -0.4), says("", -0.1)}, want: "we met him", asked: 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &opinions{results: test.answers}
			tr, registry := transcriber(o)
			got, err := tr.Transcribe(context.Background(), &tape{frames: 5 * rate}, speech.Options{Effort: test.effort, Words: true})
			if err != nil {
				t.Fatal(err)
			}
			if got.Text() != test.want || len(o.requests) != test.asked {
				t.Fatalf("%q after %d requests, want %q after %d", got.Text(), len(o.requests), test.want, test.asked)
			}
			again := 0
			if test.asked > 1 {
				again = 1
			}
			if n, err := testutil.GatherAndCount(registry, "scout_pieces_decoded_again_total"); err != nil || n != again {
				t.Errorf("%d counters of pieces decoded again, want %d (%v)", n, again, err)
			}
			first := o.requests[0].Samples
			for _, r := range o.requests[1:] {
				if len(r.Known) == 0 {
					t.Error("a look does not know what was heard before")
				}
				if delay := len(r.Samples) - len(first); delay < 0 || delay >= 384 {
					t.Errorf("a look begins %d frames later", delay)
				}
			}
		})
	}
}

// TestSecondLookKeepsTime uses a word that only a look with silence before it has: its time must be that of the input.
func TestSecondLookKeepsTime(t *testing.T) {
	t.Parallel()
	o := &opinions{results: []func() (*scout.Hypothesis, error){says("we mat! him", -0.3), says("we met him", -0.2), fails(scout.Errorf(scout.CodeAudioSetAside, "ended"))}}
	tr, _ := transcriber(o)
	got, err := tr.Transcribe(context.Background(), &tape{frames: 5 * rate}, speech.Options{Words: true})
	if err != nil {
		t.Fatal(err)
	}
	late := len(o.requests[1].Samples) - len(o.requests[0].Samples)
	if late == 0 {
		t.Fatal("the first look is not shifted")
	}
	shift := time.Duration(late) * time.Second / rate
	words := got.Segments[0].Words
	if want := time.Second - shift; words[1].Text != "met" || (*words[1].Start-want).Abs() > time.Microsecond {
		t.Errorf("%q is at %v, want \"met\" at %v", words[1].Text, *words[1].Start, want)
	}
	if *words[0].Start != 0 {
		t.Errorf("the first word is at %v, before the input begins or later", *words[0].Start)
	}
	if average := got.Segments[0].AvgLogProb; average == nil || math.Abs(*average+0.2) > 0.11 {
		t.Errorf("average log-probability %v", average)
	}
}

// TestSecondLookGivesUpWithTheEngine checks that errors which concern every piece are returned.
func TestSecondLookGivesUpWithTheEngine(t *testing.T) {
	t.Parallel()
	o := &opinions{results: []func() (*scout.Hypothesis, error){says("we met him", -0.4), fails(scout.Errorf(scout.CodeEngineUnavailable, "rests"))}}
	tr, _ := transcriber(o)
	if _, err := tr.Transcribe(context.Background(), &tape{frames: 5 * rate}, speech.Options{}); scout.CodeOf(err) != scout.CodeEngineUnavailable {
		t.Fatalf("got %v", err)
	}
}

// TestLeadIn uses a model that finds nothing in audio that begins with two seconds of silence, and everything without
// them.
func TestLeadIn(t *testing.T) {
	t.Parallel()
	source := &quietThenTape{quiet: 2 * rate, tape: tape{frames: 4 * rate}}
	whole := 0
	o := &deaf{listener: listener{timed: true}, longest: 5 * rate, whole: &whole}
	tr, _ := transcriber(o)
	got, err := tr.Transcribe(context.Background(), source, speech.Options{Words: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := script(source.tape.words()); got.Text() != want || whole != 1 {
		t.Fatalf("got %q after %d whole pieces, want %q", got.Text(), whole, want)
	}
	if start := *got.Segments[0].Words[0].Start; (start - 2*time.Second).Abs() > time.Millisecond {
		t.Errorf("the first word is at %v, want 2 s", start)
	}
}

// TestSoftLeadIn uses a model that finds nothing in audio that is long. Its beginning is so soft beside the rest that it is
// left out, but somebody speaks there: those words are in the text too.
func TestSoftLeadIn(t *testing.T) {
	t.Parallel()
	for _, softly := range []int{4, 8, 16} { // words; fewer are so soft on a tape that they are amplified
		const loudly = 8
		all := softly + loudly
		soft := func(k int) bool { return k < softly }
		whole := 0
		o := &deaf{listener: listener{timed: true}, longest: (all - 1) * wordFrames, whole: &whole}
		tr, _ := transcriber(o)
		got, err := tr.Transcribe(t.Context(), &sound{samples: tapeWith(all*wordFrames, soft)}, speech.Options{Words: true})
		if err != nil {
			t.Fatal(err)
		}
		if want := script(all); got.Text() != want || whole == 0 {
			t.Errorf("%d soft words: got %q, want %q", softly, got.Text(), want)
		}
	}
}

// sound is a source of samples.
type sound struct{ samples []float32 }

func (s *sound) Read(dst []float32) (int, error) {
	if len(s.samples) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, s.samples)
	s.samples = s.samples[n:]
	return n, nil
}

// quietThenTape is silence, then a tape.
type quietThenTape struct {
	quiet int
	tape  tape
}

func (s *quietThenTape) Read(dst []float32) (int, error) {
	if s.quiet == 0 {
		return s.tape.Read(dst)
	}
	n := min(s.quiet, len(dst))
	clear(dst[:n])
	s.quiet -= n
	return n, nil
}

// deaf finds nothing in audio that is too long, and what listener finds in any other; it skips silence before a tape.
type deaf struct {
	listener
	longest int
	whole   *int
}

func (d *deaf) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	if len(request.Samples) > d.longest {
		*d.whole++
		return &scout.Hypothesis{Stop: scout.StopEnd}, nil
	}
	silent := 0
	for silent < len(request.Samples) && request.Samples[silent] == 0 {
		silent++
	}
	silent = max(0, silent-1) // the first frame of a tape is silent too
	request.Samples = request.Samples[silent:]
	result, err := d.listener.Transcribe(ctx, request)
	if result != nil {
		for i := range result.Words {
			*result.Words[i].Start += segment.Duration(int64(silent))
			*result.Words[i].End += segment.Duration(int64(silent))
		}
	}
	return result, err
}

// TestMajorityOfOneWord checks that a short piece gets the word on which most looks agree, not the one that is slightly
// more certain.
func TestMajorityOfOneWord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		frames  int
		answers []func() (*scout.Hypothesis, error)
		want    string
	}{
		"two of three":      {rate, []func() (*scout.Hypothesis, error){says("Stop.", -0.4), says("Tom.", -0.3), says("stop", -0.5)}, "Stop."},
		"three of them":     {rate, []func() (*scout.Hypothesis, error){says("Stop.", -0.4), says("Tom.", -0.3), says("Top", -0.5)}, "Tom."},
		"more than a word":  {5 * rate / 2, []func() (*scout.Hypothesis, error){says("Stop.", -0.4), says("Tom.", -0.3), says("stop", -0.5)}, "Tom."},
		"the surer of them": {rate, []func() (*scout.Hypothesis, error){says("stop", -0.5), says("Tom.", -0.3), says("Stop?", -0.4)}, "Stop?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, _ := transcriber(&opinions{results: test.answers})
			got, err := tr.Transcribe(t.Context(), &tape{frames: test.frames}, speech.Options{Words: true})
			if err != nil || got.Text() != test.want {
				t.Fatalf("%q, want %q (%v)", got.Text(), test.want, err)
			}
		})
	}
}

package speech_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/speech/speechtest"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	testrun.Rounds(30)
	testrun.Roomy()
	goleak.VerifyTestMain(m)
}

const (
	rate       = speechtest.RateHz
	wordFrames = speechtest.WordFrames
)

// tape is a source of the sound of speechtest.
type tape struct {
	frames int
	at     atomic.Int64
	block  int   // frames of one Read; 0: as many as requested
	broken error // returned in place of io.EOF
}

func (s *tape) Read(dst []float32) (int, error) {
	at := int(s.at.Load())
	if at == s.frames {
		if s.broken != nil {
			return 0, s.broken
		}
		return 0, io.EOF
	}
	n := min(len(dst), s.frames-at)
	if s.block > 0 {
		n = min(n, s.block)
	}
	for i := range n {
		dst[i] = speechtest.SampleAt(at + i)
	}
	s.at.Add(int64(n))
	return n, nil
}

func (s *tape) words() int { return s.frames / wordFrames }

func script(n int) string { return speechtest.Script(0, n) }

// listener is a recognizer that reads the words of a tape. A word that is cut through becomes a wrong word, as with a
// real model.
type listener struct {
	timed bool
	mute  func(k int) bool                              // whether word k is not said; nil for none
	fault func(from, to int) (*scout.Hypothesis, error) // may answer instead
	calls atomic.Int64
}

func (l *listener) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	l.calls.Add(1)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	from := speechtest.PositionOf(request.Samples[0])
	to := from + len(request.Samples)
	if l.fault != nil {
		if result, err := l.fault(from, to); result != nil || err != nil {
			return result, err
		}
	}
	return hearSaid(from, to, l.timed, func(k int) bool { return l.mute == nil || !l.mute(k) }), nil
}

func hear(from, to int, timed bool) *scout.Hypothesis {
	return hearSaid(from, to, timed, func(int) bool { return true })
}

func hearSaid(from, to int, timed bool, said func(k int) bool) *scout.Hypothesis {
	result := &scout.Hypothesis{Stop: scout.StopEnd}
	var words []string
	for k := from / wordFrames; k*wordFrames < to; k++ {
		if !said(k) {
			continue
		}
		start, end := k*wordFrames, (k+1)*wordFrames
		text := speechtest.Word(k)
		if start < from || end > to {
			if min(end, to)-max(start, from) < wordFrames/3 {
				continue
			}
			text = fmt.Sprintf("garbled%d", k)
		}
		words = append(words, text)
		first, last := segment.Duration(int64(start-from)), segment.Duration(int64(end-from))
		if timed {
			result.Words = append(result.Words, scout.Word{Text: text, Start: &first, End: &last})
		}
	}
	result.Text = strings.Join(words, " ")
	result.AudioTokens, result.PromptTokens = (to-from)/160, 2
	return result
}

func transcriber(r speech.Recognizer) (*speech.Batch, prom.Registry) {
	registry := prom.NewRegistry()
	scope := observe.NewScope(nil, registry, nil)
	return speech.New(scope, observe.NewFailures(scope), r), registry
}

// TestEveryWordOnce transcribes tapes of any length in any blocks: although the pieces are cut in the middle of words,
// every word is in the transcript exactly once.
func TestEveryWordOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		source := &tape{
			frames: rapid.IntRange(1, 75).Draw(rt, "words") * wordFrames,
			block:  rapid.SampledFrom([]int{0, 160, 999, 4096}).Draw(rt, "block"),
		}
		l := &listener{timed: rapid.Bool().Draw(rt, "timed")}
		tr, _ := transcriber(l)
		var last speech.Progress
		got, err := tr.Transcribe(context.Background(), source, speech.Options{
			Parallel: rapid.IntRange(1, 3).Draw(rt, "parallel"),
			Progress: func(p speech.Progress) {
				if p.Done < last.Done {
					rt.Fatalf("progress went back from %v to %v", last.Done, p.Done)
				}
				last = p
			},
		})
		if err != nil {
			rt.Fatal(err)
		}
		if want := script(source.words()); got.Text() != want {
			rt.Fatalf("got  %s\nwant %s", got.Text(), want)
		}
		if want := time.Duration(source.frames) * time.Second / rate; got.Duration != want || last.Done != want {
			rt.Fatalf("duration %v, progress %v: want %v", got.Duration, last.Done, want)
		}
		if n := source.frames / 160; last.AudioTokens < n || 2*last.AudioTokens > 3*n || last.PromptTokens != 2 {
			rt.Fatalf("%d positions for %d, after %d tokens", last.AudioTokens, n, last.PromptTokens)
		}
		var end time.Duration
		for i, s := range got.Segments {
			if s.Start < end-time.Second || s.End < s.Start || s.Text == "" {
				rt.Fatalf("segment %d: %v to %v after %v", i, s.Start, s.End, end)
			}
			end = s.End
			for _, w := range s.Words {
				var k int
				if _, err := fmt.Sscanf(w.Text, "w%dx", &k); err != nil {
					rt.Fatal(err)
				}
				if off := *w.Start - time.Duration(k)*wordFrames*time.Second/rate; off.Abs() > time.Millisecond {
					rt.Fatalf("word %s at %v: off by %v", w.Text, *w.Start, off)
				}
			}
		}
	})
}

func TestFaultsOfOnePiece(t *testing.T) {
	t.Parallel()
	const frames = 100 * wordFrames // 40 s
	in := func(at, from, to int) bool { return from <= at && at < to }
	tests := map[string]struct {
		fault    func(from, to int) (*scout.Hypothesis, error)
		code     scout.Code // of the whole transcription
		aside    int
		complete bool
	}{
		"one piece ends the engine twice": {
			fault: func(from, to int) (*scout.Hypothesis, error) {
				if in(15*rate+rate/2, from, to) {
					return nil, scout.Errorf(scout.CodeAudioSetAside, "ended twice")
				}
				return nil, nil
			},
			aside: 1,
		},
		"every piece ends the engine twice": {
			fault: func(int, int) (*scout.Hypothesis, error) {
				return nil, scout.Errorf(scout.CodeAudioSetAside, "ended twice")
			},
			code: scout.CodeAudioSetAside,
		},
		"the engine rests": {
			fault: func(int, int) (*scout.Hypothesis, error) {
				return nil, scout.Errorf(scout.CodeEngineUnavailable, "later")
			},
			code: scout.CodeEngineUnavailable,
		},
		"the recognizer panics": {
			fault: func(from, to int) (*scout.Hypothesis, error) {
				if in(15*rate+rate/2, from, to) {
					return nil, scout.Errorf(scout.CodeInternal, "panicked")
				}
				return nil, nil
			},
			aside: 1,
		},
		"long pieces repeat themselves": {
			fault: func(from, to int) (*scout.Hypothesis, error) {
				if to-from > 7*rate {
					return &scout.Hypothesis{Text: strings.Repeat("and so ", 60), Stop: scout.StopEnd}, nil
				}
				return nil, nil
			},
			complete: true,
		},
		"long pieces give a mark and no word": {
			fault: func(from, to int) (*scout.Hypothesis, error) {
				if to-from > 7*rate {
					p := -0.5
					return &scout.Hypothesis{Text: "...", Stop: scout.StopEnd, EndLogProb: &p}, nil
				}
				return nil, nil
			},
			complete: true,
		},
		"long pieces reach the limit of tokens": {
			fault: func(from, to int) (*scout.Hypothesis, error) {
				if to-from > 7*rate {
					return &scout.Hypothesis{Text: "cut off", Stop: scout.StopLength}, nil
				}
				return nil, nil
			},
			complete: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := &tape{frames: frames}
			tr, registry := transcriber(&listener{fault: tt.fault})
			got, err := tr.Transcribe(t.Context(), source, speech.Options{})
			if scout.CodeOf(err) != tt.code {
				t.Fatalf("%v: want code %q", err, tt.code)
			}
			if err != nil {
				if hint := scout.HintOf(err); strings.Contains(hint, "rest") {
					t.Errorf("hint %q: nothing was transcribed", hint)
				}
				if n, err := testutil.GatherAndCount(registry, "scout_transcription_errors_total"); err != nil || n != 1 {
					t.Errorf("%d error series: want 1", n)
				}
				return
			}
			if len(got.SetAside) != tt.aside {
				t.Fatalf("set aside %+v: want %d", got.SetAside, tt.aside)
			}
			if tt.complete && got.Text() != script(source.words()) {
				t.Fatalf("got %s", got.Text())
			}
			if !tt.complete && (!strings.HasPrefix(got.Text(), "w0x w1x") || !strings.HasSuffix(got.Text(), "w99x")) {
				t.Fatalf("the rest was not transcribed: %s", got.Text())
			}
		})
	}
}

func TestSourceThatBreaks(t *testing.T) {
	t.Parallel()
	tr, _ := transcriber(&listener{timed: true})
	broken := scout.Errorf(scout.CodeReadFailed, "unplugged")
	got, err := tr.Transcribe(t.Context(), &tape{frames: 40 * rate, broken: broken}, speech.Options{})
	if got == nil || !errors.Is(err, broken) || got.Duration < 15*time.Second || got.Duration > 40*time.Second {
		t.Fatalf("%+v, %v: want the transcript up to the failure", got, err)
	}
	if words := int(got.Duration / (wordFrames * time.Second / rate)); !strings.HasPrefix(script(100), got.Text()) || len(strings.Fields(got.Text())) < words {
		t.Fatalf("%d words in %v: %s", len(strings.Fields(got.Text())), got.Duration, got.Text())
	}
}

func TestCancelledTranscription(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l := &listener{}
	l.fault = func(int, int) (*scout.Hypothesis, error) {
		if l.calls.Load() == 3 {
			cancel()
		}
		return nil, nil
	}
	tr, _ := transcriber(l)
	if _, err := tr.Transcribe(ctx, &tape{frames: 200 * rate}, speech.Options{Parallel: 2}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v: want cancelled", err)
	}
}

func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	tr, _ := transcriber(&listener{})
	if _, err := tr.Transcribe(t.Context(), panicking{}, speech.Options{}); scout.CodeOf(err) != scout.CodeInternal {
		t.Fatalf("%v: want %s", err, scout.CodeInternal)
	}
}

type panicking struct{}

func (panicking) Read([]float32) (int, error) { panic("index out of range") }

// TestMemoryIsBounded checks how far the source is read ahead of the decoder, whatever its length.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	source := &tape{frames: 240 * rate}
	var ahead int64
	l := &listener{}
	l.fault = func(from, _ int) (*scout.Hypothesis, error) {
		ahead = max(ahead, source.at.Load()-int64(from))
		return &scout.Hypothesis{Stop: scout.StopEnd}, nil
	}
	tr, _ := transcriber(l)
	if _, err := tr.Transcribe(t.Context(), source, speech.Options{}); err != nil {
		t.Fatal(err)
	}
	if ahead > 90*rate {
		t.Fatalf("read %d s ahead of the decoder", ahead/rate)
	}
}

package speech_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// recognizerFunc is a recognizer.
type recognizerFunc func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error)

func (f recognizerFunc) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	return f(ctx, r)
}

// speak writes a stretch of a tape at the rate of speech.
func speak(l *speech.Live, from, to int) {
	const block = rate / 20
	for at := from; at < to; at += block {
		n := min(block, to-at)
		time.Sleep(time.Duration(n) * time.Second / rate)
		samples := make([]float32, n)
		for i := range samples {
			samples[i] = speechtest.SampleAt(at + i)
		}
		l.Write(int64(at), samples)
	}
}

// sameScript reports an error unless the text is the first words of a tape, apart from one that was cut through at its
// end.
func sameScript(t *testing.T, text string, frames int) {
	t.Helper()
	whole := frames / wordFrames
	got := strings.Fields(text)
	if len(got) == whole+1 && strings.HasPrefix(got[whole], "garbled") {
		got = got[:whole]
	}
	if strings.Join(got, " ") != script(whole) {
		t.Errorf("heard %q\nwant %q", got, script(whole))
	}
}

// TestLiveFaults dictates while something goes wrong: it costs time, but no words, and no word comes twice.
func TestLiveFaults(t *testing.T) {
	t.Parallel()
	hears := &listener{timed: true}
	broken := scout.Errorf(scout.CodeEngineUnavailable, "the engine is paused")
	down := func(from, to time.Duration, err error) func() recognizerFunc {
		return func() recognizerFunc {
			began := time.Now()
			return func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
				if since := time.Since(began); since >= from && since < to {
					return nil, err
				}
				return hears.Transcribe(ctx, r)
			}
		}
	}
	hung := func(from, to time.Duration) func() recognizerFunc {
		return func() recognizerFunc {
			began := time.Now()
			return func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
				if since := time.Since(began); since >= from && since < to {
					select {
					case <-ctx.Done():
						return nil, ctx.Err()
					case <-time.After(to - since): // the engine is killed and started again
						return nil, broken
					}
				}
				return hears.Transcribe(ctx, r)
			}
		}
	}
	slow := func(d time.Duration) func() recognizerFunc {
		return func() recognizerFunc {
			return func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(d):
				}
				return hears.Transcribe(ctx, r)
			}
		}
	}
	for situation, c := range map[string]struct {
		recognizer func() recognizerFunc
		length     time.Duration
		late       time.Duration // the text may come so long after the stop
		owes       bool
	}{
		"nothing goes wrong":                       {slow(40 * time.Millisecond), 20 * time.Second, 250 * time.Millisecond, false},
		"the engine is dead for a while":           {down(5*time.Second, 15*time.Second, broken), 30 * time.Second, 250 * time.Millisecond, true},
		"it is dead for longer than audio is held": {down(5*time.Second, 100*time.Second, broken), 110 * time.Second, 250 * time.Millisecond, true},
		"it is dead at the stop":                   {down(5*time.Second, 15*time.Second, broken), 10 * time.Second, 11 * time.Second, true},
		"it hangs for a while":                     {hung(5*time.Second, 12*time.Second), 30 * time.Second, 250 * time.Millisecond, true},
		"it hangs at the stop":                     {hung(5*time.Second, 12*time.Second), 8 * time.Second, 6 * time.Second, true},
		"the model loads at the stop":              {down(0, 3*time.Second, broken), time.Second, 4 * time.Second, true},
		"it is hardly faster than speech":          {slow(3 * time.Second), 40 * time.Second, 10 * time.Second, true},
		"two minutes of speech without a pause":    {slow(40 * time.Millisecond), 2 * time.Minute, 250 * time.Millisecond, false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				frames := int(c.length.Seconds() * rate)
				p := &page{t: t}
				l := newLive(t, c.recognizer(), p.options(speech.LiveOptions{Recorded: onDisk(frames)}))
				var stopped time.Time
				go func() {
					speak(l, 0, frames)
					stopped = time.Now()
					l.Stop(int64(frames))
				}()
				final, err := l.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if late := time.Since(stopped); late > c.late {
					t.Errorf("the text came %v after the stop", late)
				}
				sameScript(t, p.text, frames)
				if final.Duration != c.length || final.Words != len(strings.Fields(p.text)) || p.through != c.length || p.partial != "" {
					t.Errorf("final %+v of %v, through %v, partial %q", final, c.length, p.through, p.partial)
				}
				if owed := len(p.owed) > 0; owed != c.owes {
					t.Errorf("owed: %v, want %v", p.owed, c.owes)
				}
				if n := len(p.owed); n > 0 && p.owed[n-1].From != p.owed[n-1].To {
					t.Errorf("at the end %+v is owed", p.owed[n-1])
				}
			})
		})
	}
}

// TestLiveStop stops dictations at all kinds of moments.
func TestLiveStop(t *testing.T) {
	t.Parallel()
	const second = rate
	for situation, c := range map[string]struct {
		written int // frames
		stop    func(l *speech.Live)
		want    int // frames that become text
	}{
		"before any frame":                    {0, func(l *speech.Live) { l.Stop(0) }, 0},
		"ended before any frame":              {0, func(l *speech.Live) { l.End(0) }, 0},
		"after a fifth of a second":           {second / 5, func(l *speech.Live) { l.Stop(second / 5) }, second / 5},
		"before the last frames":              {3 * second, func(l *speech.Live) { l.Stop(2*second + second/2) }, 3 * second},
		"frames that never come":              {2 * second, func(l *speech.Live) { l.Stop(5 * second) }, 2 * second},
		"the recording has more":              {2 * second, func(l *speech.Live) { l.End(5 * second) }, 5 * second},
		"the recording ends in the patience":  {2 * second, func(l *speech.Live) { l.Stop(5 * second); l.End(4 * second) }, 4 * second},
		"twice":                               {2 * second, func(l *speech.Live) { l.Stop(2 * second); l.Stop(second) }, 2 * second},
		"nothing was written, all is on disk": {0, func(l *speech.Live) { l.End(40 * second) }, 40 * second},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &page{t: t}
				l := newLive(t, &listener{timed: true}, p.options(speech.LiveOptions{Recorded: onDisk(1 << 22)}))
				go func() {
					speak(l, 0, c.written)
					synctest.Wait()
					c.stop(l)
				}()
				final, err := l.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if final.Duration != time.Duration(c.want)*time.Second/rate {
					t.Errorf("%v became text, want %d frames", final.Duration, c.want)
				}
				sameScript(t, p.text, c.want)
			})
		})
	}
}

// TestLiveGapsAndLostFrames writes a stream with holes: frames that the stream lost are read from the recording, and a
// gap of the recording is silence.
func TestLiveGapsAndLostFrames(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			const from, to, end = 25 * wordFrames, 50 * wordFrames, 75 * wordFrames
			p := &page{t: t}
			r := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) { // hears around the gap
				first := 0
				for first < len(r.Samples) && r.Samples[first] == 0 {
					first++
				}
				last := len(r.Samples)
				for last > first && r.Samples[last-1] == 0 {
					last--
				}
				if first == last {
					return &scout.Hypothesis{Stop: scout.StopEnd}, nil
				}
				a := speechtest.PositionOf(r.Samples[first]) - first
				result := &scout.Hypothesis{Stop: scout.StopEnd}
				for _, w := range hear(a, a+len(r.Samples), true).Words {
					if at := a + int(*w.Start*rate/time.Second); r.Samples[min(max(at-a+100, 0), len(r.Samples)-1)] != 0 {
						result.Words = append(result.Words, w)
					}
				}
				return result, nil
			})
			l := newLive(t, r, p.options(speech.LiveOptions{Recorded: onDisk(end)}))
			go func() {
				speak(l, 0, from)
				if !lost {
					l.Gap(from, to)
				}
				speak(l, to, end)
				l.Write(to, make([]float32, 100)) // known already
				l.Stop(end)
			}()
			if _, err := l.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := script(75)
			if !lost {
				words := strings.Fields(want)
				want = strings.Join(append(words[:25:25], words[50:]...), " ")
			}
			if p.text != want {
				t.Errorf("lost %v: heard %q\nwant %q", lost, p.text, want)
			}
		})
	}
}

// TestLiveGoesOnAfterARestart continues from every state: the text is the same as without the restart, up to what was
// not committed then.
func TestLiveGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	const frames = 25 * rate
	for _, timed := range []bool{true, false} {
		p := &page{t: t}
		l := newLive(t, &listener{timed: timed}, p.options(speech.LiveOptions{Model: "m", Recorded: onDisk(frames)}))
		sim := &speech.Simulation{Samples: tapeOf(frames), StopAt: 25 * time.Second, Block: 20 * time.Millisecond, Cost: func() time.Duration { return 40 * time.Millisecond }}
		if _, _, err := l.Simulate(t.Context(), sim); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(p.states); i += 7 {
			stored, err := json.Marshal(p.states[i])
			if err != nil {
				t.Fatal(err)
			}
			if len(stored) > 16<<10 {
				t.Errorf("state %d has %d bytes", i, len(stored))
			}
			var state speech.LiveState
			if err := json.Unmarshal(stored, &state); err != nil {
				t.Fatal(err)
			}
			again := &page{t: t, text: p.text[:p.at[i]], through: state.Through}
			l := newLive(t, &listener{timed: timed}, again.options(speech.LiveOptions{Model: "m", Recorded: onDisk(frames), From: &state}))
			l.End(frames)
			final, err := l.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sameScript(t, again.text, frames)
			if final.Words != len(strings.Fields(again.text)) {
				t.Errorf("state %d: %d words counted, %d in the text", i, final.Words, len(strings.Fields(again.text)))
			}
		}
	}
}

// TestLiveStateOfSomethingElse refuses states that do not suit, and options that cannot work.
func TestLiveStateOfSomethingElse(t *testing.T) {
	t.Parallel()
	for situation, o := range map[string]speech.LiveOptions{
		"no recording":     {},
		"another version":  {Recorded: onDisk(0), From: &speech.LiveState{Version: 99}},
		"another model":    {Recorded: onDisk(0), Model: "m", From: &speech.LiveState{Version: 1, Model: "n"}},
		"one hypothesis":   {Recorded: onDisk(0), Commit: speech.CommitRule{Agree: 1, Last: 1}},
		"a rhythm of zero": {Recorded: onDisk(0), Rhythm: speech.Rhythm{Quiet: time.Second}},
		"another language": {Recorded: onDisk(0), Model: "m", Language: "de", From: &speech.LiveState{Version: 1, Model: "m"}},
		"another cut":      {Recorded: onDisk(0), Model: "m", From: &speech.LiveState{Version: 1, Model: "m"}},
	} {
		if _, err := speech.NewLive(testScope(), nil, &listener{}, o); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v", situation, err)
		}
	}
}

// TestLiveEndsWithItsContext ends a dictation in the middle of a request.
func TestLiveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		over := errors.New("over")
		ctx, cancel := context.WithCancelCause(t.Context())
		r := recognizerFunc(func(ctx context.Context, _ engine.Request) (*scout.Hypothesis, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		l := newLive(t, r, speech.LiveOptions{Recorded: onDisk(rate)})
		go func() {
			speak(l, 0, rate)
			cancel(over)
		}()
		if _, err := l.Run(ctx); !errors.Is(err, over) {
			t.Error(err)
		}
	})
}

// TestLivePanic makes the recognizer panic: it counts as a failure of the engine.
func TestLivePanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		hears := &listener{timed: true}
		p := &page{t: t}
		l := newLive(t, recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
			if calls.Add(1)%3 == 1 {
				panic("lost")
			}
			return hears.Transcribe(ctx, r)
		}), p.options(speech.LiveOptions{Recorded: onDisk(10 * rate)}))
		go func() {
			speak(l, 0, 10*rate)
			l.Stop(10 * rate)
		}()
		if _, err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		sameScript(t, p.text, 10*rate)
	})
}

// TestLiveClasses checks how urgent requests are, and that silence is not decoded.
func TestLiveClasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := map[schedule.Class]int{}
		p := &page{t: t}
		l := newLive(t, recognizerFunc(func(_ context.Context, r engine.Request) (*scout.Hypothesis, error) {
			seen[r.Class]++
			return &scout.Hypothesis{Text: "noise", Words: []scout.Word{{Text: "noise"}}, Stop: scout.StopEnd}, nil
		}), p.options(speech.LiveOptions{Recorded: onDisk(0)}))
		quiet := func(from, to int, level float32) {
			for at := from; at < to; at += rate / 20 {
				time.Sleep(50 * time.Millisecond)
				samples := make([]float32, rate/20)
				for i := range samples {
					samples[i] = level * float32(1-2*(i%2))
				}
				l.Write(int64(at), samples)
			}
		}
		go func() {
			quiet(0, 20*rate, 0.0001) // -80 dBFS
			synctest.Wait()
			if len(seen) > 0 {
				t.Errorf("silence was decoded: %v", seen)
			}
			quiet(20*rate, 23*rate, 0.001)
			synctest.Wait()
			if seen[schedule.Partial] == 0 || seen[schedule.Dictation] > 0 {
				t.Errorf("while speaking: %v", seen)
			}
			l.Stop(23 * rate)
		}()
		if _, err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if seen[schedule.Dictation] == 0 {
			t.Errorf("after the stop: %v", seen)
		}
	})
}

// TestLiveMemoryIsBounded dictates for five minutes: nothing but the text grows, which the client holds.
func TestLiveMemoryIsBounded(t *testing.T) { // not parallel: it measures the heap
	synctest.Test(t, func(t *testing.T) {
		r := recognizerFunc(func(_ context.Context, r engine.Request) (*scout.Hypothesis, error) {
			h := &scout.Hypothesis{Stop: scout.StopEnd}
			for at := 0; at+rate/2 <= len(r.Samples); at += rate / 2 {
				from := time.Duration(at) * time.Second / rate
				to := from + 400*time.Millisecond
				h.Words = append(h.Words, scout.Word{Text: "word", Start: &from, End: &to})
			}
			return h, nil
		})
		words := 0
		l := newLive(t, r, speech.LiveOptions{Recorded: onDisk(0), Committed: func(c speech.LiveCommitted) { words += len(c.Words) }})
		var early, late runtime.MemStats
		go func() {
			block := tapeOf(rate / 20)
			for at := 0; at < 5*60*rate; at += len(block) {
				time.Sleep(50 * time.Millisecond)
				l.Write(int64(at), block)
				switch at {
				case 60 * rate:
					runtime.GC()
					runtime.ReadMemStats(&early)
				case 4 * 60 * rate:
					runtime.GC()
					runtime.ReadMemStats(&late)
				}
			}
			l.Stop(5 * 60 * rate)
		}()
		if _, err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if grown := int64(late.HeapAlloc) - int64(early.HeapAlloc); grown > 4<<20 || words < 400 {
			t.Errorf("the heap grew by %d kB while %d words came", grown>>10, words)
		}
	})
}

package main

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/recognize"
)

// The soak tests run the real engine process with the real model. make test runs a short form; make soak-engine sets
// the number of requests.

// soakLength returns the value of the variable, or short.
func soakLength(t *testing.T, variable string, short int) int {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		return short
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: want a number of requests", variable, value)
	}
	return n
}

// settledFrom is the least number of requests of a soak test that compares memory with the size after its beginning.
const settledFrom = 2000

// soak is an engine under test, with speech for it.
type soak struct {
	*engine.Engine
	clip    []float32
	settled uint64 // resident size after a fifth of the requests
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	needModel(t)
	a := newApp(cli.Streams{Out: io.Discard, Err: io.Discard})
	a.Settings = settingsOf(t, models)
	r, err := a.OpenRecognizer(t.Context(), cli.RecognizerOptions{Threads: engine.DefaultSlots, Backend: recognize.BackendMoonshine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	samples, err := rig.Reader{}.Read(t.Context(), clip, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{Engine: r.Engine, clip: samples}
	if _, err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// meetLongest makes both slots decode the longest possible piece, at the same time and repeatedly, so that all their
// moments meet. ONNX Runtime's arena keeps the memory that both took together: about 100 MB that are no growth, and
// that random requests would need only after days, since two such requests rarely meet.
func (s *soak) meetLongest(t *testing.T, n int) {
	t.Helper()
	if n < settledFrom {
		return
	}
	s.atOnce(t, 20, engine.Request{Samples: s.speech(30), Words: true, Known: make([]int32, 300)})
}

// settle makes both slots decode the longest piece whose buffers they keep, and then short ones, in which the engine
// returns what longer ones have left. Afterwards memory is the same, whatever was asked before.
func (s *soak) settle(t *testing.T, n int) {
	t.Helper()
	if n < settledFrom {
		return
	}
	s.atOnce(t, 3, engine.Request{Samples: s.speech(16), Words: true})
	s.atOnce(t, 150, engine.Request{Samples: s.speech(1)})
}

// speech returns the clip several times.
func (s *soak) speech(seconds int) []float32 {
	n := seconds * scout.EngineSampleRateHz
	return slices.Repeat(s.clip, n/len(s.clip)+1)[:n]
}

// atOnce sends a request on each slot, several times.
func (s *soak) atOnce(t *testing.T, times int, request engine.Request) {
	t.Helper()
	request.Class = schedule.Interactive // which nothing interrupts
	var senders sync.WaitGroup
	for range engine.DefaultSlots {
		senders.Go(func() {
			for range times {
				if _, err := s.Transcribe(t.Context(), request); err != nil {
					t.Errorf("%d samples: %v", len(request.Samples), err)
				}
			}
		})
	}
	senders.Wait()
}

// watch prints the resident size after request i of n, while no request is under way, and compares it with the size
// after a fifth of them.
func (s *soak) watch(t *testing.T, i, n int) {
	t.Helper()
	if n < settledFrom || i%(n/10) != 0 {
		return
	}
	if err := s.Quiet(t.Context()); err != nil {
		t.Fatal(err)
	}
	rss := s.State().ResidentBytes
	t.Logf("%s: %d of %d requests, %.1f MB resident", time.Now().Format(time.TimeOnly), i, n, float64(rss)/1e6)
	const slack = 4 << 20
	switch {
	case i == n/5:
		s.settled = rss
	case i > n/5 && rss > s.settled+slack:
		t.Errorf("%.1f MB resident after %d requests, %.1f after %d", float64(rss)/1e6, i, float64(s.settled)/1e6, n/5)
	}
}

// finish checks that the one process that was started still works.
func (s *soak) finish(t *testing.T) {
	t.Helper()
	if err := s.Quiet(t.Context()); err != nil {
		t.Error(err)
	}
	result, err := s.Transcribe(t.Context(), engine.Request{Samples: s.clip})
	if err != nil || !said(result.Text, 1) {
		t.Errorf("afterwards: %v, %v", result, err)
	}
	if state := s.State(); state.Starts != 1 {
		t.Errorf("%d processes were started, the last error is %v", state.Starts, state.LastError)
	}
}

// cancelledAfter returns a context that its caller cancels, like a user who no longer wants the answer.
func cancelledAfter(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(d, cancel)
	return ctx, func() { timer.Stop(); cancel() }
}

// TestCancelsLeaveNothingBehind cancels requests at any moment.
func TestCancelsLeaveNothingBehind(t *testing.T) {
	n := soakLength(t, "SCOUT_SOAK_CANCELS", 60)
	s := newSoak(t)
	random := rand.New(rand.NewPCG(1, 2))
	cancelled := 0
	for i := 1; i <= n; i++ {
		length := scout.EngineSampleRateHz + random.IntN(len(s.clip)-scout.EngineSampleRateHz)
		after := time.Duration(random.Int64N(int64(time.Duration(length) * 500 * time.Nanosecond))) // about the time it takes
		ctx, cancel := cancelledAfter(t.Context(), after)
		_, err := s.Transcribe(ctx, engine.Request{Samples: s.clip[:length]})
		cancel()
		switch {
		case scout.ClassOf(err) == scout.Cancelled:
			cancelled++
			if err := s.Quiet(t.Context()); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Fatalf("request %d: %v", i, err)
		}
		s.watch(t, i, n)
	}
	t.Logf("%d of %d requests were cancelled before their answer", cancelled, n)
	if cancelled < n/4 {
		t.Errorf("%d of %d requests were cancelled: the test proves nothing", cancelled, n)
	}
	s.finish(t)
}

// TestAnyRequestIsAnsweredOrRefused sends requests of every length, with any content, to both slots at the same time.
func TestAnyRequestIsAnsweredOrRefused(t *testing.T) {
	n := soakLength(t, "SCOUT_SOAK_REQUESTS", 150)
	s := newSoak(t)
	random := rand.New(rand.NewPCG(3, 4))
	s.meetLongest(t, n)
	for i, part := 0, max(n/10, 1); i < n && !t.Failed(); i += part {
		s.sendAny(t, random, i, min(part, n-i))
		s.settle(t, n)
		s.watch(t, i+part, n)
	}
	s.finish(t)
}

// sendAny sends n requests of any kind, numbered from first, and waits for their outcomes.
func (s *soak) sendAny(t *testing.T, random *rand.Rand, first, n int) {
	type work struct {
		i       int
		request anyRequest
	}
	queue := make(chan work)
	var senders sync.WaitGroup
	for range engine.DefaultSlots {
		senders.Go(func() {
			for w := range queue {
				s.try(t, w.i, w.request)
			}
		})
	}
	for i := range n {
		queue <- work{first + i, newAnyRequest(random, s.clip)}
	}
	close(queue)
	senders.Wait()
}

// anyRequest is a request with its expected outcome.
type anyRequest struct {
	engine.Request
	cancelAfter time.Duration // 0 for never
	refused     []scout.Code  // the codes it may be refused with; none where it has to be answered
}

// newAnyRequest invents a request. Its length is uniform between 0 and a bound that is drawn first: 0.1 s for half of
// them, 0.3 s for three tenths, 1.5 and 4 s for a tenth each, 14 s for one in 200 and 30 s for one in 400. Short
// requests meet the edges of the graphs, and a hundred thousand requests have to end.
func newAnyRequest(random *rand.Rand, speech []float32) anyRequest {
	seconds := []float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 1.5, 4}[random.IntN(10)]
	switch random.IntN(400) {
	case 0:
		seconds = 30
	case 1, 2:
		seconds = 14
	}
	r := anyRequest{Request: engine.Request{
		Samples: make([]float32, random.IntN(int(seconds*scout.EngineSampleRateHz)+1)),
		Class:   []schedule.Class{schedule.Batch, schedule.Interactive}[random.IntN(2)], Words: random.IntN(2) == 0,
	}}
	at := random.IntN(len(speech))
	loud := math.Pow(10, float64(random.IntN(12)-6))
	switch kind := random.IntN(8); kind {
	case 0: // silence
	case 1:
		for i := range r.Samples {
			r.Samples[i] = float32(random.NormFloat64() * loud)
		}
	case 2: // any bits that are a number
		for i := range r.Samples {
			if v := float64(math.Float32frombits(random.Uint32())); !math.IsNaN(v) && !math.IsInf(v, 0) {
				r.Samples[i] = float32(v)
			}
		}
	default:
		for i := range r.Samples {
			r.Samples[i] = speech[(at+i)%len(speech)]
		}
		if kind == 3 && len(r.Samples) > 0 {
			bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[random.IntN(3)]
			r.Samples[random.IntN(len(r.Samples))] = float32(bad)
			r.refused = append(r.refused, scout.CodeAudioInvalidSamples)
		}
	}
	if random.IntN(2) == 0 {
		const vocabulary = 32768
		for range random.IntN(300) {
			r.Known = append(r.Known, random.Int32N(vocabulary))
		}
		if random.IntN(8) == 0 {
			outside := []int32{-1, vocabulary, math.MaxInt32, math.MinInt32}[random.IntN(4)]
			r.Known = append([]int32{outside}, r.Known...)
			r.refused = append(r.refused, scout.CodeInvalidArgument)
		}
	}
	if random.IntN(3) == 0 {
		r.cancelAfter = 1 + time.Duration(random.Int64N(int64(60*time.Millisecond)))
	}
	return r
}

// try sends a request and checks its outcome.
func (s *soak) try(t *testing.T, i int, r anyRequest) {
	ctx := t.Context()
	if r.cancelAfter > 0 {
		var cancel func()
		ctx, cancel = cancelledAfter(ctx, r.cancelAfter)
		defer cancel()
	}
	result, err := s.Transcribe(ctx, r.Request)
	code := scout.CodeOf(err)
	switch {
	case err != nil && r.cancelAfter > 0 && scout.ClassOf(err) == scout.Cancelled:
	case err != nil && slices.Contains(r.refused, code):
	case err == nil && len(r.refused) == 0 && result != nil:
	default:
		t.Errorf("request %d, %d samples, %d tokens given: %v (%s), want one of %v", i, len(r.Samples), len(r.Known), err, code, r.refused)
	}
}

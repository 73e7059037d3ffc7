package segment_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	scout "github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
	"pgregory.net/rapid"
)

const rate = scout.EngineSampleRateHz

// rhythm is how many seconds of talk and of pause follow each other.
type rhythm struct{ talk, gap float64 }

// loudness is the RMS of talk, and that of pauses.
type loudness struct{ rms, floor float64 }

// bursts makes noise at the given RMS with pauses: talk seconds loud, gap seconds at floor, and so on. Within the loud
// part the level varies at the rhythm of syllables (4 Hz) and has closures of 40 ms.
func bursts(seed uint64, seconds float64, r rhythm, l loudness) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	noise := make([]float64, 4099)
	for i := range noise {
		noise[i] = rng.NormFloat64()
	}
	const step = rate / 1000 // one level a millisecond
	out := make([]float32, int(seconds*rate))
	for from := 0; from < len(out); from += step {
		level := l.floor
		if at := math.Mod(float64(from)/rate, r.talk+r.gap); at < r.talk {
			if phase := math.Mod(at, 0.25); phase >= 0.04 {
				level = l.rms * (0.35 + math.Sin(math.Pi*phase/0.25))
			}
		}
		for i := from; i < min(from+step, len(out)); i++ {
			out[i] = float32(level * noise[i%len(noise)])
		}
	}
	return out
}

// failer is a test or a property.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// check tests the promise of the package: the cores are the input, and contexts are the audio around them.
func check(t failer, in []float32, pieces []segment.Piece) {
	t.Helper()
	var at int64
	for i, p := range pieces {
		if p.Start != at {
			t.Fatalf("piece %d begins at %d, want %d", i, p.Start, at)
		}
		if p.Frames() <= 0 {
			t.Fatalf("piece %d has a core of %d frames", i, p.Frames())
		}
		from, to := p.Start-int64(p.Before), p.End()+int64(p.After)
		if from < 0 || to > int64(len(in)) {
			t.Fatalf("piece %d covers [%d,%d) of %d frames", i, from, to, len(in))
		}
		if !slices.Equal(p.Samples, in[from:to]) || !slices.Equal(p.Core(), in[p.Start:p.End()]) {
			t.Fatalf("piece %d does not hold the samples of the input", i)
		}
		at = p.End()
		if first := i == 0; first != (p.Left.Kind == segment.EdgeInput) {
			t.Fatalf("piece %d has left edge %v", i, p.Left.Kind)
		}
		if last := i == len(pieces)-1; last != (p.Right.Kind == segment.EdgeInput) {
			t.Fatalf("piece %d of %d has right edge %v", i, len(pieces), p.Right.Kind)
		}
		if i > 0 && p.Left != pieces[i-1].Right {
			t.Fatalf("piece %d and its neighbour see different edges", i)
		}
	}
	if at != int64(len(in)) {
		t.Fatalf("cores end at %d of %d frames", at, len(in))
	}
}

func cut(t *testing.T, in []float32, o segment.Options) []segment.Piece {
	t.Helper()
	pieces, err := cutAll(in, o)
	if err != nil {
		t.Fatalf("cut: %v", err)
	}
	check(t, in, pieces)
	return pieces
}

func seconds(p segment.Piece) float64 { return float64(p.Frames()) / rate }

func TestCoresPartitionTheInput(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := segment.Options{
			Strategy: rapid.SampledFrom([]segment.Strategy{segment.Quiet, segment.Fixed}).Draw(t, "strategy"),
			Min:      time.Duration(rapid.IntRange(200, 900).Draw(t, "min")) * time.Millisecond,
			Max:      time.Duration(rapid.IntRange(1100, 2500).Draw(t, "max")) * time.Millisecond,
			Overlap:  time.Duration(rapid.IntRange(0, 200).Draw(t, "overlap")) * time.Millisecond,
			Tail:     time.Duration(rapid.IntRange(0, 1000).Draw(t, "tail")) * time.Millisecond,
		}
		in := bursts(rapid.Uint64().Draw(t, "seed"), rapid.Float64Range(0, 6).Draw(t, "seconds"),
			rhythm{rapid.Float64Range(0.3, 5).Draw(t, "talk"), rapid.Float64Range(0, 0.5).Draw(t, "gap")},
			loudness{rapid.SampledFrom([]float64{0, 0.008, 0.2}).Draw(t, "rms"), 0.0005})
		whole, err := cutAll(in, o)
		if err != nil {
			t.Fatalf("cut %+v: %v", o, err)
		}
		check(t, in, whole)
		for i, p := range whole {
			// Durations are rounded to 10 ms.
			if p.Frames() > int((o.Max+o.Tail+20*time.Millisecond).Seconds()*rate) {
				t.Fatalf("piece %d has %d frames, above %v and %v", i, p.Frames(), o.Max, o.Tail)
			}
			if i < len(whole)-1 && p.Frames() < int((o.Min-10*time.Millisecond).Seconds()*rate) {
				t.Fatalf("piece %d has %d frames, below %v", i, p.Frames(), o.Min)
			}
		}

		var blocks []segment.Piece
		c, err := segment.New(o, func(p segment.Piece) error { blocks = append(blocks, p); return nil })
		if err != nil {
			t.Fatalf("new: %v", err)
		}
		for rest := in; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(1, 20000).Draw(t, "block"))
			if err := c.Write(rest[:n]); err != nil {
				t.Fatalf("write: %v", err)
			}
			rest = rest[n:]
		}
		if err := c.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		if !slices.EqualFunc(whole, blocks, func(a, b segment.Piece) bool {
			return a.Start == b.Start && a.Before == b.Before && a.After == b.After && a.Left == b.Left &&
				a.Right == b.Right && slices.Equal(a.Samples, b.Samples)
		}) {
			t.Fatalf("written in blocks: %d pieces or other ones, written at once: %d", len(blocks), len(whole))
		}
	})
}

func TestWhereCutsFall(t *testing.T) {
	t.Parallel()
	silence := func(seconds float64) []float32 { return make([]float32, int(seconds*rate)) }
	loud := func(seconds float64) []float32 { return bursts(7, seconds, rhythm{1e6, 0}, loudness{0.1, 0.0002}) }
	tests := []struct {
		name string
		in   []float32
		// cuts are where the cuts must lie, each in [lo, hi] seconds.
		cuts  [][2]float64
		kinds []segment.EdgeKind
	}{
		{"nothing", nil, nil, nil},
		{"one sample", silence(1.0 / rate), nil, nil},
		{"as long as a piece may be", loud(14), nil, nil},
		{
			"a rest under a second joins its neighbour",
			slices.Concat(loud(13.4), silence(0.3), loud(0.8)), nil, nil,
		},
		{
			"a rest of a second does not",
			slices.Concat(loud(13.4), silence(0.3), loud(0.9)),
			[][2]float64{{13.5, 13.6}},
			[]segment.EdgeKind{segment.EdgePause},
		},
		{
			"a pause in the window", slices.Concat(loud(9), silence(0.6), loud(8)),
			[][2]float64{{9.25, 9.35}},
			[]segment.EdgeKind{segment.EdgePause},
		},
		{
			"a pause ahead of the window is not taken", slices.Concat(loud(4), silence(0.6), loud(12)),
			[][2]float64{{6, 14}},
			[]segment.EdgeKind{segment.EdgeSpeech},
		},
		{
			"the middle of the longest pause",
			slices.Concat(loud(7), silence(0.4), loud(2), silence(1), loud(6)),
			[][2]float64{{9.85, 9.95}},
			[]segment.EdgeKind{segment.EdgePause},
		},
		{
			"of two like pauses the later, which saves a piece",
			slices.Concat(loud(7), silence(0.4), loud(4), silence(0.4), loud(6)),
			[][2]float64{{11.55, 11.65}},
			[]segment.EdgeKind{segment.EdgePause},
		},
		{
			"a much longer pause wins over a later one",
			slices.Concat(loud(7), silence(0.9), loud(4), silence(0.4), loud(6)),
			[][2]float64{{7.4, 7.5}},
			[]segment.EdgeKind{segment.EdgePause},
		},
		{"no pause at all", loud(19), [][2]float64{{6, 14}}, []segment.EdgeKind{segment.EdgeSpeech}},
		{
			"silence only", silence(40),
			[][2]float64{{6, 14}, {12, 28}, {18, 39}},
			[]segment.EdgeKind{segment.EdgePause, segment.EdgePause, segment.EdgePause},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pieces := cut(t, tt.in, segment.Defaults())
			want := len(tt.cuts) + 1
			if len(tt.in) == 0 {
				want = 0
			}
			if len(pieces) != want {
				t.Fatalf("%d pieces, want %d", len(pieces), want)
			}
			for i, c := range tt.cuts {
				at := float64(pieces[i].End()) / rate
				if at < c[0] || at > c[1] {
					t.Errorf("cut %d at %.3f s, want it in %v", i, at, c)
				}
				if k := pieces[i].Right.Kind; k != tt.kinds[i] {
					t.Errorf("cut %d is in %v (%+v), want %v", i, k, pieces[i].Right, tt.kinds[i])
				}
			}
		})
	}
}

// TestJudgementOfCuts varies level, noise and direct current: only relative levels matter.
func TestJudgementOfCuts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		rms, floor float64
		offset     float32
	}{
		{"clean", 0.1, 0.0003, 0},
		{"quiet recording of RMS 0.008", 0.008, 0.0001, 0},
		{"noise 20 dB below", 0.1, 0.01, 0},
		{"noise 12 dB below", 0.1, 0.025, 0},
		{"direct current", 0.01, 0.0003, 0.3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, gap := range []float64{0.35, 0} {
				in := bursts(3, 60, rhythm{3.3, gap}, loudness{tt.rms, tt.floor})
				if gap == 0 {
					in = bursts(3, 60, rhythm{1e6, 0}, loudness{tt.rms, tt.floor})
				}
				for i := range in {
					in[i] += tt.offset
				}
				want := segment.EdgePause
				if gap == 0 {
					want = segment.EdgeSpeech
				}
				for i, p := range cut(t, in, segment.Defaults()) {
					if p.Right.Kind != want && p.Right.Kind != segment.EdgeInput {
						t.Errorf("pauses of %.2f s: cut %d judged %+v, want %v", gap, i, p.Right, want)
					}
				}
			}
		})
	}
}

func TestOverlapOnlyAtCutsInSpeech(t *testing.T) {
	t.Parallel()
	o := segment.Defaults()
	overlap := int(o.Overlap.Seconds() * rate)
	for i, p := range cut(t, bursts(5, 70, rhythm{1e6, 0}, loudness{0.1, 0.0002}), o) {
		if p.Left.Kind == segment.EdgeSpeech && p.Before != overlap {
			t.Errorf("piece %d has %d frames before it, want %d", i, p.Before, overlap)
		}
		// The last piece may be shorter than the overlap, never shorter than a second.
		if p.Right.Kind == segment.EdgeSpeech && (p.After > overlap || p.After < rate) {
			t.Errorf("piece %d has %d frames after it, want %d", i, p.After, overlap)
		}
	}
	for i, p := range cut(t, bursts(5, 70, rhythm{2, 0.5}, loudness{0.1, 0.0002}), o) {
		if p.Before != 0 || p.After != 0 {
			t.Errorf("piece %d between pauses has context %d, %d", i, p.Before, p.After)
		}
	}
}

func TestFixed(t *testing.T) {
	t.Parallel()
	o, err := segment.ParseCut("fixed:10s")
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	for _, p := range cut(t, bursts(5, 30.5, rhythm{2, 0.5}, loudness{0.1, 0.0002}), o) {
		got = append(got, seconds(p))
	}
	if want := []float64{10, 10, 10.5}; !slices.Equal(got, want) {
		t.Errorf("pieces of %v s, want %v", got, want)
	}
}

func TestSamplesThatAreNotNumbers(t *testing.T) {
	t.Parallel()
	in := bursts(5, 31, rhythm{2, 0.5}, loudness{0.1, 0.0002})
	for i := 0; i < len(in); i += 777 {
		in[i] = []float32{float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32}[i%3]
	}
	pieces, err := cutAll(in, segment.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	var n int
	for _, p := range pieces {
		n += p.Frames()
	}
	if n != len(in) {
		t.Errorf("cores hold %d of %d frames", n, len(in))
	}
}

func TestErrorOfTheReceiverEndsTheCutter(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	calls := 0
	c, err := segment.New(segment.Defaults(), func(segment.Piece) error { calls++; return stop })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(make([]float32, 100*rate)); !errors.Is(err, stop) {
		t.Errorf("write: %v", err)
	}
	if err := c.Write(make([]float32, 100*rate)); !errors.Is(err, stop) {
		t.Errorf("write again: %v", err)
	}
	if err := c.Close(); !errors.Is(err, stop) {
		t.Errorf("close: %v", err)
	}
	if calls != 1 {
		t.Errorf("emitted %d times after an error", calls)
	}
}

func TestWriteAfterClose(t *testing.T) {
	t.Parallel()
	c, err := segment.New(segment.Defaults(), func(segment.Piece) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if err := c.Write(make([]float32, 1)); err == nil {
		t.Error("write after close succeeded")
	}
}

func TestContrast(t *testing.T) {
	t.Parallel()
	steady := make([]float32, 10*rate)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range steady {
		steady[i] = float32(0.05 * rng.NormFloat64())
	}
	tests := []struct {
		name     string
		in       []float32
		from, to float64
	}{
		{"nothing", nil, 0, 0},
		{"digital silence", make([]float32, 10*rate), 0, 0},
		{"steady noise", steady, 0, 6},
		{"speech", bursts(1, 10, rhythm{2, 0.5}, loudness{0.1, 0.0003}), 30, 100},
		{"speech in noise 20 dB below", bursts(1, 10, rhythm{2, 0.5}, loudness{0.1, 0.01}), 15, 30},
	}
	for _, tt := range tests {
		if got := (segment.Piece{Samples: tt.in}).Contrast(); got < tt.from || got > tt.to {
			t.Errorf("%s: %.1f dB, want %v to %v", tt.name, got, tt.from, tt.to)
		}
	}
}

func TestOpenPiece(t *testing.T) {
	t.Parallel()
	in := bursts(5, 33, rhythm{2, 0.5}, loudness{0.1, 0.0002})
	var end int64
	c, err := segment.New(segment.Defaults(), func(p segment.Piece) error { end = p.End(); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(in); at += 1600 {
		if err := c.Write(in[at : at+1600]); err != nil {
			t.Fatal(err)
		}
		open := c.Open()
		if open.Start != end || !slices.Equal(open.Samples, in[end-int64(open.Before):at+1600]) {
			t.Fatalf("after %d frames the open piece begins at %d and has %d frames, last piece ended at %d", at+1600, open.Start, open.Frames(), end)
		}
	}
}

// TestMemoryIsBounded writes an hour: besides the emitted pieces nothing may be allocated.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	pieces := 0
	c, err := segment.New(segment.Defaults(), func(segment.Piece) error { pieces++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	block := bursts(5, 10, rhythm{1e6, 0}, loudness{0.1, 0.0002})
	for range 360 {
		if err := c.Write(block); err != nil {
			t.Fatal(err)
		}
		if open := c.Open(); len(open.Samples) > 19*rate {
			t.Fatalf("the cutter holds %d frames", len(open.Samples))
		}
	}
	if pieces < 3600/15 {
		t.Errorf("only %d pieces from an hour", pieces)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	with := func(f func(*segment.Options)) segment.Options {
		o := segment.Defaults()
		f(&o)
		return o
	}
	tests := map[string]segment.Options{
		"zero":                            {},
		"unknown strategy":                with(func(o *segment.Options) { o.Strategy = 7 }),
		"window shorter than the stretch": with(func(o *segment.Options) { o.Min = o.Max }),
		"negative overlap":                with(func(o *segment.Options) { o.Overlap = -1 }),
		"overlap over a piece":            with(func(o *segment.Options) { o.Overlap = 7 * time.Second }),
		"longer than an engine takes":     with(func(o *segment.Options) { o.Max = 29 * time.Second }),
		"negative tail":                   with(func(o *segment.Options) { o.Tail = -1 }),
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := segment.New(o, func(segment.Piece) error { return nil })
			if scout.CodeOf(err) != scout.CodeInvalidArgument {
				t.Errorf("error %v has code %q", err, scout.CodeOf(err))
			}
		})
	}
}

func TestParseCut(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "quiet:3s", "fixed", "fixed:", "fixed:10", "fixed:0s", "fixed:-3s", "fixed:1h", "vosk", "quiet "} {
		if o, err := segment.ParseCut(s); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("ParseCut(%q) = %+v, %v", s, o, err)
		}
	}
	if o, err := segment.ParseCut("quiet"); err != nil || o != segment.Defaults() {
		t.Errorf("quiet: %+v, %v", o, err)
	}
	if o, err := segment.ParseCut("fixed:8s"); err != nil || o.Max != 8*time.Second || o.Strategy != segment.Fixed {
		t.Errorf("fixed:8s: %+v, %v", o, err)
	}
}

func BenchmarkWrite(b *testing.B) {
	block := bursts(5, 1, rhythm{2, 0.5}, loudness{0.1, 0.0002})
	c, err := segment.New(segment.Defaults(), func(segment.Piece) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(block) * 4))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Write(block); err != nil {
			b.Fatal(err)
		}
	}
}

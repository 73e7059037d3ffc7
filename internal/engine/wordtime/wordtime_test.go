package wordtime

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

const testHeads = 5

func moonshineMS(frame int) float32 { return MoonshineTiny().Frames.border(frame) }

// framesOf is the number of encoder frames of n samples (docs/formats/prepared-model.md).
func framesOf(n int) int {
	n = max(n, 1024)
	return ((((n-127)/64+1)-7)/3+1-3)/2 + 1
}

// said is a clip made for a test: words with known times, the sound of each, and matching attention.
type said struct {
	recipe  Recipe
	samples []float32
	spoken  []bool
	words   []Word
	truth   []Span
	rows    []float32 // [tokens+1, testHeads, frames]
	frames  int
}

// say makes a clip. Each word has the given number of tokens of 120 ms each; a pause of pauseMS[i] comes before word i,
// and 300 ms end the clip. A token's rows attend to its own sound with a strength of 1, as blurred as the model's.
func say(tokens, pauseMS []int, level float64) *said {
	return sayTo(MoonshineTiny(), tokens, pauseMS, level)
}

// sayTo is say for the model of a recipe.
func sayTo(recipe Recipe, tokens, pauseMS []int, level float64) *said {
	s := &said{recipe: recipe}
	heads := len(recipe.Heads)
	rng := rand.New(rand.NewPCG(3, 4))
	var at int // ms
	var places [][2]int
	for w, n := range tokens {
		at += pauseMS[w]
		word := Word{From: len(places)}
		span := Span{StartMS: float32(at), Placed: true}
		for range n {
			places = append(places, [2]int{at, at + 120})
			s.spoken = append(s.spoken, true)
			at += 120
		}
		word.To, span.EndMS = len(places), float32(at)
		s.words, s.truth = append(s.words, word), append(s.truth, span)
	}
	s.samples = make([]float32, (at+300)*samplesPerMS)
	for i := range s.samples {
		s.samples[i] = float32(0.0003 * rng.NormFloat64())
	}
	for _, p := range places {
		const fade = 5 * samplesPerMS
		from, to := p[0]*samplesPerMS, p[1]*samplesPerMS
		for i := from; i < to; i++ {
			edge := min(float64(min(i-from, to-1-i))/fade, 1)
			s.samples[i] += float32(level * edge * math.Sin(float64(i)*0.3))
		}
	}
	s.frames = framesOf(len(s.samples))
	if recipe.Padded { // 2 s of silence behind the samples, 20 ms each
		s.frames = (len(s.samples)+319)/320 + 100
	}
	s.rows = make([]float32, (len(places)+1)*heads*s.frames)
	for i := range s.rows {
		s.rows[i] = 0.01 * rng.Float32()
	}
	for k, p := range places {
		for h, head := range recipe.Heads {
			row := s.rows[((k+head.Own)*heads+h)*s.frames:][:s.frames]
			for j := range row {
				if middle := int(recipe.Frames.border(j-head.Late)) + recipe.Frames.StepMS/2; middle >= p[0] && middle < p[1] {
					row[j] += 0.2
				}
			}
		}
	}
	return s
}

// placedBy passes the rows to the placer as the decoder does: n at a time, from a run that has more.
func (s *said) placedBy(p *Placer, n int) []Span {
	p.Begin(s.frames, len(s.samples))
	heads := len(s.recipe.Heads)
	width := heads * s.frames
	for row := 0; row < len(s.rows)/width; row += n {
		keep := min(n, len(s.rows)/width-row)
		run := make([]float32, (n+1)*width) // heads first, a row more than is kept
		for i := range keep {
			for h := range heads {
				copy(run[(h*(n+1)+i)*s.frames:], s.rows[(row+i)*width+h*s.frames:][:s.frames])
			}
		}
		p.Add(run, n+1, keep)
	}
	return p.Place(s.samples, s.spoken, s.words)
}

func TestPlaceFindsWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens, pauses []int
		tolerance      float64 // ms
	}{
		"one word":                     {[]int{1}, []int{400}, 10},
		"fluent words":                 {[]int{2, 1, 3, 1}, []int{300, 0, 0, 0}, 24},
		"pauses":                       {[]int{1, 2, 1}, []int{500, 700, 1000}, 10},
		"speech from the first sample": {[]int{2, 2}, []int{0, 200}, 28},
		"a short pause":                {[]int{2, 2}, []int{300, 80}, 24},
		"many words":                   {[]int{1, 2, 1, 3, 1, 1, 2, 1, 2, 4}, []int{200, 0, 0, 300, 0, 0, 600, 0, 90, 0}, 24},
	} {
		for model, recipe := range map[string]Recipe{"Moonshine tiny": MoonshineTiny(), "Whisper, 8 heads": Whisper(8), "Whisper, 3 heads": Whisper(3)} {
			s := sayTo(recipe, c.tokens, c.pauses, 0.3)
			for rows := 1; rows < 6; rows += 2 {
				got := s.placedBy(New(recipe), rows)
				for w, want := range s.truth {
					if !got[w].Placed || math.Abs(float64(got[w].StartMS-want.StartMS)) > c.tolerance ||
						math.Abs(float64(got[w].EndMS-want.EndMS)) > c.tolerance {
						t.Errorf("%s, %s: word %d at %+v, said at %+v", name, model, w, got[w], want)
					}
				}
			}
		}
	}
}

// A decode that was stopped has no row for its last token. Heads that look at predicted tokens do not need it.
func TestPlaceWithoutTheLastRow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recipe Recipe
		placed bool
	}{
		"Whisper":        {Whisper(4), true},
		"Moonshine tiny": {MoonshineTiny(), false},
	} {
		s := sayTo(c.recipe, []int{1, 2, 1}, []int{300, 0, 200}, 0.3)
		s.rows = s.rows[:len(s.rows)-len(c.recipe.Heads)*s.frames]
		for w, span := range s.placedBy(New(c.recipe), 1) {
			if span.Placed != c.placed {
				t.Errorf("%s: word %d placed: %v", name, w, span.Placed)
			}
		}
	}
}

// Attention to the silence behind the samples places nothing there.
func TestPlaceStaysWithinPaddedAudio(t *testing.T) {
	t.Parallel()
	s := sayTo(Whisper(8), []int{2, 1, 2}, []int{300, 0, 200}, 0.3)
	heard := (len(s.samples) + 319) / 320
	for i := range s.rows {
		if i%s.frames >= heard {
			s.rows[i] = 1
		}
	}
	length := float32(len(s.samples)) / samplesPerMS
	for w, span := range s.placedBy(New(Whisper(8)), 1) {
		if !span.Placed || span.EndMS > length || math.Abs(float64(span.StartMS-s.truth[w].StartMS)) > 24 {
			t.Errorf("word %d at %+v, said at %+v", w, span, s.truth[w])
		}
	}
}

func TestPlaceCutsOffWhatTheModelLeftOut(t *testing.T) {
	t.Parallel()
	// The word of four tokens was said but not written: its sound must not become the beginning of the next.
	const before, left = 8, 4 // tokens
	tokens, pauses := []int{1, 1, 1, 1, 1, 1, 1, 1, left, 1, 1, 1, 1}, make([]int, 13)
	pauses[0] = 300
	s := say(tokens, pauses, 0.3)
	width := testHeads * s.frames
	for h, head := range MoonshineTiny().Heads {
		if head.Own == 0 { // it shows the next word in the row of the token before
			copy(s.rows[before*width+h*s.frames:][:s.frames], s.rows[(before+left)*width+h*s.frames:][:s.frames])
		}
	}
	for _, h := range []int{0, 1} { // two heads of five match the omitted sound with the word after it
		row := s.rows[(before+left+1)*width+h*s.frames:][:s.frames]
		for j := range row {
			if at := moonshineMS(j) + 12; at >= s.truth[before].StartMS && at < s.truth[before].EndMS {
				row[j] += 0.1
			}
		}
	}
	s.rows = append(s.rows[:(before+1)*width], s.rows[(before+left+1)*width:]...)
	s.spoken = s.spoken[left:]
	s.truth = append(s.truth[:before], s.truth[before+1:]...)
	for w := range s.truth {
		s.words[w] = Word{w, w + 1}
	}
	s.words = s.words[:len(s.truth)]
	got := s.placedBy(New(MoonshineTiny()), 1)
	for w, want := range s.truth {
		if math.Abs(float64(got[w].StartMS-want.StartMS)) > 24 {
			t.Errorf("word %d placed at %+v, said at %+v", w, got[w], want)
		}
	}
}

func TestPlaceLeavesOutWhatHasNoPlace(t *testing.T) {
	t.Parallel()
	none := func(name string, spans []Span) {
		for i, s := range spans {
			if s != (Span{}) {
				t.Errorf("%s: word %d placed at %+v", name, i, s)
			}
		}
	}
	s := say([]int{1, 1, 1}, []int{300, 0, 200}, 0.3)
	p := New(MoonshineTiny())
	none("nothing added", p.Place(s.samples, s.spoken, s.words))
	p.Begin(s.frames, len(s.samples))
	p.Add(s.rows[:testHeads*s.frames], 1, 1)
	none("rows missing", p.Place(s.samples, s.spoken, s.words))

	unspoken := *s
	unspoken.spoken = []bool{true, false, true}
	got := unspoken.placedBy(p, 1)
	none("punctuation", got[1:2])
	if !got[0].Placed || !got[2].Placed {
		t.Errorf("words beside punctuation are not placed: %+v", got)
	}
	unspoken.spoken = make([]bool, 3)
	none("punctuation alone", unspoken.placedBy(p, 1))

	flat := *s
	flat.rows = make([]float32, len(s.rows))
	none("attention that looks nowhere", flat.placedBy(p, 1))

	short := &said{recipe: MoonshineTiny(), samples: make([]float32, 1024), frames: framesOf(1024), spoken: []bool{true, true, true}, words: []Word{{0, 1}, {1, 3}}}
	short.rows = make([]float32, 4*testHeads*short.frames)
	none("more tokens than frames", short.placedBy(p, 1))
	if n := len(s.placedBy(p, 1)); n != 3 {
		t.Errorf("%d spans of 3 words after all that", n)
	}
}

// Whatever the model attends to, words are in order, do not overlap, and are inside the audio.
func TestPlaceKeepsOrder(t *testing.T) {
	t.Parallel()
	p := New(MoonshineTiny()) // one for all, so that nothing of a decode may reach the next
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		samples := make([]float32, rapid.IntRange(0, 60000).Draw(t, "samples"))
		loud := rapid.OneOf(rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{1e18, 1e30, 5e37})).Draw(t, "loud")
		for i := range samples {
			if (i/rapid.Just(1600).Draw(t, "step"))%3 > 0 {
				samples[i] = float32(loud * rng.NormFloat64())
			}
		}
		frames := framesOf(len(samples))
		spoken := rapid.SliceOfN(rapid.Bool(), 0, 60).Draw(t, "spoken")
		var words []Word
		for from := 0; from < len(spoken); {
			to := min(from+rapid.IntRange(1, 4).Draw(t, "tokens"), len(spoken))
			words = append(words, Word{from, to})
			from = to
		}
		p.Begin(frames, len(samples))
		rows := make([]float32, (len(spoken)+1)*testHeads*frames)
		sharp := rapid.Float64Range(0, 8).Draw(t, "sharp")
		for i := range rows {
			rows[i] = float32(math.Exp(sharp*rng.NormFloat64()) / float64(frames))
		}
		p.Add(rows, len(spoken)+1, len(spoken)+1)
		spans := p.Place(samples, spoken, words)
		if len(spans) != len(words) {
			t.Fatalf("%d spans for %d words", len(spans), len(words))
		}
		before := float32(0)
		for i, s := range spans {
			if !s.Placed {
				if s != (Span{}) {
					t.Fatalf("not placed, but %+v", s)
				}
				continue
			}
			if s.StartMS < before || s.EndMS < s.StartMS || s.EndMS > float32(len(samples))/samplesPerMS {
				t.Fatalf("word %d of %d at %+v after %v, of %d samples", i, len(words), s, before, len(samples))
			}
			before = s.EndMS
		}
	})
}

// The path found has the highest score of all.
func TestSolveIsTheBest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var c chain
		frames := rapid.IntRange(1, 7).Draw(t, "frames")
		c.begin(frames)
		score := func(out []float32) {
			for j := range out {
				out[j] = float32(rapid.IntRange(-9, 9).Draw(t, "score"))
			}
		}
		tokens := 0
		for w := range rapid.IntRange(1, 3).Draw(t, "words") {
			score(c.token(pause))
			for range rapid.IntRange(1, 2).Draw(t, "tokens") {
				score(c.token(w))
				tokens++
			}
		}
		score(c.token(pause))
		var best func(state, frame int) float32 // of frames from frame on, the first of them in state
		best = func(state, frame int) float32 {
			at := c.scores[state*frames+frame]
			if frame == frames-1 {
				if state >= len(c.states)-2 {
					return at
				}
				return never
			}
			top := never
			for next := state; next < len(c.states) && next <= state+2; next++ {
				if next < state+2 || c.states[state+1].word == pause {
					top = max(top, best(next, frame+1))
				}
			}
			return max(at+top, never)
		}
		want := max(best(0, 0), best(1, 0))
		if ok := c.solve(); ok != (tokens <= frames) {
			t.Fatalf("solved %v: %d tokens in %d frames", ok, tokens, frames)
		} else if !ok {
			return
		}
		got, at := float32(0), 0
		for i, s := range c.states {
			if s.from < 0 {
				if s.word != pause {
					t.Fatalf("token %d left out", i)
				}
				continue
			}
			if s.from != at || s.to <= s.from {
				t.Fatalf("state %d has [%d, %d) behind %d", i, s.from, s.to, at)
			}
			for ; at < s.to; at++ {
				got += c.scores[i*frames+at]
			}
		}
		if at != frames || got != want {
			t.Fatalf("a way of %v over %d of %d frames, the best is %v", got, at, frames, want)
		}
	})
}

// The quiet level follows noise that swells. A sound longer than the stretch in which the quiet level is looked for
// stays speech.
func TestListenTellsSpeechFromNoise(t *testing.T) {
	t.Parallel()
	const lengthMS = 6000
	rng := rand.New(rand.NewPCG(5, 6))
	samples := make([]float32, lengthMS*samplesPerMS)
	for i := range samples {
		swell := math.Pow(10, math.Sin(2*math.Pi*float64(i)/float64(len(samples)))*8/20) // up and down by 8 dB
		samples[i] = float32(0.005 * swell * rng.NormFloat64())
	}
	said := []interval{{500, 700}, {1000, 1200}, {1700, 2900}, {3300, 3500}, {3900, 4100}, {4500, 4700}, {5200, 5400}}
	for _, w := range said {
		for i := int(w.from) * samplesPerMS; i < int(w.to)*samplesPerMS; i++ {
			samples[i] += float32(0.08 * (math.Sin(float64(i)*0.15) + math.Sin(float64(i)*1.1)))
		}
	}
	s := speech{frames: MoonshineTiny().Frames}
	s.listen(samples, framesOf(len(samples)))
	for j, share := range s.share {
		from, to := moonshineMS(j), moonshineMS(j+1)
		inside, outside := false, true
		for _, w := range said {
			inside = inside || from >= w.from && to <= w.to
			outside = outside && (to < w.from-10 || from > w.to+10)
		}
		if inside && share < 0.8 || outside && share > 0.5 {
			t.Errorf("speech is %.2f of the frame from %v ms", share, from)
		}
	}
}

func TestPlaceAllocatesOnlyItsResult(t *testing.T) {
	p := New(MoonshineTiny())
	s := say([]int{1, 2, 1, 3, 1, 1, 2}, []int{200, 0, 0, 300, 0, 0, 600}, 0.3)
	row := s.rows[:testHeads*s.frames]
	place := func() {
		p.Begin(s.frames, len(s.samples))
		for range len(s.spoken) + 1 {
			p.Add(row, 1, 1)
		}
		p.Place(s.samples, s.spoken, s.words)
	}
	place()
	if n := testing.AllocsPerRun(20, place); n > 1 {
		t.Errorf("%v allocations a decode", n)
	}
}

// BenchmarkPlace places 30 words of 45 tokens in 10 s, and 90 words of 135 tokens in 28 s.
func BenchmarkPlace(b *testing.B) {
	for _, recipe := range []struct {
		name string
		Recipe
	}{{"Moonshine", MoonshineTiny()}, {"Whisper", Whisper(8)}} {
		for _, count := range []int{30, 90} {
			tokens, pauses := make([]int, count), make([]int, count)
			for i := range tokens {
				tokens[i], pauses[i] = 1+i%2, 120*(i%3)
			}
			s := sayTo(recipe.Recipe, tokens, pauses, 0.3)
			b.Run(fmt.Sprintf("%s/%d", recipe.name, count), func(b *testing.B) {
				p := New(recipe.Recipe)
				s.placedBy(p, 1)
				rows := slices.Clone(p.rows)
				b.ReportAllocs()
				for b.Loop() {
					p.Begin(s.frames, len(s.samples))
					p.rows = append(p.rows[:0], rows...)
					p.Place(s.samples, s.spoken, s.words)
				}
			})
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 60; n++ {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(dice.IntN(n)) // some of them equal
		}
		sorted := slices.Sorted(slices.Values(values))
		want := (sorted[(n-1)/2] + sorted[n/2]) / 2
		if got := median(values); got != want {
			t.Errorf("of %d: %v, want %v", n, got, want)
		}
		if slices.Sort(values); !slices.Equal(values, sorted) {
			t.Errorf("of %d: values are lost", n)
		}
	}
}

// TestPlaceWakesWords lets some words attend to the pause before them and not to their sound, as Whisper does where it hears
// little of what follows. They are placed at their sound all the same, however little of the audio is speech.
func TestPlaceWakesWords(t *testing.T) {
	t.Parallel()
	p := New(Whisper(6))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 3, 12, 50}).Draw(t, "words")
		tokens, pauses := make([]int, n), make([]int, n)
		for i := range tokens {
			tokens[i] = rapid.IntRange(1, 2).Draw(t, "tokens")
			pauses[i] = rapid.SampledFrom([]int{0, 0, 0, 200, 900}).Draw(t, "pause")
		}
		pauses[0] = rapid.SampledFrom([]int{300, 1000, 4000, 7000}).Draw(t, "silence before them")
		s := sayTo(Whisper(6), tokens, pauses, 0.3)
		width, early := 6*s.frames, make([]int, n)
		for w, word := range s.words {
			if pauses[w] < 300 || !rapid.Bool().Draw(t, "attends to the pause") {
				continue
			}
			early[w] = rapid.IntRange(120, pauses[w]-60).Draw(t, "ms too early") / 20
			for k := word.From; k < word.To; k++ {
				for h := range 6 {
					row := s.rows[k*width+h*s.frames:][:s.frames]
					for j := range row {
						if row[j] > 0.1 {
							row[j-early[w]], row[j] = row[j], 0
						}
					}
				}
			}
		}
		for w, span := range s.placedBy(p, 1) {
			if !span.Placed && early[w] > 0 {
				continue // its sound does not fit
			}
			if math.Abs(float64(span.StartMS-s.truth[w].StartMS)) > 60 || !span.Placed {
				t.Fatalf("word %d of %d at %+v, said at %+v", w, n, span, s.truth[w])
			}
		}
	})
}

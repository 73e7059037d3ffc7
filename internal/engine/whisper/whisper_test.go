package whisper

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/model/prepare"
)

const jfk = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"

// plain is text in lower case without punctuation.
func plain(text string) string { return strings.Join(words(text), " ") }

func ids(r *wire.Result) []int32 {
	out := make([]int32, len(r.Tokens))
	for i, t := range r.Tokens {
		out[i] = t.ID
	}
	return out
}

var english = wire.RequestOptions{Language: "en"}

// Features equal those of faster-whisper to 1e-4.
func TestFeatures(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("testdata", "features.json"))
	if err != nil {
		t.Fatal(err)
	}
	var reference map[int]map[string][]float32
	if err := json.Unmarshal(content, &reference); err != nil {
		t.Fatal(err)
	}
	samples := speech(t)
	for mels, windows := range reference {
		t.Run(strconv.Itoa(mels), func(t *testing.T) {
			t.Parallel()
			b := random(t, mels)
			l, err := b.slots.Take(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer b.slots.Add(l)
			got, err := l.features(samples, b.model.framesFor(len(samples), 3*scout.EngineSampleRateHz), false)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range windows {
				at, err := strconv.Atoi(name)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range want {
					if d := math.Abs(float64(got[at*mels+i] - v)); !(d <= 1e-4) {
						t.Errorf("window %d, band %d: %v, want %v", at, i, got[at*mels+i], v)
					}
				}
			}
		})
	}
}

// Behind the samples there is silence, or features of 0. Those of the samples are the same.
func TestBlankFeatures(t *testing.T) {
	t.Parallel()
	const mels = 80
	b := random(t, mels)
	l, err := b.slots.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer b.slots.Add(l)
	samples := speech(t)[:3*scout.EngineSampleRateHz]
	frames := b.model.framesFor(len(samples), safeTail)
	silent, err := l.features(samples, frames, false)
	if err != nil {
		t.Fatal(err)
	}
	silent = slices.Clone(silent)
	blank, err := l.features(samples, frames, true)
	if err != nil {
		t.Fatal(err)
	}
	end := (len(samples)/hop + 1) * mels
	if !slices.Equal(blank[:end], silent[:end]) {
		t.Error("the features of the samples differ")
	}
	if i := slices.IndexFunc(blank[end:], func(v float32) bool { return v != 0 }); i >= 0 || len(blank) != 2*frames*mels {
		t.Errorf("%v behind the samples, of %d features", blank[end+max(i, 0)], len(blank))
	}
	if last := silent[len(silent)-1]; !(last < -0.2) {
		t.Errorf("silence is %v", last)
	}
}

// A piece is heard again if silence takes the place of features of 0, also if it is as long.
func TestBlankTails(t *testing.T) {
	t.Parallel()
	b := either(t)
	l, err := b.slots.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer b.slots.Add(l)
	s := &session{slot: l, job: job{samples: speech(t), language: "en"}}
	defer func() { s.cache.forget(); _ = s.owned.Free() }()
	for _, c := range []struct {
		tail  int
		blank bool
	}{{usualTail, false}, {safeTail, true}, {wholeTail, false}, {wholeTail - 1, true}} { // the last two are as long
		if _, err := s.decode(context.Background(), how{tail: c.tail, beam: 1}); err != nil {
			t.Fatal(err)
		}
		if s.heard.blank != c.blank {
			t.Errorf("tail of %d samples: features of 0: %v", c.tail, s.heard.blank)
		}
	}
}

// A long piece is heard without the cache of the texts before it, and decoded with a new one.
func TestCacheIsDroppedForALongPiece(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	l, err := b.slots.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer b.slots.Add(l)
	s := &session{slot: l, job: job{samples: speech(t), language: "en"}}
	defer func() { s.cache.forget(); _ = s.owned.Free() }()
	for _, tail := range []int{usualTail, wholeTail, usualTail} {
		if _, err := s.decode(context.Background(), how{tail: tail, beam: 5}); err != nil {
			t.Fatal(err)
		}
		if s.cache.pages[0].Len() == 0 {
			t.Fatal("decoded without a cache")
		}
		if tail == wholeTail {
			continue
		}
		if _, err := s.hear(s.samples, b.model.Frames, false, &s.owned); err != nil {
			t.Fatal(err)
		}
		if n := s.cache.pages[0].Len(); n != 0 {
			t.Errorf("%d floats of the cache are left", n)
		}
		s.heard = hearing{} // heard again by decode
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	m := &model{}
	m.Frames = 1500
	for name, c := range map[string]struct{ samples, tail, want int }{
		"nothing":                    {0, 0, 1},
		"one sample":                 {1, 0, 1},
		"50 ms":                      {800, 0, 3},
		"50 ms and 2 s":              {800, 32000, 103},
		"29.99 s":                    {479840, 32000, 1500},
		"30 s":                       {480000, 0, 1500},
		"a tail longer than allowed": {16000, 480000, 1500},
	} {
		if got := m.framesFor(c.samples, c.tail); got != c.want {
			t.Errorf("%s: %d frames, want %d", name, got, c.want)
		}
	}
}

func TestTranscribe(t *testing.T) {
	t.Parallel()
	b := base(t)
	for name, options := range map[string]wire.RequestOptions{
		"greedy":             {Language: "en", Words: true},
		"the language found": {Words: true, Tokens: true},
		"a beam of five":     {Language: "en", Words: true, Beam: 5},
		"five seconds":       {Language: "en", Words: true, TailMS: 5000},
		"the whole window":   {Language: "en", Words: true, TailMS: 30000},
		"after a text":       {Language: "en", Words: true, Prompt: "Vice President Johnson, Mr. Speaker, Mr. Chief Justice."},
		"hot words":          {Language: "en", Words: true, HotWords: []string{"Americans", "Xylophonist"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := transcribe(t, b, speech(t), options)
			if plain(r.Text) != jfk || r.Stop != wire.StopEnd || r.Agreed != 0 || r.Language != "en" || r.EncodeMS <= 0 {
				t.Errorf("got %+v", r)
			}
			if r.NoSpeech == nil || !(*r.NoSpeech >= 0 && *r.NoSpeech < 0.3) || r.EndLogProb == nil || !(*r.EndLogProb <= 0) {
				t.Errorf("nobody speaks: %v, ends: %v", r.NoSpeech, r.EndLogProb)
			}
			if detected := r.LanguageProb != nil; detected != (options.Language == "") || detected && !(*r.LanguageProb > 0.5 && *r.LanguageProb <= 1) {
				t.Errorf("language with probability %v", r.LanguageProb)
			}
			if r.AudioTokens != 550 || (r.PromptTokens > 0) != (options.Prompt != "") || r.PromptTokens > 30 { // 20 ms each, whatever follows
				t.Errorf("%d positions after %d tokens", r.AudioTokens, r.PromptTokens)
			}
			said := ""
			for _, token := range r.Tokens {
				said += token.Text
				if token.LogProb == nil || !(*token.LogProb <= 0 && *token.LogProb > -8) {
					t.Errorf("token %+v", token)
				}
			}
			if strings.TrimSpace(said) != r.Text || len(r.Words) != len(strings.Fields(r.Text)) {
				t.Errorf("text %q, tokens %q, words %v", r.Text, said, r.Words)
			}
			last := float32(0)
			for i, w := range r.Words {
				if w.StartMS == nil || w.EndMS == nil || !(*w.StartMS >= last && *w.EndMS > *w.StartMS && *w.EndMS <= 11000) {
					t.Errorf("word %d: %q at %v to %v", i, w.Text, w.StartMS, w.EndMS)
					break
				}
				last = *w.EndMS
			}
			spelt, n := "", 0
			for _, w := range r.Words {
				for _, token := range w.Tokens {
					spelt, n = spelt+string(token.Bytes), n+1
				}
			}
			if options.Tokens && (strings.TrimSpace(spelt) != r.Text || n != len(r.Tokens)) || !options.Tokens && n > 0 {
				t.Errorf("text %q, its words have %d tokens %q", r.Text, n, spelt)
			}
		})
	}
}

// The model of another size and kind: English only, other markers.
func TestEnglishOnly(t *testing.T) {
	t.Parallel()
	b := tiny(t)
	r := transcribe(t, b, speech(t), wire.RequestOptions{})
	if plain(r.Text) != jfk || r.Language != "en" || r.LanguageProb != nil {
		t.Errorf("got %+v", r)
	}
	if f := b.Facts(); f.Translates || f.DetectsLanguage {
		t.Errorf("facts %+v", f)
	}
	for name, options := range map[string]wire.RequestOptions{"German": {Language: "de"}, "a translation": {Translate: true}} {
		if _, err := b.Transcribe(context.Background(), &wire.Request{Samples: speech(t), Options: options}); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v (%s)", name, err, scout.CodeOf(err))
		}
	}
}

// Both forms of the encoder's weights give the same words on a processor that multiplies both exactly.
func TestVariants(t *testing.T) {
	t.Parallel()
	dir := tinyDir(t)
	other := prepare.VariantUnsigned
	if prepare.DetectProcessor().Variant() == other {
		other = prepare.VariantSigned
	}
	b := open(t, load(t, dir, other))
	if r := transcribe(t, b, speech(t), english); plain(r.Text) != jfk {
		t.Errorf("%s: %q", other, r.Text)
	}
}

// A beam of one text is greedy decoding.
func TestBeamOfOneIsGreedy(t *testing.T) {
	t.Parallel()
	b := either(t)
	l, err := b.slots.Take(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer b.slots.Add(l)
	s := &session{slot: l, job: job{samples: speech(t), language: "en"}}
	defer func() { s.cache.forget(); _ = s.owned.Free() }()
	want, err := s.decode(context.Background(), how{tail: usualTail, beam: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := &decoding{}
	if err = s.setPrompt(got); err == nil {
		err = s.beam(context.Background(), got, 1, 200)
	}
	if err != nil || !slices.Equal(got.tokens, want.tokens) || got.ending == nil || math.Abs(got.average()-want.average()) > 1e-3 {
		t.Errorf("beam %v (%v), greedy %v (%v), %v", got.tokens, got.average(), want.tokens, want.average(), err)
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	b := base(t)
	path := filepath.Join("..", "..", "..", "..", "shared", "speech", "languages")
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Skipf("no speech to test with: %v", err)
	}
	var german string
	for _, e := range entries {
		if strings.Contains(e.Name(), "-de-") || strings.Contains(e.Name(), "_de_") || strings.HasPrefix(e.Name(), "de") {
			german = filepath.Join(path, e.Name())
			break
		}
	}
	if german == "" {
		t.Skip("no German speech to test with")
	}
	raw, err := exec.Command("ffmpeg", "-v", "error", "-i", german, "-t", "12", "-f", "s16le", "-ac", "1", "-ar", "16000", "-").Output()
	if err != nil {
		t.Skipf("no ffmpeg: %v", err)
	}
	samples := make([]float32, len(raw)/2)
	for i := range samples {
		samples[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
	}
	r := transcribe(t, b, samples, wire.RequestOptions{Language: "auto"})
	if r.Language != "de" || r.LanguageProb == nil || !(*r.LanguageProb > 0.5) {
		t.Errorf("found %s with %v: %q", r.Language, r.LanguageProb, r.Text)
	}
	translated := transcribe(t, b, samples, wire.RequestOptions{Language: "de", Translate: true})
	if translated.Text == r.Text || translated.Text == "" {
		t.Errorf("%q in English is %q", r.Text, translated.Text)
	}
	if _, err := b.Transcribe(context.Background(), &wire.Request{Samples: samples, Options: wire.RequestOptions{Language: "xx"}}); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("language xx: %v (%s)", err, scout.CodeOf(err))
	}
}

// Chinese is written in one script. Without a text before it, this model writes this clip in traditional characters.
func TestScript(t *testing.T) {
	t.Parallel()
	b := base(t)
	samples := wav(t, filepath.Join("..", "..", "..", "..", "shared", "speech", "languages", "zh_aishell_005.wav"))
	for name, options := range map[string]wire.RequestOptions{
		"told":        {Language: "zh", TailMS: 5000, Beam: 5, Words: true},
		"the default": {Language: "zh"},
		"found":       {TailMS: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := transcribe(t, b, samples, options)
			if r.Language != "zh" || !strings.Contains(r.Text, "让他们") || strings.ContainsAny(r.Text, "讓們參與體運動") {
				t.Errorf("%s: %q", r.Language, r.Text)
			}
		})
	}
	v := b.model.vocabulary
	for _, language := range []string{"en", "ja", "yue"} {
		if tokens := v.script(language); tokens != nil {
			t.Errorf("%s begins after %v", language, tokens)
		}
	}
}

func TestContinueFromAHypothesis(t *testing.T) {
	t.Parallel()
	b := either(t)
	samples := speech(t)
	right := ids(transcribe(t, b, samples, english))
	end := b.model.vocabulary.End
	replaced := func(at int) []int32 {
		tokens := slices.Clone(right)
		tokens[at] = 304
		return tokens
	}
	for name, c := range map[string]struct {
		hypothesis []int32
		agreed     int
	}{
		"all of it":                   {right, len(right)},
		"the first half":              {right[:10], 10},
		"the first token":             {right[:1], 1},
		"the last tokens wrong":       {append(slices.Clone(right[:len(right)-4]), 304, 304, 304, 304), len(right) - 4},
		"a token wrong in the middle": {replaced(6), 6},
		"the first token wrong":       {replaced(0), 0},
		"more than was said":          {append(slices.Clone(right), 1126, 577), len(right)},
		"all wrong":                   {slices.Repeat([]int32{304}, 20), 0},
		"much longer than it may be":  {slices.Repeat([]int32{304}, 5000), 0},
		"a text and an end and more":  {append(append(slices.Clone(right[:5]), end), 77, 78), 5},
		"markers":                     {[]int32{end + 1, end + 2, 5}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := transcribe(t, b, samples, wire.RequestOptions{Language: "en", Hypothesis: c.hypothesis, Words: true})
			if r.Agreed != c.agreed || plain(r.Text) != jfk || !slices.Equal(ids(r)[:r.Agreed], c.hypothesis[:r.Agreed]) {
				t.Errorf("agreed %d of %d, want %d: %q", r.Agreed, len(c.hypothesis), c.agreed, r.Text)
			}
			for i, w := range r.Words {
				if w.StartMS == nil {
					t.Errorf("word %d, %q, has no time", i, w.Text)
				}
			}
		})
	}
}

// The heartbeat sees the encoder and then tokens.
func TestSteps(t *testing.T) {
	t.Parallel()
	b := either(t)
	step := &wire.Step{}
	r, err := b.Transcribe(context.Background(), &wire.Request{Samples: speech(t), Options: english, Step: step})
	if err != nil {
		t.Fatal(err)
	}
	if phase, tokens := step.Now(); phase != wire.PhaseDecode || tokens != len(r.Tokens) {
		t.Errorf("ended in %s with %d tokens of %d", phase, tokens, len(r.Tokens))
	}
}

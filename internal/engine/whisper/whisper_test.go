package whisper

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
	"github.com/scout-speech/scout/internal/model/prepare"
	prepared "github.com/scout-speech/scout/internal/model/prepare/whisper"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	code := testrun.Contain(m).Run()
	for _, dir := range made {
		if err := os.RemoveAll(dir); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

// made are folders of prepared models that tests share.
var (
	madeMu sync.Mutex
	made   []string
)

// modelEnv names the folder of Whisper base, for a model kept elsewhere.
const modelEnv = "SCOUT_TEST_WHISPER"

// baseDir returns the folder of Whisper base, or skips the test where it is not installed.
func baseDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(modelEnv)
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "var", "models", "whisper-base")
	}
	return present(t, dir)
}

// tinyDir returns the folder of Whisper tiny.en, which only tests use.
func tinyDir(t testing.TB) string {
	t.Helper()
	return present(t, filepath.Join("..", "..", "..", ".tools", "models", "whisper-tiny-en"))
}

func present(t testing.TB, dir string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "model.bin")); err != nil {
		t.Skipf("no model: %v (install it with make setup, or name the folder of Whisper base in %s)", err, modelEnv)
	}
	return dir
}

// library returns the path of ONNX Runtime in the module that brings it, or skips the test.
func library(t testing.TB) string {
	t.Helper()
	path, err := libraryPath()
	if err != nil {
		t.Skipf("no ONNX Runtime: %v", err)
	}
	return path
}

var libraryPath = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/k2-fsa/sherpa-onnx-go-linux").Output()
	if err != nil {
		return "", fmt.Errorf("find ONNX Runtime: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "lib", "x86_64-unknown-linux-gnu", "libonnxruntime.so")
	_, err = os.Stat(path)
	return path, err
})

// loaded are prepared models by folder and variant, made once for all tests.
var loaded sync.Map

// load returns what to load of the model in dir.
func load(t testing.TB, dir string, variant prepare.Variant) wire.Load {
	t.Helper()
	once, _ := loaded.LoadOrStore(dir+string(variant), sync.OnceValues(func() (wire.Load, error) {
		to, err := os.MkdirTemp("", "whisper-") //nolint:usetesting // several tests share it; TestMain removes it
		if err != nil {
			return wire.Load{}, err
		}
		madeMu.Lock()
		made = append(made, to)
		madeMu.Unlock()
		res, err := prepared.Prepare(context.Background(), prepared.Source{Dir: dir}, to, prepared.Options{Variant: variant})
		return loadOf(res, dir), err
	}))
	get, ok := once.(func() (wire.Load, error))
	if !ok {
		t.Fatal("not a model")
	}
	l, err := get()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func loadOf(res prepared.Result, dir string) wire.Load {
	return wire.Load{Backend: Name, ModelID: "whisper", Family: "whisper", Slots: 2, Files: map[string]string{
		roleMel: res.Mel, roleEncoder: res.Encoder, roleDecoder: res.Decoder, roleTokenizer: filepath.Join(dir, "tokenizer.json"),
	}}
}

func open(t testing.TB, l wire.Load) *backend {
	t.Helper()
	opened, err := Open(context.Background(), l, library(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	b, ok := opened.(*backend)
	if !ok {
		t.Fatalf("a %T", opened)
	}
	return b
}

// base is Whisper base, loaded once for the tests that share it.
func base(t testing.TB) *backend {
	t.Helper()
	l := load(t, baseDir(t), "")
	lib := library(t)
	sharedMu.Lock()
	defer sharedMu.Unlock()
	if shared == nil {
		opened, err := Open(context.Background(), l, lib)
		if err != nil {
			t.Fatal(err)
		}
		shared = opened
	}
	b, ok := shared.(*backend)
	if !ok {
		t.Fatalf("a %T", shared)
	}
	return b
}

var (
	sharedMu sync.Mutex
	shared   server.Backend
)

// randomModel writes the folder of a model of random weights, whose first tokens are the bytes.
func randomModel(t testing.TB, mels int) string {
	t.Helper()
	dir := t.TempDir()
	m := ct2test.New(ct2test.Size{Width: 256, EncoderLayers: 1, DecoderLayers: 2, Mels: mels, Words: 300}, ct2test.Float16)
	next := rune(256) // GPT-2 writes bytes that cannot be printed as characters from 256 on
	for b := range 256 {
		char := rune(b)
		if b < 33 || b > 126 && b < 161 || b == 173 {
			char = next
			next++
		}
		m.Tokens[b] = string(char)
	}
	m.Write(t, dir)
	return dir
}

// random is a model of random weights, which runs but understands nothing.
func random(t testing.TB, mels int) *backend {
	t.Helper()
	dir := randomModel(t, mels)
	res, err := prepared.Prepare(context.Background(), prepared.Source{Dir: dir}, filepath.Join(dir, "prepared"), prepared.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, loadOf(res, dir))
}

// wav returns the samples of a 16-bit mono WAV of 16 kHz.
func wav(t testing.TB, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no speech to test with: %v", err)
	}
	at := 12
	for string(b[at:at+4]) != "data" {
		at += 8 + int(binary.LittleEndian.Uint32(b[at+4:]))
	}
	b = b[at+8:]
	samples := make([]float32, len(b)/2)
	for i := range samples {
		samples[i] = float32(int16(binary.LittleEndian.Uint16(b[2*i:]))) / 32768
	}
	return samples
}

func speech(t testing.TB) []float32 {
	t.Helper()
	return wav(t, filepath.Join("..", "..", "..", "testdata", "jfk.wav"))
}

func transcribe(t testing.TB, b *backend, samples []float32, options wire.RequestOptions) *wire.Result {
	t.Helper()
	r, err := b.Transcribe(context.Background(), &wire.Request{Samples: samples, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

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
			got, err := l.features(samples, b.model.framesFor(len(samples), 3*scout.EngineSampleRateHz))
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
		"the language found": {Words: true},
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
		})
	}
}

// The model of another size and kind: English only, other markers.
func TestEnglishOnly(t *testing.T) {
	t.Parallel()
	b := open(t, load(t, tinyDir(t), ""))
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
	dir := baseDir(t)
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
	b := base(t)
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
	got := &decoding{language: "en"}
	prompt, err := s.prompt(got)
	if err == nil {
		err = s.beam(context.Background(), got, prompt, 1, 200)
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

// Where nobody speaks there is no text, and the probability of that is told.
func TestSilenceAndNoise(t *testing.T) {
	t.Parallel()
	b := base(t)
	noise := rand.New(rand.NewPCG(1, 2))
	brown := 0.0
	for name, sound := range map[string]struct {
		seconds float64
		at      func(i int) float64
	}{
		"digital silence":       {5, func(int) float64 { return 0 }},
		"white noise at -40 dB": {5, func(int) float64 { return 0.01 * noise.NormFloat64() }},
		"white noise at -70 dB": {5, func(int) float64 { return 0.0003 * noise.NormFloat64() }},
		"a room": {10, func(i int) float64 {
			brown = 0.995*brown + 0.0005*noise.NormFloat64()
			return brown + 0.001*math.Sin(2*math.Pi*50*float64(i)/16000)
		}},
		"50 ms of digital silence": {0.05, func(int) float64 { return 0 }},
	} {
		samples := make([]float32, int(sound.seconds*16000))
		for i := range samples {
			samples[i] = float32(sound.at(i))
		}
		r := transcribe(t, b, samples, english)
		if r.Text != "" || len(r.Tokens) != 0 || len(r.Words) != 0 || r.Stop != wire.StopEnd || r.NoSpeech == nil || !(*r.NoSpeech > 0.6) {
			t.Errorf("%s: %q, nobody speaks with %v", name, r.Text, *r.NoSpeech)
		}
	}
}

// Any length up to 30 s decodes, and never gives more tokens than it may.
func TestLengths(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	noise := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 63, 199, 200, 201, 319, 320, 321, 800, 16000, 479840, 480000} {
		samples := make([]float32, n)
		for i := range samples {
			samples[i] = float32(0.1 * noise.NormFloat64())
		}
		for _, beam := range []int{1, 3} {
			r := transcribe(t, b, samples, wire.RequestOptions{Language: "en", Beam: beam, Words: true})
			if len(r.Tokens) > tokenLimit(n) {
				t.Errorf("%d samples, beam %d: %d tokens", n, beam, len(r.Tokens))
			}
		}
	}
}

func TestContinueFromAHypothesis(t *testing.T) {
	t.Parallel()
	b := base(t)
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

func TestTranscribeRefuses(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	for name, options := range map[string]wire.RequestOptions{
		"an unknown token":      {Hypothesis: []int32{5, 99999}},
		"a token below nothing": {Hypothesis: []int32{-1}},
		"too many hot words":    {HotWords: slices.Repeat([]string{"word"}, 1001)},
		"an unknown language":   {Language: "tlh"},
	} {
		if _, err := b.Transcribe(context.Background(), &wire.Request{Samples: make([]float32, 1600), Options: options}); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v (%s)", name, err, scout.CodeOf(err))
		}
	}
}

// A cancelled request ends with the code of cancelling at any point, inside the encoder too, and the slot still works.
func TestCancel(t *testing.T) {
	t.Parallel()
	b := base(t)
	samples := speech(t)
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), after)
		r, err := b.Transcribe(ctx, &wire.Request{Samples: samples, Options: wire.RequestOptions{Language: "en", Beam: 5}})
		cancel()
		switch {
		case err == nil:
			if plain(r.Text) != jfk {
				t.Errorf("after %v: %q", after, r.Text)
			}
		case scout.CodeOf(err) != scout.CodeDeadlineExceeded || !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("after %v: %v (%s)", after, err, scout.CodeOf(err))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Transcribe(ctx, &wire.Request{Samples: samples}); scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("cancelled before: %v (%s)", err, scout.CodeOf(err))
	}
	if r := transcribe(t, b, samples, english); plain(r.Text) != jfk {
		t.Errorf("after all that: %q", r.Text)
	}
}

// Slots share weights and nothing else.
func TestSlotsRunAtOnceAndNeverMix(t *testing.T) {
	t.Parallel()
	b := base(t)
	whole := speech(t)
	half := whole[:5*16000]
	wantWhole, wantHalf := transcribe(t, b, whole, english), transcribe(t, b, half, english)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			samples, want := whole, wantWhole
			if i%2 == 0 {
				samples, want = half, wantHalf
			}
			r, err := b.Transcribe(context.Background(), &wire.Request{Samples: samples, Options: wire.RequestOptions{Language: "en", Beam: 1 + i/2*4}})
			if err != nil || i < 2 && (r.Text != want.Text || !slices.Equal(ids(r), ids(want))) || plain(r.Text) == "" {
				t.Errorf("request %d: %v, %v, want %q", i, r, err, want.Text)
			}
		})
	}
	group.Wait()
}

// Random requests leave the backend working.
func TestRandomRequests(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	dice := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		r := &wire.Request{Samples: make([]float32, dice.IntN(4*16000)), Options: wire.RequestOptions{
			Beam: dice.IntN(7), TailMS: dice.IntN(4000), Words: dice.IntN(2) == 0, Prompt: strings.Repeat("w1 w2 ", dice.IntN(300)),
		}}
		for i := range r.Samples {
			r.Samples[i] = float32(dice.NormFloat64())
		}
		for range dice.IntN(40) {
			r.Options.Hypothesis = append(r.Options.Hypothesis, dice.Int32N(300))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(dice.IntN(200))*time.Millisecond)
		_, err := b.Transcribe(ctx, r)
		cancel()
		if code := scout.CodeOf(err); err != nil && code != scout.CodeDeadlineExceeded {
			t.Fatalf("%d samples, %+v: %v", len(r.Samples), r.Options, err)
		}
	}
	transcribe(t, b, make([]float32, 16000), english)
}

// What a request of 30 s needs is not kept: 40 MB.
func TestLongRequestsLeaveNoBuffers(t *testing.T) {
	b := open(t, load(t, baseDir(t), ""))
	said := slices.Repeat(speech(t), 3)
	held := func(seconds int) uint64 {
		transcribe(t, b, said[:seconds*16000], wire.RequestOptions{Language: "en", Words: true})
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	empty := held(2)
	kept := held(11)
	if got := held(maxSeconds); got > empty+4<<20 {
		t.Errorf("%d bytes held after %d s, %d after 2 s", got, maxSeconds, empty)
	}
	if kept < empty+4<<20 {
		t.Errorf("%d bytes held after 11 s, %d after 2 s: nothing is kept", kept, empty)
	}
}

// The heartbeat sees the encoder and then tokens.
func TestSteps(t *testing.T) {
	t.Parallel()
	b := base(t)
	step := &wire.Step{}
	r, err := b.Transcribe(context.Background(), &wire.Request{Samples: speech(t), Options: english, Step: step})
	if err != nil {
		t.Fatal(err)
	}
	if phase, tokens := step.Now(); phase != wire.PhaseDecode || tokens != len(r.Tokens) {
		t.Errorf("ended in %s with %d tokens of %d", phase, tokens, len(r.Tokens))
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := randomModel(t, 80)
	folder := filepath.Join(dir, "prepared")
	res, err := prepared.Prepare(context.Background(), prepared.Source{Dir: dir}, folder, prepared.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good, lib := loadOf(res, dir), library(t)
	open(t, good)
	text := filepath.Join(dir, "text")
	cut := t.TempDir() // prepared graphs whose weights are cut off in the middle
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(e.Name()) == ".weights" {
			data = data[:len(data)/2]
		}
		if err := errors.Join(os.WriteFile(filepath.Join(cut, e.Name()), data, 0o600), os.WriteFile(text, []byte("not a graph"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		role, path string
		want       scout.Code
	}{
		"without features":        {roleMel, text + "s", scout.CodeModelCorrupt},
		"without an encoder":      {roleEncoder, text + "s", scout.CodeModelCorrupt},
		"without a decoder":       {roleDecoder, filepath.Join(t.TempDir(), "decoder.onnx"), scout.CodeModelCorrupt},
		"with text for a decoder": {roleDecoder, text, scout.CodeModelCorrupt},
		"with half an encoder":    {roleEncoder, filepath.Join(cut, prepared.EncoderFile), scout.CodeModelCorrupt},
		"with half a decoder":     {roleDecoder, filepath.Join(cut, prepared.DecoderFile), scout.CodeModelCorrupt},
		"with another graph":      {roleEncoder, res.Mel, scout.CodeModelCorrupt},
		"with another vocabulary": {roleTokenizer, text, scout.CodeModelCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := good
			l.Files = map[string]string{}
			for role, path := range good.Files {
				l.Files[role] = path
			}
			l.Files[c.role] = c.path
			b, err := Open(context.Background(), l, lib)
			if err == nil {
				t.Error(b.Close())
			}
			if scout.CodeOf(err) != c.want {
				t.Errorf("%v (%s), want %s", err, scout.CodeOf(err), c.want)
			}
		})
	}
}

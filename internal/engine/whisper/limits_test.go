package whisper

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wire"
	prepared "github.com/scout-speech/scout/internal/model/prepare/whisper"
)

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
			if beam > 1 && n == 480000 {
				continue // one of the long ones is enough
			}
			r := transcribe(t, b, samples, wire.RequestOptions{Language: "en", Beam: beam, Words: true})
			if len(r.Tokens) > tokenLimit(n) {
				t.Errorf("%d samples, beam %d: %d tokens", n, beam, len(r.Tokens))
			}
			if n < 16000*20 && len(r.Again) == 0 { // a random text is improbable at least, and longer ones hear all there is at once
				t.Errorf("%d samples, beam %d: %q, %s, and it was decoded once", n, beam, r.Text, r.Stop)
			}
		}
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
	b := either(t)
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
	b := either(t)
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

// What was found out about the language is told however often a piece is decoded.
func TestLanguageIsFoundOnce(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	if !b.Facts().DetectsLanguage {
		t.Fatalf("facts %+v", b.Facts())
	}
	noise := rand.New(rand.NewPCG(5, 6))
	samples := make([]float32, 16000)
	for i := range samples {
		samples[i] = float32(0.1 * noise.NormFloat64())
	}
	for _, beam := range []int{1, 4} {
		r := transcribe(t, b, samples, wire.RequestOptions{Beam: beam})
		if _, known := b.model.vocabulary.Languages[r.Language]; !known || r.LanguageProb == nil || !(*r.LanguageProb > 0 && *r.LanguageProb <= 1) {
			t.Errorf("language %q with %v", r.Language, r.LanguageProb)
		}
	}
}

// Random requests leave the backend working.
func TestRandomRequests(t *testing.T) {
	t.Parallel()
	b := random(t, 80)
	dice := rand.New(rand.NewPCG(1, 2))
	for range 25 {
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
	b := base(t)
	said := slices.Repeat(speech(t), 3)
	held := func(seconds int) uint64 {
		transcribe(t, b, said[:seconds*16000], wire.RequestOptions{Language: "en", Words: true})
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		l, err := b.slots.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer b.slots.Add(l)
		floats := 0
		for _, pages := range [][]native.Pages{l.cross, l.cache.pages} {
			for i := range pages {
				floats += pages[i].Len()
			}
		}
		return stats.HeapAlloc + 4*uint64(floats)
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

// A model is tried out with 2 s, and not with the 30 s in which an uncertain language is found.
func TestTrialHearsLittle(t *testing.T) {
	t.Parallel()
	r, err := base(t).Transcribe(t.Context(), trial())
	if err != nil || len(r.Again) > 0 {
		t.Errorf("heard again because of %q, %v", r.Again, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	good, lib := loadRandom(t, 80), library(t)
	open(t, good)
	text := filepath.Join(t.TempDir(), "text")
	cut := t.TempDir() // prepared graphs whose weights are cut off in the middle
	from := filepath.Dir(good.Files[roleDecoder])
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
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
		"with another graph":      {roleEncoder, good.Files[roleMel], scout.CodeModelCorrupt},
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

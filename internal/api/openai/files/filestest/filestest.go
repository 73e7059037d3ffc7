// Package filestest has an engine and options for the tests of OpenAI's paths for files: the test binary is the engine, which hears the same
// two words in each piece, and fails as marks in the audio ask for.
package filestest

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/api/openai/files"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
)

// Said is what is heard in a piece.
const Said = "Hello Zoë."

// Marks are samples that make the engine fail with the piece that has one.
const (
	Refuse int16 = -32000 // as the first sample of a piece: this piece alone fails
	Break  int16 = 30500  // the model is found to be damaged
	Hang   int16 = 32000  // nothing comes until the request is cancelled
)

// Engine are the options of the engine, for enginetest.
func Engine(*os.File) server.Options {
	return server.Options{Open: func(_ context.Context, load wire.Load) (server.Backend, error) { return backend{load}, nil }}
}

type backend struct{ load wire.Load }

// Facts implements server.Backend.
func (b backend) Facts() wire.Hello {
	several := len(b.load.Languages) > 1
	return wire.Hello{
		ModelID: b.load.ModelID, Languages: b.load.Languages, MaxFrames: 1 << 20, Slots: 2, HotWords: true, WordTimes: true, LogProbs: true, Translates: several, DetectsLanguage: several,
	}
}

// Close implements server.Backend.
func (backend) Close() error { return nil }

// Transcribe implements server.Backend.
func (backend) Transcribe(ctx context.Context, r *wire.Request) (*wire.Result, error) {
	amplitude := func(mark int16) float32 { return (float32(mark) - 500) / 32768 }
	switch loudest := slices.Max(r.Samples); {
	case r.Samples[0] < -amplitude(-Refuse):
		return nil, scout.Errorf(scout.CodeEngineFailed, "this piece is refused")
	case loudest > amplitude(Hang):
		<-ctx.Done()
		return nil, scout.Errorf(scout.CodeOf(ctx.Err()), "%w", ctx.Err())
	case loudest > amplitude(Break):
		return nil, scout.Errorf(scout.CodeModelCorrupt, "the model is damaged")
	}
	end := float32(len(r.Samples)) / scout.EngineSampleRateHz * 1000
	logProb, half, most := float32(-0.25), end/2, end*0.9
	zero := end * 0.4
	result := &wire.Result{Text: Said, Stop: wire.StopEnd, AudioTokens: len(r.Samples) / 400, PromptTokens: 3, Words: []wire.Word{
		{Text: "Hello", StartMS: &zero, EndMS: &half, LogProb: &logProb}, {Text: "Zoë.", StartMS: &half, EndMS: &most, LogProb: &logProb},
	}}
	for i, piece := range []string{" Hello", " Zo", "\xc3", "\xab", "."} {
		result.Tokens = append(result.Tokens, wire.Token{ID: int32(i), LogProb: &logProb})
		if word := &result.Words[min(i, 1)]; r.Options.Tokens {
			word.Tokens = append(word.Tokens, wire.WordToken{Bytes: []byte(piece), LogProb: logProb})
		}
	}
	return result, nil
}

// Model is an installed model that the engine runs.
type Model struct {
	ID        string
	Languages string // as a list of TOML; one that knows several translates
}

// Options are those of a service over a folder. The first of the models has both roles; without any there is one, "a", for English. Nothing
// stays of a request.
func Options(t testing.TB, dir string, installed ...Model) files.Options {
	t.Helper()
	if len(installed) == 0 {
		installed = []Model{{"a", `["en"]`}}
	}
	var known []v1.Model
	for _, m := range installed {
		folder := filepath.Join(dir, "models", m.ID)
		write(t, filepath.Join(folder, "model.toml"), "id = \""+m.ID+"\"\nname = \"Test\"\nfamily = \"whisper\"\nlanguages = "+m.Languages+"\nlicence = \"MIT\"\n[files]\nencoder = \"e\"\ndecoder = \"d\"\ntokens = \"t\"\n")
		for _, name := range []string{"e", "d", "t"} {
			write(t, filepath.Join(folder, name), name)
		}
		known = append(known, v1.Model{ID: m.ID, State: v1.ModelInstalled})
	}
	known = append(known, v1.Model{ID: "b", State: v1.ModelAvailable})
	models := func() (*model.Store, error) { return model.Open(filepath.Join(dir, "models"), observe.Scope{}) }
	engines := recognize.NewEngines(recognize.EnginesOptions{Machine: &recognize.Machine{}, Models: models, Default: installed[0].ID, Program: os.Args[0]})
	t.Cleanup(engines.Close)
	list := func(context.Context) ([]v1.Model, error) { return known, nil }
	return files.Options{
		Engines: engines, Names: &openai.Names{List: list}, Store: models, Refusal: func() error { return nil },
		Remove: func(context.Context, string) error { return scout.Errorf(scout.CodeModelInUse, "it is selected") },
		Dir:    filepath.Join(dir, "received"), Budget: freespace.NewBudget(dir, func() int64 { return 0 }), MostBytes: 64 << 20, MostAudio: time.Hour,
		Wait: time.Minute, Whole: time.Minute, Keep: "none", Failures: observe.NewFailures(observe.Scope{}),
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// WAV is a file of a tone, 16 kHz in mono, with marks at frames.
func WAV(length time.Duration, marks map[int]int16) []byte {
	frames := int(length.Seconds() * scout.EngineSampleRateHz)
	var b bytes.Buffer
	b.WriteString("RIFF")
	b.Write(binary.LittleEndian.AppendUint32(nil, uint32(36+2*frames))) //nolint:gosec // small
	b.WriteString("WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data")
	b.Write(binary.LittleEndian.AppendUint32(nil, uint32(2*frames))) //nolint:gosec // as above
	for i := range frames {
		sample := int16(8000 * (1 - 2*(i/20%2)))
		if mark, is := marks[i]; is {
			sample = mark
		}
		b.Write(binary.LittleEndian.AppendUint16(nil, uint16(sample))) //nolint:gosec // the bits of a sample
	}
	return b.Bytes()
}

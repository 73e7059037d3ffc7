// Package sherpa runs models of every family through sherpa-onnx. It belongs to the engine process:
// sherpa-onnx ends the whole process when a model file is bad or missing, and a crash in it cannot
// be recovered.
package sherpa

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	sherpa "github.com/k2-fsa/sherpa-onnx-go/sherpa_onnx"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// Name is the backend's name in Load and Hello.
const Name = "sherpa"

const (
	// maxSeconds is the longest request. 33 s in one decode cost 392 MB, 66 s fell into a repetition
	// loop and cost 882 MB (measured with moonshine-tiny-en).
	maxSeconds = 30
	// minFrames is the length to which shorter requests are padded with silence: below 895 samples the encoder of
	// Moonshine has no output frame and fails.
	minFrames = 1600
)

const (
	familyCanary = "canary"
	// defaultLanguage is that of a request without one, for models that cannot detect it.
	defaultLanguage = "en"
)

// profilePlain is sherpa-onnx with its own defaults, the yardstick of the benchmarks. Every other profile is lean, which
// halves the memory that the allocator keeps between requests.
const profilePlain = "plain"

// backend is one loaded recognizer.
type backend struct {
	recognizer *sherpa.OfflineRecognizer
	config     *sherpa.OfflineRecognizerConfig
	facts      wire.Hello
}

var _ server.Backend = (*backend)(nil)

// Open loads the model. Roles of files by family:
//
//	moonshine    encoder, merged_decoder, tokens
//	             or preprocessor, encoder, uncached_decoder, cached_decoder, tokens
//	whisper      encoder, decoder, tokens
//	zipformer    encoder, decoder, joiner, tokens
//	parakeet     encoder, decoder, joiner, tokens
//	canary       encoder, decoder, tokens
//	sensevoice   model, tokens
//
// A missing file is refused here, because the library would end the process.
func Open(_ context.Context, load wire.Load) (server.Backend, error) {
	config, err := recognizerConfig(load)
	if err != nil {
		return nil, err
	}
	b := &backend{config: config, facts: wire.Hello{
		Backend: Name, ModelID: load.ModelID, Family: load.Family, Languages: load.Languages,
		MaxFrames: maxSeconds * scout.EngineSampleRateHz, Slots: 1,
	}}
	if load.Profile != profilePlain {
		path, err := writeSessionOptions()
		if err != nil {
			return nil, err
		}
		defer os.Remove(path) //nolint:errcheck // read while loading, of no use afterwards
		config.ModelConfig.Provider = "cpu:" + path
	}
	if b.recognizer = sherpa.NewOfflineRecognizer(config); b.recognizer == nil {
		return nil, scout.Errorf(scout.CodeModelUnsupported, "sherpa-onnx cannot load model %s", load.ModelID)
	}
	return b, nil
}

// writeSessionOptions writes the options of the lean profile into a file for the library. Measured:
// docs/adr/0002-engine-process.md.
func writeSessionOptions() (string, error) {
	// Not by atomicfile: it is read once by this process and removed.
	file, err := os.CreateTemp("", "scout-session-*.cfg")
	if err != nil {
		return "", scout.FileError(scout.CodeWriteFailed, "create session options", err)
	}
	_, err = file.WriteString("EnableCpuMemArena=0\nEnableMemPattern=0\n")
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", scout.FileError(scout.CodeWriteFailed, "write session options", err)
	}
	return file.Name(), nil
}

func recognizerConfig(load wire.Load) (*sherpa.OfflineRecognizerConfig, error) {
	var missing error
	file := func(role string) string {
		path := load.Files[role]
		if path == "" {
			missing = scout.Errorf(scout.CodeModelUnsupported, "model %s (%s) names no %s file", load.ModelID, load.Family, role)
			return ""
		}
		if _, err := os.Stat(path); err != nil {
			missing = scout.Errorf(scout.CodeModelCorrupt, "model %s: %s: %w", load.ModelID, filepath.Base(path), err)
		}
		return path
	}
	config := &sherpa.OfflineRecognizerConfig{DecodingMethod: "greedy_search"}
	config.FeatConfig.SampleRate = scout.EngineSampleRateHz
	config.FeatConfig.FeatureDim = 80
	model := &config.ModelConfig
	model.NumThreads = max(load.Threads, 1)
	model.Provider = "cpu"
	model.Tokens = file("tokens")
	switch load.Family {
	case "moonshine":
		if load.Files["merged_decoder"] != "" {
			model.Moonshine.Encoder, model.Moonshine.MergedDecoder = file("encoder"), file("merged_decoder")
		} else {
			model.Moonshine.Preprocessor, model.Moonshine.Encoder = file("preprocessor"), file("encoder")
			model.Moonshine.UncachedDecoder, model.Moonshine.CachedDecoder = file("uncached_decoder"), file("cached_decoder")
		}
	case "whisper":
		model.Whisper.Encoder, model.Whisper.Decoder = file("encoder"), file("decoder")
		model.Whisper.Task = "transcribe"
		model.Whisper.TailPaddings = -1
		if len(load.Languages) == 1 {
			model.Whisper.Language = load.Languages[0]
		}
	case "parakeet", "zipformer":
		model.Transducer.Encoder, model.Transducer.Decoder, model.Transducer.Joiner = file("encoder"), file("decoder"), file("joiner")
		if load.Family == "parakeet" {
			model.ModelType = "nemo_transducer"
		}
	case familyCanary:
		model.Canary.Encoder, model.Canary.Decoder = file("encoder"), file("decoder")
		model.Canary.SrcLang, model.Canary.TgtLang, model.Canary.UsePnc = defaultLanguage, defaultLanguage, 1
	case "sensevoice":
		model.SenseVoice.Model = file("model")
		model.SenseVoice.Language = "auto"
		model.SenseVoice.UseInverseTextNormalization = 1
	default:
		return nil, scout.Errorf(scout.CodeModelUnsupported, "model %s is of unknown family %q", load.ModelID, load.Family)
	}
	if missing != nil {
		return nil, missing
	}
	return config, nil
}

// Facts describes the model.
func (b *backend) Facts() wire.Hello { return b.facts }

// Transcribe decodes one piece. The library cannot be interrupted: a cancelled request ends when its decode does. The
// caller has stopped waiting by then.
func (b *backend) Transcribe(ctx context.Context, request *wire.Request) (*wire.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, scout.Errorf(scout.CodeOf(err), "transcribe: %w", err)
	}
	b.speak(request.Options.Language)
	samples := request.Samples
	if len(samples) < minFrames {
		samples = append(make([]float32, 0, minFrames), samples...)[:minFrames]
	}
	stream := sherpa.NewOfflineStream(b.recognizer)
	defer sherpa.DeleteOfflineStream(stream)
	stream.AcceptWaveform(scout.EngineSampleRateHz, samples)
	b.recognizer.Decode(stream)
	native := stream.GetResult()
	if err := ctx.Err(); err != nil {
		return nil, scout.Errorf(scout.CodeOf(err), "transcribe: %w", err)
	}
	return result(native), nil
}

// speak sets the language of the next request, for models that cannot detect it: they write what they hear in that
// language. Requests come one after another, because there is one slot.
func (b *backend) speak(language string) {
	canary := &b.config.ModelConfig.Canary
	if language == "" || language == "auto" {
		language = defaultLanguage
	}
	if b.facts.Family != familyCanary || canary.SrcLang == language {
		return
	}
	canary.SrcLang, canary.TgtLang = language, language
	b.recognizer.SetConfig(b.config)
}

// result copies what the library gives and adds nothing.
func result(native *sherpa.OfflineRecognizerResult) *wire.Result {
	r := &wire.Result{Text: strings.TrimSpace(native.Text), Stop: wire.StopEnd}
	for i, text := range native.Tokens {
		token := wire.Token{ID: -1, Text: text}
		if len(native.Timestamps) == len(native.Tokens) {
			ms := native.Timestamps[i] * 1000
			token.StartMS = &ms
		}
		if len(native.YsLogProbs) == len(native.Tokens) {
			logProb := native.YsLogProbs[i]
			token.LogProb = &logProb
		}
		r.Tokens = append(r.Tokens, token)
	}
	r.Words = words(r.Tokens)
	return r
}

// words joins tokens at their leading spaces if they have times or probabilities. The library reports where a token
// begins, not where it ends, so words have no end.
func words(tokens []wire.Token) []wire.Word {
	if len(tokens) == 0 || tokens[0].StartMS == nil && tokens[0].LogProb == nil {
		return nil
	}
	var out []wire.Word
	for _, token := range tokens {
		text := strings.ReplaceAll(token.Text, "▁", " ")
		if strings.HasPrefix(text, " ") || len(out) == 0 {
			out = append(out, wire.Word{StartMS: token.StartMS})
		}
		word := &out[len(out)-1]
		word.Text += strings.TrimSpace(text)
		if token.LogProb != nil {
			sum := *token.LogProb
			if word.LogProb != nil {
				sum += *word.LogProb
			}
			word.LogProb = &sum
		}
	}
	return out
}

// Close frees the model.
func (b *backend) Close() error {
	sherpa.DeleteOfflineRecognizer(b.recognizer)
	return nil
}

package whisper

import (
	"path/filepath"

	"github.com/scout-speech/scout/internal/model/prepare"
)

// Names of the files in a prepared folder.
const (
	MelFile        = "mel.onnx"
	EncoderFile    = "encoder.onnx"
	EncoderWeights = "encoder.weights"
	DecoderFile    = "decoder.onnx"
	DecoderWeights = "decoder.weights"
)

// Recipe is the version of the graphs this package writes. It changes with every change to their bytes.
const Recipe = 1

const producer = "scout whisper recipe 1"

// The roles of the published files in a manifest.
const (
	roleWeights = "weights"
	roleConfig  = "config"
)

// Manifest says what a prepared folder of Whisper holds and what it was made from. The format is
// docs/formats/prepared-model.md.
type Manifest struct {
	prepare.Record
	// Model is what a loop over the graphs has to know.
	Model Model `json:"model"`
	// Embedding says where tokens are looked up.
	Embedding EmbeddingPlace `json:"embedding"`
}

// Model is the shape of a Whisper model, and what its config.json says about tokens.
type Model struct {
	Width      int `json:"width"`
	Heads      int `json:"heads"`
	Layers     int `json:"layers"` // of the decoder
	Mels       int `json:"mels"`
	Vocabulary int `json:"vocabulary"`
	Positions  int `json:"positions"` // most tokens of one text, the prompt included
	Frames     int `json:"frames"`    // most frames of 20 ms
	// AlignmentHeads are layer and head of the rows in the output "alignment", in their order.
	AlignmentHeads [][2]int `json:"alignment_heads"`
	// Suppressed never come; SuppressedFirst do not come first.
	Suppressed      []int `json:"suppressed"`
	SuppressedFirst []int `json:"suppressed_first"`
}

// ReadManifest reads the manifest of a prepared folder. It fails as prepare.ReadRecord does.
func ReadManifest(dir string) (Manifest, error) { return prepare.ReadRecord[Manifest](dir) }

// Check compares the prepared model in dir with its manifest and with the originals it should come from, byte by byte. It
// fails with prepare.ErrMissing, ErrStale, ErrCorrupt or ErrForeign in the chain, or with the error of reading an
// original. The zero Options mean the variant of this processor.
func Check(dir string, src Source, opt Options) error { return check(dir, src, opt, prepare.Identify) }

// CheckSizes is Check by the sizes of files alone, which costs microseconds.
func CheckSizes(dir string, src Source, opt Options) error {
	return check(dir, src, opt, prepare.Measure)
}

func check(dir string, src Source, opt Options, identify prepare.Identifier) error {
	m, err := ReadManifest(dir)
	if err != nil {
		return err
	}
	variant, err := opt.variant()
	if err != nil {
		return err
	}
	return m.Check(dir, prepare.Expected{
		Recipe: Recipe, Variant: variant, Originals: src.originals(),
		Prepared: []string{MelFile, EncoderFile, EncoderWeights, DecoderFile, DecoderWeights},
	}, identify)
}

// originals are the files that the graphs are made from.
func (s Source) originals() []prepare.Original {
	return []prepare.Original{
		{Role: roleWeights, Path: filepath.Join(s.Dir, "model.bin")}, {Role: roleConfig, Path: filepath.Join(s.Dir, "config.json")},
	}
}

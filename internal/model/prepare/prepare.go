// Package prepare rewrites the published graphs of a Moonshine model into graphs that decode the same words in less
// than half the time, with the same weights: an encoder whose outputs are the keys and values of the decoder's
// cross-attention, and a decoder without branches that picks the next token itself.
//
// docs/formats/prepared-model.md describes the files and the inputs and outputs of the graphs;
// docs/adr/0010-prepared-graphs.md has the measurements and decisions. The package only reads and writes files;
// internal/engine/moonshine runs the graphs.
package prepare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/model/onnx"
)

// Source names the published files of a model.
type Source struct {
	Encoder string // path of encoder_model.onnx
	Decoder string // path of decoder_model_merged.onnx
}

// Options say how a model is prepared. The zero value is right for this machine.
type Options struct {
	// Variant forces a form of the encoder's weights; empty means the one for this processor.
	Variant Variant

	// system is where files are written; nil means the operating system.
	system atomicfile.System
}

// Choose returns the variant that is asked for, or the one for this processor.
func (o Options) Choose() (Variant, error) {
	switch {
	case o.Variant == "":
		return DetectProcessor().Variant(), nil
	case !o.Variant.valid():
		return "", scout.Errorf(scout.CodeInvalidArgument, "prepare model: unknown variant %q", o.Variant)
	}
	return o.Variant, nil
}

// weightsMinBytes is the size from which a constant goes into the weights file, where it is mapped instead of copied:
// this saves 14 MB of resident memory and half of the time to load.
const weightsMinBytes = 4096

// Result names what Prepare wrote.
type Result struct {
	Encoder  string // path of the prepared encoder
	Decoder  string // path of the prepared decoder
	Manifest Manifest
}

// Prepare writes the prepared graphs of src and their manifest into dir, which is created if necessary. The same
// originals give the same bytes. Each file appears whole or not at all, and the manifest last. If Prepare fails, Check
// does not mistake the files written so far for a prepared model. It takes about a second and 150 MB.
//
// Errors carry a code: model_unsupported with ErrUnknownModel for other weights than Moonshine tiny's,
// model_corrupt for a truncated original, and those of files (disk_full, file_permission, …).
func Prepare(ctx context.Context, src Source, dir string, opt Options) (Result, error) {
	variant, err := opt.Choose()
	if err != nil {
		return Result{}, err
	}
	enc, encBytes, err := readOriginal(src.Encoder)
	if err != nil {
		return Result{}, err
	}
	dec, decBytes, err := readOriginal(src.Decoder)
	if err != nil {
		return Result{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Result{}, scout.FileError(scout.CodeWriteFailed, "prepare model", err)
	}
	res := Result{
		Encoder: filepath.Join(dir, EncoderFile),
		Decoder: filepath.Join(dir, DecoderFile),
		Manifest: Manifest{Record: Record{
			Recipe: Recipe, Variant: variant,
			Originals: map[string]File{roleEncoder: describe(encBytes), roleDecoder: describe(decBytes)},
			Prepared:  map[string]File{},
		}},
	}
	embedding := tokenEmbedding(dec)
	if dec.err != nil {
		return Result{}, fmt.Errorf("prepare %s: %w", DecoderFile, dec.err)
	}
	for _, g := range []struct {
		graph, weights string
		build          func() *onnx.Model
	}{
		{EncoderFile, EncoderWeights, func() *onnx.Model { return buildEncoder(enc, dec, variant) }},
		{DecoderFile, DecoderWeights, func() *onnx.Model { return buildDecoder(dec, embedding) }},
	} {
		if err := ctx.Err(); err != nil {
			return Result{}, fmt.Errorf("prepare model: %w", err)
		}
		m := g.build()
		if err := errors.Join(enc.err, dec.err); err != nil {
			return Result{}, fmt.Errorf("prepare %s: %w", g.graph, err)
		}
		weights := onnx.MoveOut(m, g.weights, weightsMinBytes)
		if g.graph == DecoderFile {
			if res.Manifest.Embedding, err = embeddingPlace(m, embedding); err != nil {
				return Result{}, err
			}
		}
		for _, f := range []struct {
			name    string
			content []byte
		}{{g.weights, weights}, {g.graph, onnx.Encode(m)}} {
			if err := atomicfile.Write(filepath.Join(dir, f.name), f.content, atomicfile.Options{System: opt.system}); err != nil {
				return Result{}, scout.FileError(scout.CodeWriteFailed, "prepare model", err)
			}
			res.Manifest.Prepared[f.name] = describe(f.content)
		}
	}
	manifest, err := EncodeRecord(res.Manifest)
	if err != nil {
		return Result{}, err
	}
	if err := atomicfile.Write(filepath.Join(dir, ManifestFile), manifest, atomicfile.Options{System: opt.system}); err != nil {
		return Result{}, scout.FileError(scout.CodeWriteFailed, "prepare model", err)
	}
	return res, nil
}

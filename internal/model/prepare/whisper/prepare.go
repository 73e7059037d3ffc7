// Package whisper lays out the graphs of a Whisper model from the weights of a CTranslate2 folder (internal/model/ct2):
// features, an encoder of free length whose outputs are the keys and values of the decoder's cross-attention, and a
// decoder for one or many known tokens, or for beams, that picks the next tokens itself. Linear layers have 8-bit weights.
// Every size of Whisper is laid out by its shapes.
//
// docs/formats/prepared-model.md describes the files and the inputs and outputs of the graphs;
// docs/adr/0071-whisper-graphs.md has the measurements and decisions. The package only reads and writes files;
// internal/engine/whisper runs the graphs.
package whisper

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/model/ct2"
	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/onnx/build"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// Source is the folder of a published model.
type Source struct{ Dir string }

// Options say how a model is prepared. The zero value is right for this machine.
type Options struct {
	// Variant forces a form of the encoder's weights; empty means the one for this processor.
	Variant prepare.Variant
	// system is where files are written; nil means the operating system.
	system atomicfile.System
	// free returns the space left in a folder; nil asks the operating system.
	free func(dir string) (int64, error)
}

func (o Options) variant() (prepare.Variant, error) {
	return prepare.Options{Variant: o.Variant}.Choose()
}

// outsideBytes is the size from which a constant goes into the weights file, where it is mapped instead of copied.
const outsideBytes = 4096

// Result names what Prepare wrote.
type Result struct {
	Mel, Encoder, Decoder string // paths of the graphs
	Manifest              Manifest
}

// Ensure returns the prepared model in dir. It prepares the model first if there is none, if it was made by another
// recipe or from other weights, or if a file has another size than when it was written. made reports whether it did.
// Errors are those of Prepare, and of reading the originals.
func Ensure(ctx context.Context, src Source, dir string, opt Options) (result Result, made bool, err error) {
	err = CheckSizes(dir, src, opt)
	switch {
	case err == nil:
		manifest, err := ReadManifest(dir)
		if err != nil {
			return Result{}, false, err
		}
		return resultIn(dir, manifest), false, nil
	case !prepare.CanPrepare(err):
		return Result{}, false, err
	}
	result, err = Prepare(ctx, src, dir, opt)
	return result, err == nil, err
}

func resultIn(dir string, m Manifest) Result {
	return Result{
		Mel: filepath.Join(dir, MelFile), Encoder: filepath.Join(dir, EncoderFile), Decoder: filepath.Join(dir, DecoderFile), Manifest: m,
	}
}

// Prepare writes the prepared graphs of src and their manifest into dir, which is created if necessary. The same
// originals give the same bytes. Each file appears whole or not at all, and the manifest last. If Prepare fails, Check
// does not mistake the files written so far for a prepared model. Weights pass through memory one at a time.
//
// Errors carry a code: those of ct2.Open for the originals, disk_full before anything is written if the files would not
// fit, and those of files.
func Prepare(ctx context.Context, src Source, dir string, opt Options) (result Result, err error) {
	variant, err := opt.variant()
	if err != nil {
		return Result{}, err
	}
	model, err := ct2.Open(ctx, src.Dir)
	if err != nil {
		return Result{}, fmt.Errorf("prepare model: %w", err)
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	m, err := describe(model)
	if err != nil {
		return Result{}, err
	}
	m.Record = prepare.Record{Recipe: Recipe, Variant: variant, Originals: map[string]prepare.File{}, Prepared: map[string]prepare.File{}}
	for _, o := range src.originals() {
		if m.Originals[o.Role], err = prepare.Identify(o.Path); err != nil {
			return Result{}, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Result{}, scout.FileError(scout.CodeWriteFailed, "prepare model", err)
	}
	if err := opt.room(dir, need(model.Shape(), variant)); err != nil {
		return Result{}, err
	}
	w := &writer{dir: dir, options: atomicfile.Options{System: opt.system}, manifest: &m}
	if err := w.write(ctx, model, variant); err != nil {
		return Result{}, err
	}
	return resultIn(dir, m), nil
}

// describe returns the manifest of a model, without its files. It refuses what the graphs cannot be.
func describe(model *ct2.Model) (Manifest, error) {
	shape, config := model.Shape(), model.Config()
	if shape.Heads <= 0 || shape.Width%shape.Heads != 0 || shape.Width/shape.Heads%16 != 0 {
		return Manifest{}, unsupported("%d heads over a width of %d: a head must be a multiple of 16 wide", shape.Heads, shape.Width)
	}
	heads := slices.Clone(config.AlignmentHeads)
	if len(heads) == 0 { // as OpenAI does for a model without a choice: all heads of the upper half
		for l := shape.DecoderLayers / 2; l < shape.DecoderLayers; l++ {
			for h := range shape.Heads {
				heads = append(heads, [2]int{l, h})
			}
		}
	}
	slices.SortFunc(heads, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	heads = slices.Compact(heads)
	for _, h := range heads {
		if h[0] < 0 || h[0] >= shape.DecoderLayers || h[1] < 0 || h[1] >= shape.Heads {
			return Manifest{}, unsupported("alignment head %d of layer %d does not exist", h[1], h[0])
		}
	}
	return Manifest{Model: Model{
		Width: shape.Width, Heads: shape.Heads, Layers: shape.DecoderLayers, Mels: shape.Mels, Vocabulary: shape.Vocabulary,
		Positions: shape.Positions, Frames: shape.Frames, AlignmentHeads: heads,
		Suppressed: inside(config.SuppressIDs, shape.Vocabulary), SuppressedFirst: inside(config.SuppressBegin, shape.Vocabulary),
	}}, nil
}

// inside drops ids that are no tokens: OpenAI writes -1 for a list that the program knows.
func inside(ids []int, vocabulary int) []int {
	out := []int{}
	for _, id := range ids {
		if id >= 0 && id < vocabulary {
			out = append(out, id)
		}
	}
	return out
}

func unsupported(format string, args ...any) error {
	return scout.Errorf(scout.CodeModelUnsupported, "prepare model: "+format, args...)
}

// need returns the bytes that the prepared files of a model take, rounded up by a twentieth and a megabyte.
func need(s ct2.Architecture, v prepare.Variant) int64 {
	width := int64(s.Width)
	square, scales := width*width, int64(4)
	encoder := int64(s.EncoderLayers)*12*square + int64(s.DecoderLayers)*2*square + scales*(3*int64(s.Mels)*width+3*square+int64(s.Frames)*width)
	decoder := int64(s.DecoderLayers)*14*square + int64(s.Vocabulary)*width
	decoder += decoder*scales/blockSize + scales*int64(s.Positions)*width
	if v == prepare.VariantUnsigned { // down is in floats
		encoder += (scales - 1) * int64(s.EncoderLayers) * 4 * square
	}
	sum := encoder + decoder
	return sum + sum/20 + 1<<20
}

// room refuses to begin if the files would not fit.
func (o Options) room(dir string, need int64) error {
	free := o.free
	if free == nil {
		free = freespace.Of
	}
	if have, err := free(dir); err == nil && have < need {
		return scout.Errorf(scout.CodeDiskFull, "prepare model: %d MB needed in %s, %d MB free", need>>20, dir, have>>20)
	}
	return nil
}

// writer writes the files of a prepared model and records them.
type writer struct {
	dir      string
	options  atomicfile.Options
	manifest *Manifest
	decoder  *onnx.Model // once it is laid out
}

func (w *writer) write(ctx context.Context, model *ct2.Model, variant prepare.Variant) error {
	if err := w.file(MelFile, onnx.Encode(buildMel(model.Shape().Mels))); err != nil {
		return err
	}
	stopped := func() bool { return ctx.Err() != nil }
	for _, part := range [][2]string{{EncoderFile, EncoderWeights}, {DecoderFile, DecoderWeights}} {
		finished, err := w.graph(part[0], part[1], &graph{model: model, shape: model.Shape(), variant: variant, stopped: stopped})
		if ctx.Err() != nil {
			return scout.Errorf(scout.CodeOf(ctx.Err()), "prepare model: %w", ctx.Err())
		}
		if err != nil {
			return err
		}
		if err := w.file(part[0], onnx.Encode(finished)); err != nil {
			return err
		}
	}
	var err error
	if w.manifest.Embedding, err = embeddingPlace(w.decoder); err != nil {
		return err
	}
	content, err := prepare.EncodeRecord(*w.manifest)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(w.dir, prepare.ManifestFile), content, w.options); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "prepare model", err)
	}
	return nil
}

// graph lays out the graph of a file while its weights are written.
func (w *writer) graph(name, weights string, g *graph) (finished *onnx.Model, err error) {
	err = w.stream(weights, func(file io.Writer) error {
		outside := build.NewOutside(weights, file, outsideBytes)
		g.Graph = build.New(name, outside)
		if name == EncoderFile {
			g.buildEncoder()
		} else {
			g.buildDecoder(w.manifest.Model.AlignmentHeads)
		}
		finished = g.Model(producer)
		if name == DecoderFile {
			w.decoder = finished
		}
		if g.stopped() && g.err == nil {
			g.err = errStopped
		}
		return errors.Join(g.err, outside.Err())
	})
	return finished, err
}

// errStopped keeps half a file from being published.
var errStopped = errors.New("stopped")

// file writes and records a file.
func (w *writer) file(name string, content []byte) error {
	return w.stream(name, func(file io.Writer) error {
		_, err := file.Write(content)
		return err
	})
}

// stream writes and records a file that fill writes.
func (w *writer) stream(name string, fill func(io.Writer) error) error {
	sum, count := sha256.New(), &counter{}
	if err := atomicfile.WriteFrom(filepath.Join(w.dir, name), w.options, func(file io.Writer) error {
		return fill(io.MultiWriter(file, sum, count))
	}); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "prepare model", err)
	}
	w.manifest.Prepared[name] = prepare.File{SHA256: hex.EncodeToString(sum.Sum(nil)), Bytes: count.n}
	return nil
}

// counter counts bytes.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

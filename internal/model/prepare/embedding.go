package prepare

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/onnx"
)

// headName is the product that scores the vocabulary. Its weights are the token embedding, one row per token.
const headName = "head"

// EmbeddingPlace says where the rows of the token embedding are: in the decoder's weights, shared with the head. An
// element w stands for (w-Zero)*Scale.
type EmbeddingPlace struct {
	Offset int64   `json:"offset"` // bytes from the file's beginning to the first row
	Stride int64   `json:"stride"` // bytes from row to row; the first width of them are the row
	Scale  float32 `json:"scale"`
	Zero   uint8   `json:"zero"`
}

// embeddingPlace finds the embedding in a decoder whose weights have been moved out.
func embeddingPlace(decoder *onnx.Model, embedding matrix) (EmbeddingPlace, error) {
	for i := range decoder.Graph.Initializers {
		t := &decoder.Graph.Initializers[i]
		if t.Name == headName+".weight" && t.External != nil {
			return EmbeddingPlace{
				Offset: t.External.Offset, Stride: t.External.Length / vocabulary, Scale: embedding.scales[0], Zero: embedding.zeros[0],
			}, nil
		}
	}
	return EmbeddingPlace{}, scout.Errorf(scout.CodeInternal, "prepare model: the decoder has no weights named %s", headName)
}

// Embedding looks tokens up in a prepared decoder's weights. It reads rows from the file as they are needed. If the
// file were mapped, all of it would become resident within a few sentences: 9.4 MB beside the head's copy of the same
// numbers.
type Embedding struct {
	file  *os.File
	place EmbeddingPlace
}

// OpenEmbedding opens the embedding of the prepared model in dir. It fails as ReadManifest does, and with ErrMissing or
// ErrCorrupt if the weights are missing or too short. The caller closes it.
func OpenEmbedding(dir string) (*Embedding, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, DecoderWeights)
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, Finding(ErrMissing, "%s does not exist", path)
	}
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open prepared model", err)
	}
	e := &Embedding{file: f, place: m.Embedding}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, scout.FileError(scout.CodeReadFailed, "open prepared model", err)
	}
	if p := m.Embedding; p.Offset < 0 || p.Stride < width || p.Stride > info.Size() || p.Offset > info.Size()-vocabulary*p.Stride {
		_ = f.Close()
		return nil, Finding(ErrCorrupt, "%s: no embedding of %d tokens at %d in %d bytes", path, vocabulary, p.Offset, info.Size())
	}
	return e, nil
}

// Look puts the rows of tokens into out, shape [len(tokens), 288]. scratch is memory for one row that the call uses and
// returns for reuse. Any number of goroutines may call Look, each with its own scratch.
func (e *Embedding) Look(out []float32, tokens []int64, scratch []byte) ([]byte, error) {
	if len(scratch) < width {
		scratch = make([]byte, width)
	}
	row := scratch[:width]
	for i, token := range tokens {
		if token < 0 || token >= vocabulary {
			return scratch, scout.Errorf(scout.CodeInvalidArgument, "look up token %d of a vocabulary of %d", token, vocabulary)
		}
		if _, err := e.file.ReadAt(row, e.place.Offset+token*e.place.Stride); err != nil {
			return scratch, fmt.Errorf("look up token %d: %w", token, err)
		}
		for j, w := range row {
			out[i*width+j] = float32(int(w)-int(e.place.Zero)) * e.place.Scale
		}
	}
	return scratch, nil
}

// Close closes the file. Nothing may be looked up afterwards.
func (e *Embedding) Close() error {
	if err := e.file.Close(); err != nil {
		return fmt.Errorf("close embedding: %w", err)
	}
	return nil
}

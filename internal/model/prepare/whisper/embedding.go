package whisper

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/onnx"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// EmbeddingPlace says where the rows of the token embedding are: in the decoder's weights, shared with the head. A row
// is Blocks blocks of BlockSize bytes w, the last one padded, and each block has a scale: a byte stands for
// (w-128)*scale.
type EmbeddingPlace struct {
	Offset    int64 `json:"offset"`     // bytes from the file's beginning to the first row
	Scales    int64 `json:"scales"`     // the same to the first scale, a float32
	Blocks    int   `json:"blocks"`     // of a row
	BlockSize int   `json:"block_size"` // bytes
}

// embeddingPlace finds the embedding in a finished decoder.
func embeddingPlace(decoder *onnx.Model) (EmbeddingPlace, error) {
	var p EmbeddingPlace
	found := 0
	for i := range decoder.Graph.Initializers {
		t := &decoder.Graph.Initializers[i]
		switch {
		case t.External == nil:
		case t.Name == headName+".weight":
			p.Offset, p.Blocks, p.BlockSize = t.External.Offset, int(t.Dims[1]), int(t.Dims[2])
			found++
		case t.Name == headName+".scale":
			p.Scales = t.External.Offset
			found++
		}
	}
	if found != 2 {
		return p, scout.Errorf(scout.CodeInternal, "prepare model: the decoder has no weights named %s", headName)
	}
	return p, nil
}

// Embedding looks tokens up in a prepared decoder's weights. It reads rows from the file as they are needed: mapped, it
// would become resident beside the head's copy of the same numbers.
type Embedding struct {
	file       *os.File
	place      EmbeddingPlace
	width      int
	vocabulary int
}

// OpenEmbedding opens the embedding of the prepared model in dir, which m describes. It fails with prepare.ErrMissing or
// prepare.ErrCorrupt if the weights are missing or too short. The caller closes it.
func OpenEmbedding(dir string, m Manifest) (*Embedding, error) {
	path := filepath.Join(dir, DecoderWeights)
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, prepare.Finding(prepare.ErrMissing, "%s does not exist", path)
	}
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open prepared model", err)
	}
	e := &Embedding{file: f, place: m.Embedding, width: m.Model.Width, vocabulary: m.Model.Vocabulary}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, scout.FileError(scout.CodeReadFailed, "open prepared model", err)
	}
	if !e.fits(info.Size()) {
		_ = f.Close()
		return nil, prepare.Finding(prepare.ErrCorrupt, "%s: no embedding of %d tokens at %d in %d bytes", path, e.vocabulary, e.place.Offset, info.Size())
	}
	return e, nil
}

// fits reports whether all rows and scales lie inside a file of that size.
func (e *Embedding) fits(size int64) bool {
	p, most := e.place, int64(math.MaxInt32)
	rows, blocks, block := int64(e.vocabulary), int64(p.Blocks), int64(p.BlockSize)
	if rows <= 0 || rows > most || blocks <= 0 || block <= 0 || blocks > 4096 || block > 4096 || blocks*block < int64(e.width) {
		return false
	}
	return p.Offset >= 0 && p.Scales >= 0 && p.Offset <= size-rows*blocks*block && p.Scales <= size-4*rows*blocks
}

// Look puts the rows of tokens into out, shape [len(tokens), width]. scratch is memory that the call uses and returns for
// reuse. Any number of goroutines may call Look, each with its own scratch.
func (e *Embedding) Look(out []float32, tokens []int64, scratch []byte) ([]byte, error) {
	row, scales := e.place.Blocks*e.place.BlockSize, 4*e.place.Blocks
	if len(scratch) < row+scales {
		scratch = make([]byte, row+scales)
	}
	for i, token := range tokens {
		if token < 0 || token >= int64(e.vocabulary) {
			return scratch, scout.Errorf(scout.CodeInvalidArgument, "look up token %d of a vocabulary of %d", token, e.vocabulary)
		}
		if _, err := e.file.ReadAt(scratch[:row], e.place.Offset+token*int64(row)); err != nil {
			return scratch, fmt.Errorf("look up token %d: %w", token, err)
		}
		if _, err := e.file.ReadAt(scratch[row:row+scales], e.place.Scales+token*int64(scales)); err != nil {
			return scratch, fmt.Errorf("look up token %d: %w", token, err)
		}
		for j, w := range scratch[:e.width] {
			scale := math.Float32frombits(binary.LittleEndian.Uint32(scratch[row+4*(j/e.place.BlockSize):]))
			out[i*e.width+j] = float32(int(w)-zero) * scale
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

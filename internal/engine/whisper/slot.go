package whisper

import (
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wordtime"
)

// keptFrames is the most frames whose buffers a slot keeps: those of pieces of 16 s with their silence.
const keptFrames = 900

// slot is the state of one running request: everything except the weights. Buffers are kept between requests and grow to
// the longest request, up to keptFrames. A slot runs one request at a time.
type slot struct {
	model   *model
	options *ort.RunOptions
	total   []int32 // [1]: tokens in the cache after a run
	in, out []ort.Value
	scratch []byte // one row of the embedding
	placer  *wordtime.Placer
	kept    kept // for a request for scores
	buffers
}

// buffers are what a slot gives back after a long request.
type buffers struct {
	mel, waves, moved []float32
	cross             []native.Pages // keys and values of each layer, [H, frames, 64]
	cache             cache

	embedded, logits, bonus, logprob, alignment []float32
	rows, favoured, count, next                 []int64
}

func newSlot(m *model) (*slot, error) {
	options, err := ort.NewRunOptions()
	if err != nil {
		return nil, scout.Errorf(scout.CodeEngineFailed, "make slot: %w", err)
	}
	return &slot{
		model: m, options: options, total: make([]int32, 1), placer: m.placer(),
		in: make([]ort.Value, 7+4*m.Layers), out: make([]ort.Value, 4+2*m.Layers),
	}, nil
}

// Close frees what is native.
func (l *slot) Close() error { return errors.Join(l.release(), l.options.Destroy()) }

// shed releases the memory that a request made the slot grow by, if it heard more frames than the slot keeps. What is Go's
// is returned gradually, by the collector.
func (l *slot) shed(frames int) error {
	clear(l.in) // handles that are freed
	clear(l.out)
	if frames <= keptFrames {
		return nil
	}
	err := l.release()
	l.buffers, l.placer = buffers{}, l.model.placer()
	return err
}

// release returns the memory outside Go's heap.
func (l *slot) release() error {
	errs := []error{l.cache.drop()}
	for i := range l.cross {
		errs = append(errs, l.cross[i].Release())
	}
	return errors.Join(errs...)
}

// hearing is audio as the decoder attends to it.
type hearing struct {
	frames int
	blank  bool        // the features behind the audio are 0 instead of silence
	cross  []ort.Value // keys and values of each layer
}

// hear computes keys and values of samples with silence behind them, or features of 0 if blank is set. The tensors are
// added to owned.
func (l *slot) hear(samples []float32, frames int, blank bool, owned *native.Tensors) (hearing, error) {
	m := l.model
	features, err := l.features(samples, frames, blank)
	if err != nil {
		return hearing{}, err
	}
	mel, err := native.Own(owned, features, 1, int64(2*frames), int64(m.Mels))
	if err != nil {
		return hearing{}, err
	}
	if frames > keptFrames { // up to 24 MB of the texts before, beside what the encoder needs
		if err := l.cache.drop(); err != nil {
			return hearing{}, err
		}
	}
	if l.cross == nil {
		l.cross = make([]native.Pages, 2*m.Layers)
	}
	h := hearing{frames: frames, blank: blank, cross: make([]ort.Value, 2*m.Layers)}
	for i := range h.cross {
		data, err := l.cross[i].Grown(frames * m.Width)
		if err != nil {
			return hearing{}, err
		}
		if h.cross[i], err = native.Own(owned, data, 1, int64(m.Heads), int64(frames), int64(m.headWidth())); err != nil {
			return hearing{}, err
		}
	}
	if err := m.encoder.RunWithOptions([]ort.Value{mel}, h.cross, l.options); err != nil {
		return hearing{}, fmt.Errorf("run encoder: %w", err)
	}
	if frames > keptFrames {
		native.ReturnFreed() // 40 MB for 30 s, which would lie beside what the decoder needs
	}
	return h, nil
}

// input is one run of the decoder: several tokens of one text, or one token of each of several texts.
type input struct {
	hearing
	tokens   []int64
	past     int                  // tokens of each text in the cache
	rows     []int64              // of tokens: what comes after which of them is asked
	bias     *ort.Tensor[float32] // added to all logits
	favoured []int64              // tokens to favour, the same number for each row
	bonus    []float32            // what to add to their log-probabilities
	count    int                  // how many tokens are wanted for each row
}

// run decodes. The results are valid until the next run: l.next and l.logprob, shape [rows, count], l.logits [rows,
// vocabulary], and l.alignment [heads, tokens, frames].
func (l *slot) run(in input) (err error) {
	m := l.model
	texts, n := l.cache.texts, len(in.tokens)/l.cache.texts
	l.total[0] = int32(in.past + n)
	l.count = append(l.count[:0], int64(in.count))
	l.rows = append(l.rows[:0], in.rows...)
	l.favoured, l.bonus = native.Grown(&l.favoured, len(in.favoured)), native.Grown(&l.bonus, len(in.bonus))
	copy(l.favoured, in.favoured)
	copy(l.bonus, in.bonus)
	rows, wanted, favoured := int64(len(in.rows)), int64(in.count), int64(len(in.favoured)/len(in.rows))
	embedded := native.Grown(&l.embedded, len(in.tokens)*m.Width)
	if l.scratch, err = m.embedding.Look(embedded, in.tokens, l.scratch); err != nil {
		return err //nolint:wrapcheck // it says which lookup failed
	}
	l.logits = native.Grown(&l.logits, len(in.rows)*m.Vocabulary)
	l.next, l.logprob = native.Grown(&l.next, len(in.rows)*in.count), native.Grown(&l.logprob, len(in.rows)*in.count)
	l.alignment = native.Grown(&l.alignment, len(m.AlignmentHeads)*len(in.tokens)*in.frames)

	var owned native.Tensors
	defer func() { err = join(err, owned.Free()) }()
	var errs [10]error
	l.in[0], errs[0] = native.Own(&owned, embedded, int64(texts), int64(n), int64(m.Width))
	l.in[1], errs[1] = native.Own(&owned, l.total, 1)
	l.in[2], errs[2] = native.Own(&owned, l.rows, rows)
	l.in[3] = in.bias
	l.in[4], errs[3] = native.Own(&owned, l.favoured, 1, rows, favoured)
	l.in[5], errs[4] = native.Own(&owned, l.bonus, 1, rows, favoured)
	l.in[6], errs[5] = native.Own(&owned, l.count, 1)
	l.out[0], errs[6] = native.Own(&owned, l.logits, 1, rows, int64(m.Vocabulary))
	l.out[1], errs[7] = native.Own(&owned, l.next, 1, rows, wanted)
	l.out[2], errs[8] = native.Own(&owned, l.logprob, 1, rows, wanted)
	l.out[3], errs[9] = native.Own(&owned, l.alignment, 1, int64(len(m.AlignmentHeads)), int64(len(in.tokens)), int64(in.frames))
	for i, v := range l.cache.values {
		l.in[7+i/2*4+i%2], l.in[7+i/2*4+2+i%2], l.out[4+i] = in.cross[i], v, v
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if err := m.decoder.RunWithOptions(l.in, l.out, l.options); err != nil {
		return fmt.Errorf("run decoder: %w", err)
	}
	return nil
}

// join is errors.Join that returns a single error as it is.
func join(a, b error) error {
	if b == nil {
		return a
	}
	return errors.Join(a, b)
}

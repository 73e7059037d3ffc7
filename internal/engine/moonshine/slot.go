package moonshine

import (
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wordtime"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// Shapes of the decoder's inputs and outputs; see docs/formats/prepared-model.md.
const (
	width          = 288
	heads          = 8
	crossWidth     = 36
	cacheWidth     = 48
	alignmentHeads = 5
	// capacity is the number of tokens that the cache of a slot holds, including the start token. It bounds the longest
	// request; see tokenLimit.
	capacity = 256
)

// keptSeconds is the longest request whose buffers a slot keeps. Recordings are cut at 14 s at most.
const keptSeconds = 16

// slot is the state of one running request: everything except the weights. Buffers are kept between requests and grow
// to the longest request, up to keptSeconds. A slot runs one request at a time.
type slot struct {
	model   *model
	options *ort.RunOptions
	cache   [2 * layers]*ort.Tensor[float32] // [1, heads, capacity, cacheWidth], written in place
	total   []int32                          // [1]: tokens in the cache after a run
	totalIn *ort.Tensor[int32]
	in, out []ort.Value // of the decoder, in the order of openModel

	crossBuffer [2 * layers][]float32
	row         []byte // one row of the embedding
	pass        passBuffer
	step        passBuffer
	placer      *wordtime.Placer
}

// passBuffer is memory for the inputs and outputs of one run of the decoder.
type passBuffer struct {
	tokens, boostTokens, next           []int64
	embedded, boost, logprob, alignment []float32
}

func newSlot(m *model) (*slot, error) {
	l := &slot{model: m, total: make([]int32, 1), in: make([]ort.Value, 4+4*layers), out: make([]ort.Value, 3+2*layers), placer: wordtime.New(wordtime.MoonshineTiny())}
	var err error
	if l.options, err = ort.NewRunOptions(); err != nil {
		return nil, scout.Errorf(scout.CodeEngineFailed, "make slot: %w", err)
	}
	if l.totalIn, err = ort.NewTensor(ort.NewShape(1), l.total); err != nil {
		return nil, scout.Errorf(scout.CodeEngineFailed, "make slot: %w", errors.Join(err, l.Close()))
	}
	for i := range l.cache {
		if l.cache[i], err = ort.NewEmptyTensor[float32](ort.NewShape(1, heads, capacity, cacheWidth)); err != nil {
			return nil, scout.Errorf(scout.CodeEngineFailed, "make slot: %w", errors.Join(err, l.Close()))
		}
	}
	return l, nil
}

// Close frees what is native.
func (l *slot) Close() error {
	var errs []error
	for _, t := range l.cache {
		if t != nil {
			errs = append(errs, t.Destroy())
		}
	}
	if l.totalIn != nil {
		errs = append(errs, l.totalIn.Destroy())
	}
	return errors.Join(append(errs, l.options.Destroy())...)
}

// shed releases the memory that a request of this many samples made the slot grow by, if it is more than the slot
// keeps: 20 MB for one of 30 s. The collector returns it gradually. Forcing the collection costs 90 ms of 420, in pages
// that the next long request allocates again. ONNX Runtime's arena does not shrink; see docs/adr/0011-decoding-loop.md.
func (l *slot) shed(samples int) {
	if samples <= keptSeconds*scout.EngineSampleRateHz {
		return
	}
	l.crossBuffer = [2 * layers][]float32{}
	l.pass, l.step, l.placer = passBuffer{}, passBuffer{}, wordtime.New(wordtime.MoonshineTiny())
	clear(l.in) // handles that are freed, over memory that is not freed
	clear(l.out)
}

// encode computes keys and values of the audio and puts them into l.in. The tensors are added to owned.
func (l *slot) encode(samples []float32, owned *native.Tensors) (frames int, err error) {
	frames = prepare.Frames(len(samples))
	input, err := native.Own(owned, samples, 1, int64(len(samples)))
	if err != nil {
		return 0, err
	}
	var out [2 * layers]ort.Value
	for i := range out {
		data := native.Grown(&l.crossBuffer[i], heads*frames*crossWidth)
		if out[i], err = native.Own(owned, data, 1, heads, int64(frames), crossWidth); err != nil {
			return 0, err
		}
	}
	if err := l.model.encoder.RunWithOptions([]ort.Value{input}, out[:], l.options); err != nil {
		return 0, fmt.Errorf("run encoder: %w", err)
	}
	l.in[1] = l.totalIn
	for i := range layers {
		at, key, value := 4+4*i, 2*i, 2*i+1
		l.in[at], l.in[at+1], l.in[at+2], l.in[at+3] = out[key], out[value], l.cache[key], l.cache[value]
		l.out[3+key], l.out[3+value] = l.cache[key], l.cache[value]
	}
	return frames, nil
}

// pass is one shape of a run of the decoder: n tokens at once, up to k favoured tokens for each.
type pass struct {
	slot *slot
	passBuffer
	in  [3]ort.Value // embedded, boost_tokens, boost
	out [3]ort.Value // next, logprob, alignment
}

// newPass makes the tensors of a pass over buffer. They are added to owned.
func (l *slot) newPass(buffer *passBuffer, n, k, frames int, owned *native.Tensors) (*pass, error) {
	p := &pass{slot: l, passBuffer: passBuffer{
		tokens: native.Grown(&buffer.tokens, n), embedded: native.Grown(&buffer.embedded, n*width), boostTokens: native.Grown(&buffer.boostTokens, n*k), boost: native.Grown(&buffer.boost, n*k),
		next: native.Grown(&buffer.next, n), logprob: native.Grown(&buffer.logprob, n), alignment: native.Grown(&buffer.alignment, alignmentHeads*n*frames),
	}}
	clear(p.boostTokens)
	clear(p.boost)
	rows, favoured := int64(n), int64(k)
	var errs [6]error
	p.in[0], errs[0] = native.Own(owned, p.embedded, 1, rows, width)
	p.in[1], errs[1] = native.Own(owned, p.boostTokens, 1, rows, favoured)
	p.in[2], errs[2] = native.Own(owned, p.boost, 1, rows, favoured)
	p.out[0], errs[3] = native.Own(owned, p.next, 1, rows)
	p.out[1], errs[4] = native.Own(owned, p.logprob, 1, rows)
	p.out[2], errs[5] = native.Own(owned, p.alignment, 1, alignmentHeads, rows, int64(frames))
	return p, errors.Join(errs[:]...)
}

// run decodes p.tokens after `past` tokens in the cache. The results are in p.next, p.logprob and p.alignment.
func (p *pass) run(past int) error {
	l := p.slot
	var err error
	if l.row, err = l.model.embedding.Look(p.embedded, p.tokens, l.row); err != nil {
		return err //nolint:wrapcheck // it says which lookup failed
	}
	l.total[0] = int32(past + len(p.tokens))
	l.in[0], l.in[2], l.in[3] = p.in[0], p.in[1], p.in[2]
	copy(l.out, p.out[:])
	if err := l.model.decoder.RunWithOptions(l.in, l.out, l.options); err != nil {
		return fmt.Errorf("run decoder: %w", err)
	}
	return nil
}

package prepare

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
)

// runtimeReady loads ONNX Runtime from the module that brings it.
var runtimeReady = sync.OnceValue(func() error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/k2-fsa/sherpa-onnx-go-linux").Output()
	if err != nil {
		return fmt.Errorf("find ONNX Runtime: %w", err)
	}
	ort.SetSharedLibraryPath(filepath.Join(strings.TrimSpace(string(out)), "lib", "x86_64-unknown-linux-gnu", "libonnxruntime.so"))
	return ort.InitializeEnvironment(ort.WithLogLevelError())
})

// pair is the two prepared graphs with room for capacity tokens.
type pair struct {
	t        *testing.T
	enc, dec *ort.DynamicAdvancedSession
	lookUp   *Embedding
	cache    []ort.Value
}

const capacity = 128

func run(t *testing.T, res Result) *pair {
	t.Helper()
	if err := runtimeReady(); err != nil {
		t.Skipf("no ONNX Runtime here: %v", err)
	}
	p := &pair{t: t}
	opt, err := ort.NewSessionOptions()
	p.must(err)
	defer func() { p.must(opt.Destroy()) }()
	p.must(opt.SetIntraOpNumThreads(1))
	var cross []string
	in, out := []string{"embedded", "total", "boost_tokens", "boost"}, []string{"next", "logprob", "alignment"}
	for l := range layers {
		key, val := fmt.Sprintf("cross_key.%d", l), fmt.Sprintf("cross_value.%d", l)
		cross = append(cross, key, val)
		in = append(in, key, val, fmt.Sprintf("past_key.%d", l), fmt.Sprintf("past_value.%d", l))
		out = append(out, fmt.Sprintf("present_key.%d", l), fmt.Sprintf("present_value.%d", l))
	}
	p.enc, err = ort.NewDynamicAdvancedSession(res.Encoder, []string{"samples"}, cross, opt)
	p.must(err)
	p.dec, err = ort.NewDynamicAdvancedSession(res.Decoder, in, out, opt)
	p.must(err)
	p.lookUp, err = OpenEmbedding(filepath.Dir(res.Decoder))
	p.must(err)
	for range 2 * layers {
		p.cache = append(p.cache, tensor(t, make([]float32, heads*capacity*cacheHead), 1, heads, capacity, cacheHead))
	}
	t.Cleanup(func() { p.must(p.enc.Destroy()); p.must(p.dec.Destroy()); p.must(p.lookUp.Close()) })
	return p
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func tensor[T ort.TensorData](t *testing.T, data []T, shape ...int64) *ort.Tensor[T] {
	t.Helper()
	v, err := ort.NewTensor(ort.Shape(shape), data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Destroy(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// encode returns the twelve keys and values, and checks their shapes.
func (p *pair) encode(samples []float32) []ort.Value {
	p.t.Helper()
	out := make([]ort.Value, 2*layers)
	for i := range out {
		s := int64(Frames(len(samples)))
		out[i] = tensor(p.t, make([]float32, heads*s*headWidth), 1, heads, s, headWidth)
	}
	p.must(p.enc.Run([]ort.Value{tensor(p.t, samples, 1, int64(len(samples)))}, out))
	return out
}

// step is the answer of one run of the decoder.
type step struct {
	next      []int64
	logprob   []float32
	alignment []float32 // [5, n, S]
}

// decode runs tokens that come after past others; boost favours one token at every position.
func (p *pair) decode(cross []ort.Value, past int, tokens []int64, boostToken []int64, boost []float32) step {
	p.t.Helper()
	n, frames := int64(len(tokens)), cross[0].GetShape()[2]
	k := int64(len(boost)) / n
	s := step{make([]int64, n), make([]float32, n), make([]float32, int64(len(alignmentHeads))*n*frames)}
	embedded := make([]float32, n*width)
	_, err := p.lookUp.Look(embedded, tokens, nil)
	p.must(err)
	in := []ort.Value{
		tensor(p.t, embedded, 1, n, width), tensor(p.t, []int32{int32(past) + int32(n)}, 1),
		tensor(p.t, boostToken, 1, n, k), tensor(p.t, boost, 1, n, k),
	}
	out := []ort.Value{
		tensor(p.t, s.next, 1, n), tensor(p.t, s.logprob, 1, n),
		tensor(p.t, s.alignment, 1, int64(len(alignmentHeads)), n, frames),
	}
	for l := range layers {
		in = append(in, cross[2*l], cross[2*l+1], p.cache[2*l], p.cache[2*l+1])
		out = append(out, p.cache[2*l], p.cache[2*l+1])
	}
	p.must(p.dec.Run(in, out))
	return s
}

const startToken, endToken = 1, 2

// greedy returns the tokens after the start token, the end token left out, and their log-probabilities.
func (p *pair) greedy(cross []ort.Value) (tokens []int64, logprobs []float32) {
	p.t.Helper()
	next := int64(startToken)
	for past := 0; past < capacity; past++ {
		s := p.decode(cross, past, []int64{next}, nil, nil)
		if next = s.next[0]; next == endToken {
			break
		}
		tokens, logprobs = append(tokens, next), append(logprobs, s.logprob[0])
	}
	return tokens, logprobs
}

// clip returns the samples of a 16-bit mono WAV of the development set.
func clip(t *testing.T, name string) []float32 {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "shared", "speech", "dev", name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no speech to test with: %v", err)
	}
	const header = 44
	samples := make([]float32, (len(b)-header)/2)
	for i := range samples {
		samples[i] = float32(int16(binary.LittleEndian.Uint16(b[header+2*i:]))) / 32768
	}
	return samples
}

// text returns what the tokens say, in lower case without punctuation.
func text(t *testing.T, tokens []int64) string {
	t.Helper()
	f, err := os.Open(filepath.Join(filepath.Dir(source().Encoder), "tokens.txt"))
	if err != nil {
		t.Skipf("no vocabulary: %v", err)
	}
	defer f.Close() //nolint:errcheck // read only
	var vocabulary []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		coded, _, _ := strings.Cut(lines.Text(), " ")
		b, err := base64.StdEncoding.DecodeString(coded)
		if err != nil {
			t.Fatal(err)
		}
		vocabulary = append(vocabulary, string(b))
	}
	var s strings.Builder
	for _, id := range tokens {
		s.WriteString(vocabulary[id])
	}
	return strings.Join(strings.FieldsFunc(strings.ToLower(s.String()), func(r rune) bool {
		return r != '\'' && (r < 'a' || r > 'z')
	}), " ")
}

func TestPreparedGraphsSayTheWords(t *testing.T) {
	t.Parallel()
	src, res := prepared(t)
	unsigned, err := Prepare(context.Background(), src, t.TempDir(), other(res))
	if err != nil {
		t.Fatal(err)
	}
	for name, res := range map[string]Result{"this processor": res, "the other variant": unsigned} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := run(t, res)
			for file, want := range map[string]string{
				"jfk_16k_mono.wav":           "and so my fellow americans ask not what your country can do for you ask what you can do for your country",
				"libri_1272-128104-0000.wav": "mister quilter is the apostle of the middle classes and we are glad to welcome his gospel",
			} {
				tokens, logprobs := p.greedy(p.encode(clip(t, file)))
				if got := strings.ReplaceAll(text(t, tokens), "mr ", "mister "); got != want {
					t.Errorf("%s: got %q, want %q", file, got, want)
				}
				for i, l := range logprobs {
					if !(l <= 0 && l > -5) {
						t.Errorf("%s: log-probability of token %d is %v", file, i, l)
					}
				}
			}
		})
	}
}

// The encoder takes any length, and a decoder over what it gives does not end the process.
func TestPreparedGraphsTakeAnyLength(t *testing.T) {
	t.Parallel()
	_, res := prepared(t)
	p := run(t, res)
	for _, n := range []int{0, 1, 63, 127, 894, 895, 1023, 1024, 1025, 1087, 1088, 1278, 1279, 4000, 5000, 16001, 480000} {
		samples := make([]float32, n)
		for i := range samples {
			samples[i] = float32(math.Sin(float64(i))) / 10
		}
		p.decode(p.encode(samples), 0, []int64{startToken}, nil, nil)
	}
}

func TestDecoderTakesManyTokensAtOnce(t *testing.T) {
	t.Parallel()
	_, res := prepared(t)
	p := run(t, res)
	cross := p.encode(clip(t, "jfk_16k_mono.wav"))
	want, logprobs := p.greedy(cross)
	frames := int(cross[0].GetShape()[2])

	all := p.decode(cross, 0, append([]int64{startToken}, want...), nil, nil)
	agreed := 0
	for i, id := range append(slices.Clone(want), endToken) {
		if all.next[i] == id {
			agreed++
		} else if i < len(want) && float64(logprobs[i]) < math.Log(0.5) {
			agreed++ // undecided between two: sums in another order may turn it
		}
		if i < len(want) && all.next[i] == id && math.Abs(float64(all.logprob[i]-logprobs[i])) > 0.1 {
			t.Errorf("log-probability of token %d is %v in one run, %v token by token", i, all.logprob[i], logprobs[i])
		}
	}
	if agreed < len(want) { // one of len(want)+1 may differ
		t.Errorf("%d of %d tokens are the same in one run", agreed, len(want)+1)
	}

	// Rows of the alignment are probabilities over the frames, and the same for a token by itself.
	n := len(want) + 1
	for h := range alignmentHeads {
		for row := range n {
			sum := 0.0
			for _, w := range all.alignment[(h*n+row)*frames : (h*n+row+1)*frames] {
				sum += float64(w)
			}
			if math.Abs(sum-1) > 1e-3 {
				t.Fatalf("alignment head %d, row %d sums to %v", h, row, sum)
			}
		}
	}

	// After a pass over known tokens the cache may be cut anywhere, and decoding continues from there.
	const kept = 10
	again := p.decode(cross, kept, want[kept-1:kept], nil, nil)
	if again.next[0] != all.next[kept] || math.Abs(float64(again.logprob[0]-all.logprob[kept])) > 0.1 {
		t.Errorf("after going back to %d tokens: %d (%v), want %d (%v)",
			kept, again.next[0], again.logprob[0], all.next[kept], all.logprob[kept])
	}
	two := p.decode(cross, kept, want[kept-1:kept+1], nil, nil)
	if two.next[0] != all.next[kept] || two.next[1] != all.next[kept+1] {
		t.Errorf("two tokens after %d others: %v, want %v", kept, two.next, all.next[kept:kept+2])
	}
}

// Boosted logits choose the token; the log-probability is what the audio says of it.
func TestDecoderBoost(t *testing.T) {
	t.Parallel()
	_, res := prepared(t)
	p := run(t, res)
	cross := p.encode(clip(t, "jfk_16k_mono.wav"))
	plain := p.decode(cross, 0, []int64{startToken}, nil, nil)
	const favoured = 4321
	slight := p.decode(cross, 0, []int64{startToken}, []int64{favoured, 77}, []float32{0.01, 0.01})
	if slight.next[0] != plain.next[0] || slight.logprob[0] != plain.logprob[0] {
		t.Errorf("a slight boost changes %v to %v", plain.next, slight.next)
	}
	strong := p.decode(cross, 0, []int64{startToken, startToken}, []int64{77, favoured, 0, 0}, []float32{0, 100, 0, 0})
	if strong.next[0] != favoured || strong.logprob[0] > plain.logprob[0]-1 {
		t.Errorf("a strong boost gives %d at %v", strong.next[0], strong.logprob[0])
	}
	if strong.next[1] == favoured {
		t.Error("the boost of one position reaches another")
	}
}

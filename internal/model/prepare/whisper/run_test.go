package whisper

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
	"github.com/scout-speech/scout/internal/model/prepare"
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

// Graphs of every stored type, size and variant run, and give what the same weights in floats give.
func TestGraphsOfEveryKind(t *testing.T) {
	t.Parallel()
	if err := runtimeReady(); err != nil {
		t.Skipf("no ONNX Runtime here: %v", err)
	}
	large := small()
	large.Mels, large.DecoderLayers = 128, 3
	exact := keysOf(t, written(t, small(), ct2test.Float32), Options{Variant: prepare.VariantUnsigned}, small())
	for name, c := range map[string]struct {
		size    ct2test.Size
		kind    ct2test.Kind
		variant prepare.Variant
	}{
		"float32":            {small(), ct2test.Float32, prepare.VariantUnsigned},
		"float16":            {small(), ct2test.Float16, prepare.VariantUnsigned},
		"bfloat16":           {small(), ct2test.BFloat16, prepare.VariantUnsigned},
		"int8":               {small(), ct2test.Int8, prepare.VariantUnsigned},
		"int16":              {small(), ct2test.Int16, prepare.VariantUnsigned},
		"signed":             {small(), ct2test.Float32, prepare.VariantSigned},
		"128 bands":          {large, ct2test.Float16, prepare.VariantUnsigned},
		"narrower than once": {ct2test.Small(), ct2test.Float16, prepare.VariantUnsigned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := keysOf(t, written(t, c.size, c.kind), Options{Variant: c.variant}, c.size)
			if c.size != small() || c.variant == prepare.VariantSigned && !prepare.DetectProcessor().VNNI {
				return // other numbers: another model, or products that saturate on this processor
			}
			if d := distance(keys, exact); !(d < 0.1) {
				t.Errorf("cross keys differ by %.3f from those of floats", d)
			}
		})
	}
}

// distance is the relative error of a against b.
func distance(a, b []float32) float64 {
	var difference, size float64
	for i := range b {
		difference += math.Pow(float64(a[i]-b[i]), 2)
		size += math.Pow(float64(b[i]), 2)
	}
	return math.Sqrt(difference / size)
}

// keysOf prepares a model, runs its graphs and returns the keys of the first cross-attention.
func keysOf(t *testing.T, src Source, opt Options, size ct2test.Size) []float32 {
	t.Helper()
	_, res := prepared(t, src, opt)
	heads, frames := int64(size.Width/64), int64(6)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	session := func(path string, in, out []string) *ort.DynamicAdvancedSession {
		s, err := ort.NewDynamicAdvancedSession(path, in, out, nil)
		must(err)
		t.Cleanup(func() { must(s.Destroy()) })
		return s
	}
	samples := make([]float32, (2*frames+2)*Hop)
	for i := range samples {
		samples[i] = float32(math.Sin(float64(i) / 7))
	}
	mel := tensor(t, make([]float32, 2*frames*int64(size.Mels)), 1, 2*frames, int64(size.Mels))
	must(session(res.Mel, []string{"samples"}, []string{"mel"}).Run([]ort.Value{tensor(t, samples, 1, int64(len(samples)))}, []ort.Value{mel}))
	for i, v := range mel.GetData() {
		if !(v > -10.001 && v < 10) {
			t.Fatalf("feature %d is %v", i, v)
		}
		mel.GetData()[i] = (v + 4) / 4
	}
	in, out := []string{"embedded", "total", "rows", "bias", "boost_tokens", "boost", "count"}, []string{"logits", "next", "logprob", "alignment"}
	var names []string
	var cross []ort.Value
	for l := range size.DecoderLayers {
		for _, part := range []string{"key", "value"} {
			names = append(names, fmt.Sprintf("cross_%s.%d", part, l))
			in, out = append(in, names[len(names)-1], fmt.Sprintf("past_%s.%d", part, l)), append(out, fmt.Sprintf("present_%s.%d", part, l))
			cross = append(cross, tensor(t, make([]float32, heads*frames*64), 1, heads, frames, 64))
		}
	}
	must(session(res.Encoder, []string{"mel"}, names).Run([]ort.Value{mel}, cross))

	// Two tokens of one text, then the same of three texts at once: all say the same.
	decoder := session(res.Decoder, in, out)
	embedding, err := OpenEmbedding(filepath.Dir(res.Decoder), res.Manifest)
	must(err)
	t.Cleanup(func() { must(embedding.Close()) })
	vocabulary := int64(res.Manifest.Model.Vocabulary)
	caches := func(texts int64) (c []ort.Value) {
		for range cross {
			c = append(c, tensor(t, make([]float32, texts*heads*16*64), texts, heads, 16, 64))
		}
		return c
	}
	decode := func(cache []ort.Value, texts int64, past int32, tokens ...int64) ([]int64, []float32) {
		rows, n := int64(len(tokens)), int64(len(tokens))/texts
		embedded := make([]float32, rows*int64(size.Width))
		_, err := embedding.Look(embedded, tokens, nil)
		must(err)
		all := make([]int64, rows)
		for i := range all {
			all[i] = int64(i)
		}
		next, logprob := tensor(t, make([]int64, rows*2), 1, rows, 2), tensor(t, make([]float32, rows*2), 1, rows, 2)
		alignment := tensor(t, make([]float32, rows*frames), 1, 1, rows, frames)
		inputs := []ort.Value{
			tensor(t, embedded, texts, n, int64(size.Width)), tensor(t, []int32{past + int32(n)}, 1), tensor(t, all, rows),
			tensor(t, make([]float32, vocabulary), vocabulary), tensor(t, make([]int64, rows), 1, rows, 1), tensor(t, make([]float32, rows), 1, rows, 1),
			tensor(t, []int64{2}, 1),
		}
		outputs := []ort.Value{tensor(t, make([]float32, rows*vocabulary), 1, rows, vocabulary), next, logprob, alignment}
		for i := range cross {
			inputs, outputs = append(inputs, cross[i], cache[i]), append(outputs, cache[i])
		}
		must(decoder.Run(inputs, outputs))
		for row := range rows {
			sum := float32(0)
			for _, w := range alignment.GetData()[row*frames : (row+1)*frames] {
				sum += w
			}
			if math.Abs(float64(sum-1)) > 1e-3 || !(logprob.GetData()[2*row] >= logprob.GetData()[2*row+1]) || !(logprob.GetData()[2*row] < 0) {
				t.Errorf("row %d attends %v, log-probabilities %v", row, sum, logprob.GetData()[2*row:2*row+2])
			}
		}
		return next.GetData(), logprob.GetData()
	}
	one, three := caches(1), caches(3)
	decode(one, 1, 0, 3, 4)
	decode(three, 3, 0, 3, 3, 3)
	decode(three, 3, 1, 4, 4, 4)
	next, logprob := decode(one, 1, 2, 5)
	beams, beamprob := decode(three, 3, 2, 5, 5, 5)
	for i := range 3 {
		if beams[2*i] != next[0] || math.Abs(float64(beamprob[2*i]-logprob[0])) > 0.02 {
			t.Errorf("text %d of three: token %d (%v), alone %d (%v)", i, beams[2*i], beamprob[2*i], next[0], logprob[0])
		}
	}
	first, ok := cross[0].(*ort.Tensor[float32])
	if !ok {
		t.Fatal("keys are no floats")
	}
	return slices.Clone(first.GetData())
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

package ct2_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/ct2"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
)

func open(t *testing.T, m *ct2test.Model) *ct2.Model {
	t.Helper()
	dir := t.TempDir()
	m.Write(t, dir)
	return opened(t, dir)
}

func opened(t *testing.T, dir string) *ct2.Model {
	t.Helper()
	model, err := ct2.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	})
	return model
}

func TestEveryTypeIsRead(t *testing.T) {
	t.Parallel()
	small := ct2test.Small()
	large := ct2test.Small()
	large.Mels, large.EncoderLayers, large.DecoderLayers = 128, 3, 1 // as large-v3-turbo: few layers in the decoder
	for name, c := range map[string]struct {
		size ct2test.Size
		kind ct2test.Kind
		off  float64 // how far a number may be off, in parts of the largest
	}{
		"float32": {small, ct2test.Float32, 0}, "float16": {small, ct2test.Float16, 0}, "bfloat16": {small, ct2test.BFloat16, 0},
		"int8": {small, ct2test.Int8, 1e-7}, "int16": {small, ct2test.Int16, 1e-7}, "large-v3-turbo": {large, ct2test.Float16, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			written := ct2test.New(c.size, c.kind)
			model := open(t, written)
			want := ct2.Architecture{
				Width: 64, Heads: 1, EncoderLayers: c.size.EncoderLayers, DecoderLayers: c.size.DecoderLayers, Mels: c.size.Mels,
				Vocabulary: len(written.Tokens), Positions: 448, Frames: 1500,
			}
			if got := model.Shape(); got != want {
				t.Errorf("shape %+v, want %+v", got, want)
			}
			for name, values := range written.Values {
				got, shape, err := model.Floats(name)
				if err != nil || !slices.Equal(shape, written.Find(name).Shape) || len(got) != len(values) {
					t.Fatalf("%s: %d values %v, %v", name, len(got), shape, err)
				}
				for i := range got {
					if math.Abs(float64(got[i]-values[i])) > c.off {
						t.Fatalf("%s[%d] = %g, want %g", name, i, got[i], values[i])
					}
				}
			}
			head, shape, err := model.Floats("decoder/projection/weight")
			if err != nil || !slices.Equal(shape, []int{len(written.Tokens), 64}) || math.Abs(float64(head[100]-written.Values["decoder/embeddings/weight"][100])) > c.off {
				t.Errorf("the alias gives %v, %v", shape, err)
			}
		})
	}
}

// Stored int8 comes out as it is, with factors instead of divisors, also by the alias; other types are floats.
func TestRows8(t *testing.T) {
	t.Parallel()
	written := ct2test.New(ct2test.Small(), ct2test.Int8)
	model := open(t, written)
	for _, name := range []string{"decoder/layer_1/ffn/linear_0/weight", "encoder/conv1/weight", "decoder/projection/weight"} {
		q, scales, shape, ok, err := model.Rows8(name)
		floats, _, floatErr := model.Floats(name)
		if err != nil || floatErr != nil || !ok || len(scales) != shape[0] || len(q) != len(floats) {
			t.Fatalf("%s: ok %v, %d scales, %v, %v", name, ok, len(scales), err, floatErr)
		}
		row := len(q) / len(scales)
		for i := range q {
			if got := float32(q[i]) * scales[i/row]; math.Abs(float64(got-floats[i])) > 1e-6*math.Abs(float64(floats[i])) {
				t.Fatalf("%s[%d] = %g, want %g", name, i, got, floats[i])
			}
		}
	}
	if _, _, _, ok, err := model.Rows8("decoder/layer_1/ffn/linear_0/bias"); ok || err != nil {
		t.Errorf("a vector of floats: ok %v, %v", ok, err)
	}
	if _, _, _, _, err := model.Rows8("decoder/nothing"); scout.CodeOf(err) != scout.CodeModelCorrupt {
		t.Errorf("a name that is not there: %v", err)
	}
	if _, _, _, ok, err := open(t, ct2test.New(ct2test.Small(), ct2test.Int16)).Rows8("encoder/conv1/weight"); ok || err != nil {
		t.Errorf("int16: ok %v, %v", ok, err)
	}
}

func TestEveryVersionIsRead(t *testing.T) {
	t.Parallel()
	for version := uint32(1); version <= 6; version++ {
		for _, kind := range []ct2test.Kind{ct2test.Float32, ct2test.Int8} {
			m := ct2test.New(ct2test.Small(), kind)
			m.Version = version
			if version < 3 { // there are no aliases: the head is written out
				head := *m.Find("decoder/embeddings/weight")
				head.Name = "decoder/projection/weight"
				m.Variables = append(m.Variables, head)
				if scale := m.Find("decoder/embeddings/weight_scale"); scale != nil {
					head := *scale
					head.Name = "decoder/projection/weight_scale"
					m.Variables = append(m.Variables, head)
				}
			}
			got, _, err := open(t, m).Floats("decoder/projection/weight")
			if err != nil || math.Abs(float64(got[7]-m.Values["decoder/embeddings/weight"][7])) > 1e-7 {
				t.Errorf("version %d, type %d: %v", version, kind, err)
			}
		}
	}
}

// The file of a real model for many languages has 50257 text tokens.
func TestLanguages(t *testing.T) {
	t.Parallel()
	size := ct2test.Small()
	size.Words = 50257
	dir := t.TempDir()
	ct2test.New(size, ct2test.Int8).Write(t, dir)
	model := opened(t, dir)
	if got := model.Languages(); !model.Shape().Multilingual || !slices.Equal(got, []string{"en", "de", "yue"}) {
		t.Errorf("multilingual %v, languages %v", model.Shape().Multilingual, got)
	}
	if got := filepath.Base(model.Tokenizer()); got != "tokenizer.json" {
		t.Errorf("the tokenizer is %s", got)
	}
	wantConfig := ct2.Config{AlignmentHeads: [][2]int{{1, 0}}, SuppressIDs: []int{1, 2, 50258}, SuppressBegin: []int{0, 50257}, LanguageIDs: []int{50259, 50260, 50261}}
	if got := model.Config(); !reflect.DeepEqual(got, wantConfig) {
		t.Errorf("config %+v, want %+v", got, wantConfig)
	}

	// What config.json leaves out is taken from the vocabulary and the size.
	write(t, dir, "config.json", `{"suppress_ids": [-1, 5]}`)
	model = opened(t, dir)
	if got := model.Config(); !slices.Equal(got.LanguageIDs, wantConfig.LanguageIDs) || !reflect.DeepEqual(got.AlignmentHeads, [][2]int{{1, 0}}) || !slices.Equal(got.SuppressIDs, []int{5}) {
		t.Errorf("config %+v", got)
	}

	// A model for English has one text token less. It lists languages and knows one.
	size.Words = 50256
	model = open(t, ct2test.New(size, ct2test.Int8))
	if got := model.Languages(); model.Shape().Multilingual || !slices.Equal(got, []string{"en"}) {
		t.Errorf("multilingual %v, languages %v", model.Shape().Multilingual, got)
	}
}

// One vocabulary of the three is enough.
func TestAnyVocabularyWillDo(t *testing.T) {
	t.Parallel()
	m := ct2test.New(ct2test.Small(), ct2test.Int8)
	m.Remove("decoder/alibi")
	m.Remove("decoder/num_heads")
	for name, keep := range map[string]string{"tokenizer.json": "tokenizer.json", "vocabulary.json": "vocabulary.json", "vocabulary.txt": "vocabulary.txt"} {
		dir := t.TempDir()
		m.Write(t, dir)
		if name == "vocabulary.txt" {
			write(t, dir, name, strings.Join(m.Tokens, "\r\n")+"\r\n")
		}
		for _, other := range []string{"tokenizer.json", "vocabulary.json"} {
			if other != keep {
				remove(t, dir, other)
			}
		}
		model, err := ct2.Open(t.Context(), dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := filepath.Base(model.Tokenizer()); got != keep {
			t.Errorf("%s: the tokenizer is %s", name, got)
		}
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Some models have more rows than tokens, so that their number is a multiple of 8.
func TestPaddedVocabulary(t *testing.T) {
	t.Parallel()
	size := ct2test.Small() // 1532 tokens
	size.Words = 20 + 4
	m := ct2test.New(size, ct2test.Int8)
	m.Tokens = ct2test.Tokens(20)
	for i := range 3 {
		m.Config["lang_ids"] = []int{20 + 2 + i}
	}
	if got := open(t, m).Shape().Vocabulary; got != 1536 {
		t.Errorf("%d rows", got)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ct2test.New(ct2test.Small(), ct2test.Float32).Write(t, dir)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	if _, err := ct2.Open(ctx, dir); !errors.Is(err, reason) {
		t.Errorf("%v, want %v", err, reason)
	}
}

// A file that another program cuts while it is open gives an error and not another program's numbers.
func TestFileThatShrinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ct2test.New(ct2test.Small(), ct2test.Float16).Write(t, dir)
	model, err := ct2.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := os.Truncate(filepath.Join(dir, "model.bin"), 100); err != nil {
		t.Fatal(err)
	}
	if _, _, err := model.Floats("encoder/conv1/weight"); scout.CodeOf(err) != scout.CodeModelCorrupt || !strings.Contains(err.Error(), "became shorter") {
		t.Errorf("%v", err)
	}
}

func TestHalf(t *testing.T) {
	t.Parallel()
	for bits, want := range map[uint16]float32{
		0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 1.0 / (1 << 14), 0x0001: 1.0 / (1 << 24), 0x83ff: -1023.0 / (1 << 24), 0x3555: 0.333251953125,
		0x7c00: float32(math.Inf(1)), 0xfc00: float32(math.Inf(-1)),
	} {
		if got := ct2.Half(bits); got != want {
			t.Errorf("%#04x is %g, want %g", bits, got, want)
		}
	}
	if got := ct2.Half(0x8000); got != 0 || !math.Signbit(float64(got)) {
		t.Errorf("0x8000 is %g, want -0", got)
	}
	if got := ct2.Half(0x7c01); got == got {
		t.Errorf("0x7c01 is %g, want no number", got)
	}
}

// TestRealModels reads the real models that are here: one for many languages, and one for English with an older tokenizer.
func TestRealModels(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	for name, c := range map[string]struct {
		dir       string
		want      ct2.Architecture
		languages int
		first     float32 // of the first convolution
		heads     int     // that follow the speech
	}{
		"base": {
			filepath.Join(root, "var", "models", "whisper-base"),
			ct2.Architecture{Width: 512, Heads: 8, EncoderLayers: 6, DecoderLayers: 6, Mels: 80, Vocabulary: 51865, Positions: 448, Frames: 1500, Multilingual: true},
			99, 0.004261017, 8,
		},
		"tiny.en": {
			filepath.Join(root, ".tools", "models", "whisper-tiny-en"),
			ct2.Architecture{Width: 384, Heads: 6, EncoderLayers: 4, DecoderLayers: 4, Mels: 80, Vocabulary: 51864, Positions: 448, Frames: 1500},
			1, 0.028778076, 8,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(filepath.Join(c.dir, "model.bin")); errors.Is(err, os.ErrNotExist) {
				t.Skipf("no model in %s: run make setup and scripts/setup.sh tests", c.dir)
			}
			m, err := ct2.Open(t.Context(), c.dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}()
			values, _, err := m.Floats("encoder/conv1/weight")
			if err != nil || m.Shape() != c.want || len(m.Languages()) != c.languages || values[0] != c.first || len(m.Config().AlignmentHeads) != c.heads {
				t.Errorf("shape %+v, %d languages, first %g, %v, %v", m.Shape(), len(m.Languages()), values[0], m.Config().AlignmentHeads, err)
			}
		})
	}
}

package ct2_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/ct2"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
)

// put returns a change of the bytes of a variable.
func put(name string, at int, data ...byte) func(*ct2test.Model) {
	return func(m *ct2test.Model) { copy(m.Find(name).Data[at:], data) }
}

func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	const (
		corrupt     = scout.CodeModelCorrupt
		unsupported = scout.CodeModelUnsupported
		embeddings  = "decoder/embeddings/weight"
		up          = "decoder/layer_1/ffn/linear_0/weight"
	)
	for name, c := range map[string]struct {
		kind   ct2test.Kind
		change func(*ct2test.Model)
		code   scout.Code
		text   string
	}{
		"a newer format":           {0, func(m *ct2test.Model) { m.Version = 7 }, unsupported, "model.bin: it has version 7 of CTranslate2's format"},
		"another format":           {0, func(m *ct2test.Model) { m.Version = 0x04034b50 }, unsupported, "is not a model of CTranslate2"},
		"version 0":                {0, func(m *ct2test.Model) { m.Version = 0 }, unsupported, "is not a model of CTranslate2"},
		"a pointer of Git LFS":     {0, func(m *ct2test.Model) { m.Version = binary.LittleEndian.Uint32([]byte("vers")) }, corrupt, "pointer of Git LFS"},
		"another architecture":     {0, func(m *ct2test.Model) { m.Spec = "TransformerSpec" }, unsupported, `its architecture is "TransformerSpec"`},
		"a newer revision":         {0, func(m *ct2test.Model) { m.Revision = 4 }, unsupported, "revision 4"},
		"revision 0":               {0, func(m *ct2test.Model) { m.Revision = 0 }, unsupported, "revision 0"},
		"bytes at the end":         {0, func(m *ct2test.Model) { m.Trailing = []byte{0} }, corrupt, "1 bytes follow the end"},
		"too many bytes":           {0, func(m *ct2test.Model) { v := m.Find(embeddings); v.Data = append(v.Data, 0) }, corrupt, "bytes and not the"},
		"too few bytes":            {0, func(m *ct2test.Model) { v := m.Find(embeddings); v.Data = v.Data[1:] }, corrupt, "bytes and not the"},
		"an unknown type":          {0, func(m *ct2test.Model) { m.Find(embeddings).Kind = 6 }, corrupt, "unknown type 6"},
		"elements of 3 bytes":      {ct2test.Float16, func(m *ct2test.Model) { m.Version = 3; m.Variables[0].Kind = 9 }, corrupt, "elements of 3 bytes"},
		"a variable twice":         {0, func(m *ct2test.Model) { m.Variables = append(m.Variables, m.Variables[0]) }, corrupt, "is there twice"},
		"an alias of nothing":      {0, func(m *ct2test.Model) { m.Aliases[0][1] = "nothing" }, corrupt, `stands for "nothing"`},
		"an alias twice":           {0, func(m *ct2test.Model) { m.Aliases = append(m.Aliases, m.Aliases[0]) }, corrupt, "is given twice"},
		"an alias of a variable":   {0, func(m *ct2test.Model) { m.Aliases[0][0] = up }, corrupt, "is given twice"},
		"a name with a zero byte":  {0, func(m *ct2test.Model) { m.Find(up).Name = "a\x00b" }, corrupt, "does not end where it should"},
		"more elements than bytes": {0, func(m *ct2test.Model) { m.Find(up).Shape = []int{1 << 31, 1 << 31} }, corrupt, "alone would be larger"},
		"a shape that overflows":   {0, func(m *ct2test.Model) { m.Find(up).Shape = []int{1 << 31, 1 << 31, 1 << 31, 1 << 31, 0} }, corrupt, "alone would be larger"},
		"a missing variable":       {0, func(m *ct2test.Model) { m.Remove(up) }, corrupt, `no variable "` + up + `"`},
		"a missing embedding":      {0, func(m *ct2test.Model) { m.Remove(embeddings); m.Aliases = nil }, corrupt, `no variable "` + embeddings + `"`},
		"no head":                  {0, func(m *ct2test.Model) { m.Aliases = nil }, corrupt, `no variable "decoder/projection/weight"`},
		"no convolution":           {0, func(m *ct2test.Model) { m.Remove("encoder/conv1/weight") }, corrupt, `no variable "encoder/conv1/weight"`},
		"a missing layer":          {0, func(m *ct2test.Model) { rename(m, "decoder/layer_0/", "decoder/layer_7/") }, corrupt, `no variable "decoder/layer_0/`},
		"no encoder":               {0, func(m *ct2test.Model) { rename(m, "encoder/layer_0/", "encoder/x/") }, corrupt, "0 layers in the encoder"},
		"a surplus variable": {0, func(m *ct2test.Model) {
			v := *m.Find(up)
			v.Name = "decoder/lora/weight"
			m.Variables = append(m.Variables, v)
		}, unsupported, "no Whisper model has"},
		"another shape":        {0, reshape(up, 64, 256), corrupt, "has the shape [64 256] and not [256 64]"},
		"a vector as a matrix": {0, reshape("decoder/layer_1/ffn/linear_0/bias", 1, 256), corrupt, "has the shape [1 256]"},
		"a scalar as a table": {0, func(m *ct2test.Model) {
			*m.Find(embeddings) = ct2test.Variable{Name: embeddings, Kind: 1, Data: []byte{1}}
		}, corrupt, "has the shape []"},
		"an empty table": {0, func(m *ct2test.Model) { v := m.Find(embeddings); v.Shape, v.Data = []int{0, 64}, nil }, corrupt, "has the shape [0 64]"},
		"features of 64 bands": {0, func(m *ct2test.Model) {
			v := m.Find("encoder/conv1/weight")
			v.Shape, v.Data = []int{64, 64, 3}, v.Data[:64*64*3*4]
		}, unsupported, "64 bands"},
		"1499 frames": {0, func(m *ct2test.Model) {
			v := m.Find("encoder/position_encodings/encodings")
			v.Shape[0], v.Data = 1499, v.Data[:1499*64*4]
		}, unsupported, "1499 frames"},
		"an odd width": {0, func(m *ct2test.Model) {
			v := m.Find("encoder/conv1/weight")
			v.Shape, v.Data = []int{63, 80, 3}, v.Data[:63*80*3*4]
		}, unsupported, "width is 63"},
		"heads of another width":   {0, put("decoder/num_heads", 0, 2), unsupported, `"decoder/num_heads" to 2`},
		"another activation":       {0, put("decoder/activation", 0, 1), unsupported, `"decoder/activation" to 1`},
		"no activation":            {0, func(m *ct2test.Model) { m.Remove("decoder/activation") }, unsupported, `does not say "decoder/activation"`},
		"norms behind the blocks":  {0, put("decoder/pre_norm", 0, 0), unsupported, `"decoder/pre_norm" to 0`},
		"scaled embeddings":        {0, put("decoder/scale_embeddings", 0, 1), unsupported, `"decoder/scale_embeddings" to 1`},
		"alibi":                    {0, put("decoder/alibi", 0, 1), unsupported, `"decoder/alibi" to 1`},
		"a flag that is not known": {0, func(m *ct2test.Model) { m.Scalar("decoder/rotary_dim", ct2test.Int16, 32) }, unsupported, `"decoder/rotary_dim" to 32`},
		"NaN in float32":           {0, put(up, 8, 0, 0, 0xc0, 0x7f), corrupt, `element 2 of "` + up + `" is not a finite number`},
		"infinity in float32":      {0, put(up, 8, 0, 0, 0x80, 0xff), corrupt, "element 2 of"},
		"NaN in float16":           {ct2test.Float16, put(up, 6, 1, 0x7c), corrupt, "element 3 of"},
		"infinity in float16":      {ct2test.Float16, put(embeddings, 2*70000, 0, 0xfc), corrupt, "element 70000 of"},
		"NaN in bfloat16":          {ct2test.BFloat16, put(up, 6, 0xc0, 0x7f), corrupt, "element 3 of"},
		"NaN in a scale":           {ct2test.Int8, put(up+"_scale", 4, 0, 0, 0xc0, 0x7f), corrupt, "element 1 of"},
		"a scale of 0":             {ct2test.Int8, put(up+"_scale", 4, 0, 0, 0, 0), corrupt, "weights are divided by it"},
		"a scale below 0":          {ct2test.Int16, put(up+"_scale", 0, 0, 0, 0x80, 0xbf), corrupt, "weights are divided by it"},
		"int8 without a scale":     {ct2test.Int8, func(m *ct2test.Model) { m.Remove(up + "_scale") }, corrupt, "has no scale"},
		"too few scales":           {ct2test.Int8, func(m *ct2test.Model) { v := m.Find(up + "_scale"); v.Shape, v.Data = []int{255}, v.Data[:255*4] }, corrupt, "the scale of"},
		"scales of integers":       {ct2test.Int8, func(m *ct2test.Model) { m.Find(up + "_scale").Kind = ct2test.Int32 }, corrupt, "the scale of"},
		"a scale of floats": {0, func(m *ct2test.Model) {
			m.Variables = append(m.Variables, ct2test.Variable{Name: up + "_scale", Shape: []int{1}, Data: []byte{0, 0, 128, 63}})
		}, corrupt, "belongs to no quantised weight"},
		"a vector of int8":           {0, func(m *ct2test.Model) { v := m.Find("encoder/conv1/bias"); v.Kind, v.Data = ct2test.Int8, v.Data[:64] }, corrupt, "is of type int8"},
		"weights of int32":           {0, func(m *ct2test.Model) { m.Find(up).Kind = ct2test.Int32 }, corrupt, "is of type int32"},
		"heads that are not there":   {0, config("alignment_heads", [][]int{{1, 0}, {2, 0}}), corrupt, "config.json: alignment_heads names [2 0]"},
		"a head of one number":       {0, config("alignment_heads", [][]int{{1}}), corrupt, "alignment_heads names [1]"},
		"a list of another kind":     {0, config("suppress_ids", "all"), corrupt, "config.json: it cannot be read"},
		"a token beyond the end":     {0, config("suppress_ids", []int{1532}), corrupt, "suppress_ids has the token 1532"},
		"a language below 0":         {0, config("lang_ids", []int{-1}), corrupt, "lang_ids has the token -1"},
		"fewer tokens than rows":     {0, func(m *ct2test.Model) { m.Tokens = ct2test.Tokens(19) }, corrupt, "tokenizer.json: it is of a model with 1531 tokens, and this one has 1532"},
		"more tokens than rows":      {0, func(m *ct2test.Model) { m.Tokens = ct2test.Tokens(21) }, corrupt, "tokenizer.json: it is of a model with 1533 tokens"},
		"tokens of another program":  {0, func(m *ct2test.Model) { m.Tokens = []string{"a", "b"} }, corrupt, "it has no token <|endoftext|>"},
		"special tokens in disorder": {0, func(m *ct2test.Model) { m.Tokens[20], m.Tokens[21] = m.Tokens[21], m.Tokens[20] }, corrupt, "have the numbers 21, 20 and 30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := ct2test.New(ct2test.Small(), c.kind)
			c.change(m)
			dir := t.TempDir()
			m.Write(t, dir)
			refused(t, dir, c.code, c.text)
		})
	}
}

// refused opens a folder that must be refused, and wants the file's path in front of what is wrong with it.
func refused(t *testing.T, dir string, code scout.Code, text string) {
	t.Helper()
	model, err := ct2.Open(t.Context(), dir)
	if err == nil {
		t.Fatal("it was opened", model.Close())
	}
	if scout.CodeOf(err) != code || !strings.Contains(err.Error(), text) || !strings.HasPrefix(err.Error(), dir) {
		t.Errorf("%s: %v\nwant %s: …%s", scout.CodeOf(err), err, code, text)
	}
}

func config(name string, value any) func(*ct2test.Model) {
	return func(m *ct2test.Model) { m.Config[name] = value }
}

func reshape(name string, shape ...int) func(*ct2test.Model) {
	return func(m *ct2test.Model) { m.Find(name).Shape = shape }
}

func rename(m *ct2test.Model, from, to string) {
	for i := range m.Variables {
		m.Variables[i].Name = strings.Replace(m.Variables[i].Name, from, to, 1)
	}
}

func TestFilesThatAreMissingOrDoNotFit(t *testing.T) {
	t.Parallel()
	m := ct2test.New(ct2test.Small(), ct2test.Int8)
	for name, c := range map[string]struct {
		change func(dir string)
		text   string
	}{
		"no weights":       {func(dir string) { remove(t, dir, "model.bin") }, "model.bin: it is missing"},
		"weights a folder": {func(dir string) { remove(t, dir, "model.bin"); mkdir(t, dir, "model.bin") }, "model.bin: it is not a file"},
		"no configuration": {func(dir string) { remove(t, dir, "config.json") }, "config.json: it is missing"},
		"half a config":    {func(dir string) { write(t, dir, "config.json", `{"lang_ids": [`) }, "config.json: it cannot be read"},
		"no vocabulary":    {func(dir string) { remove(t, dir, "tokenizer.json"); remove(t, dir, "vocabulary.json") }, "tokenizer.json: it is missing, and so are"},
		"half a tokenizer": {func(dir string) { write(t, dir, "tokenizer.json", `{"model": `) }, "tokenizer.json: it cannot be read"},
		"a token twice": {func(dir string) {
			write(t, dir, "tokenizer.json", `{"model": {"vocab": {"a": 1}}, "added_tokens": [{"id": 1, "content": "b"}]}`)
		}, `"a" and "b" are both token 1`},
		"a number beyond the model": {func(dir string) { write(t, dir, "tokenizer.json", `{"model": {"vocab": {"a": 2000000000}}}`) }, "has the number 2000000000"},
		"vocabularies that differ": {func(dir string) {
			other := slices.Clone(m.Tokens)
			other[3] = "drei"
			write(t, dir, "vocabulary.txt", strings.Join(other, "\n"))
		}, `token 3 is "w3", and in vocabulary.txt it is "drei"`},
		"a longer vocabulary": {func(dir string) { write(t, dir, "vocabulary.txt", strings.Join(ct2test.Tokens(21), "\n")) }, "vocabulary.txt: it has 1533 tokens"},
		"other features":      {func(dir string) { write(t, dir, "preprocessor_config.json", `{"feature_size": 128}`) }, "its features have 128 bands and those of the weights 80"},
		"broken features":     {func(dir string) { write(t, dir, "preprocessor_config.json", `[`) }, "preprocessor_config.json: it cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			m.Write(t, dir)
			c.change(dir)
			refused(t, dir, scout.CodeModelCorrupt, c.text)
		})
	}
}

func mkdir(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
}

// A vocabulary whose lang_ids are no languages belongs to another model.
func TestLanguagesThatAreNone(t *testing.T) {
	t.Parallel()
	size := ct2test.Small()
	size.Words = 50257
	dir := t.TempDir()
	ct2test.New(size, ct2test.Int8).Write(t, dir)
	for _, id := range []int{50263, 51864} { // <|translate|>, and one that only vocabulary.json names
		write(t, dir, "config.json", fmt.Sprintf(`{"lang_ids": [%d]}`, id))
		refused(t, dir, scout.CodeModelCorrupt, fmt.Sprintf("lang_ids has the token %d", id))
	}
}

// A file may end anywhere. One variable of each form is enough: a scalar, a matrix and its scales, a vector, and one of three axes.
func TestTruncatedAtEveryField(t *testing.T) {
	t.Parallel()
	m := ct2test.New(ct2test.Small(), ct2test.Int8)
	m.Variables = []ct2test.Variable{
		*m.Find("decoder/alibi"), *m.Find("decoder/embeddings/weight"), *m.Find("decoder/embeddings/weight_scale"),
		*m.Find("decoder/layer_norm/beta"), *m.Find("encoder/conv1/weight"),
	}
	dir := t.TempDir()
	m.Write(t, dir)
	data, fields := m.Bytes()
	slices.Reverse(fields)
	ends := []int{len(data) - 1}
	for _, field := range fields {
		ends = append(ends, field+1, field)
	}
	for _, end := range ends {
		if end >= len(data) {
			continue
		}
		if err := os.Truncate(filepath.Join(dir, "model.bin"), int64(end)); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, scout.CodeModelCorrupt, fmt.Sprintf("it ends after %d bytes", end))
	}
}

// What a file claims costs no memory, only what it has. No other test runs meanwhile, whose memory would be counted.
func TestClaimsAllocateNothing(t *testing.T) {
	claim := func(parts ...any) []byte {
		var data []byte
		for _, part := range parts {
			switch p := part.(type) {
			case uint32:
				data = binary.LittleEndian.AppendUint32(data, p)
			case byte:
				data = append(data, p)
			case string:
				data = binary.LittleEndian.AppendUint16(data, uint16(len(p)+1))
				data = append(append(data, p...), 0)
			}
		}
		return data
	}
	huge := uint32(math.MaxUint32)
	for name, data := range map[string][]byte{
		"variables":  claim(uint32(6), "WhisperSpec", uint32(3), huge),
		"a variable": claim(uint32(6), "WhisperSpec", uint32(3), uint32(1), "a", byte(1), huge, byte(1), huge),
		"many axes":  claim(uint32(6), "WhisperSpec", uint32(3), uint32(1), "a", byte(255), huge, huge),
		"aliases":    claim(uint32(6), "WhisperSpec", uint32(3), uint32(0), huge),
		"old counts": claim(uint32(3), "WhisperSpec", uint32(3), uint32(1), "a", byte(1), huge, byte(4), huge),
	} {
		const most = 256 << 10
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ct2.IndexOf(data)
		runtime.ReadMemStats(&after)
		if scout.CodeOf(err) != scout.CodeModelCorrupt {
			t.Errorf("%s: %v", name, err)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
			t.Errorf("%s: %d bytes allocated", name, allocated)
		}
	}
}

// The weights of another runtime are told from a download that is not complete.
func TestWeightsOfAnotherRuntime(t *testing.T) {
	t.Parallel()
	m := ct2test.New(ct2test.Small(), ct2test.Int8)
	for _, name := range []string{"model.safetensors", "pytorch_model-00001-of-00002.bin", "ggml-base.bin", "base.pt"} {
		dir := t.TempDir()
		m.Write(t, dir)
		remove(t, dir, "model.bin")
		write(t, dir, name, "x")
		refused(t, dir, scout.CodeModelUnsupported, `model.bin: it is missing; the folder has "`+name+`"`)
	}
}

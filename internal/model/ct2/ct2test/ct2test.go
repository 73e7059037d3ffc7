// Package ct2test writes small Whisper models in the format of CTranslate2, of every type and with any damage, for tests.
package ct2test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Kind is how weights are stored.
type Kind uint8

// The types as model.bin numbers them.
const (
	Float32  Kind = 0
	Int8     Kind = 1
	Int16    Kind = 2
	Int32    Kind = 3
	Float16  Kind = 4
	BFloat16 Kind = 5
)

// Variable is one variable as it is written.
type Variable struct {
	Name  string
	Shape []int
	Kind  Kind
	Data  []byte
}

// Model is a folder before it is written; tests change what they like.
type Model struct {
	Version   uint32
	Spec      string
	Revision  uint32
	Variables []Variable
	Aliases   [][2]string
	// Trailing is written after the end.
	Trailing []byte
	// Config becomes config.json, Tokens tokenizer.json and vocabulary.json.
	Config map[string]any
	Tokens []string
	// Values are the numbers that a reader should find, by name.
	Values map[string][]float32
}

// Size is the size of a model. A head is 64 wide.
type Size struct {
	Width, EncoderLayers, DecoderLayers, Mels int
	// Words is the number of text tokens; the real multilingual models have 50257, the English ones 50256.
	Words int
}

// Small is the smallest model there can be.
func Small() Size { return Size{Width: 64, EncoderLayers: 1, DecoderLayers: 2, Mels: 80, Words: 20} }

// Tokens returns the vocabulary of a model with that many text tokens.
func Tokens(words int) []string {
	tokens := make([]string, 0, words+1510)
	for i := range words {
		tokens = append(tokens, fmt.Sprintf("w%d", i))
	}
	tokens = append(tokens, "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|yue|>", "<|translate|>", "<|transcribe|>",
		"<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")
	for i := range 1501 {
		tokens = append(tokens, fmt.Sprintf("<|%d.%02d|>", i/50, i%50*2))
	}
	return tokens
}

// form is what tells models apart before a test changes them.
type form struct {
	size Size
	kind Kind
}

// drawn are the models that were made so far: with the race detector, their numbers take longer than most tests.
var (
	drawnMu sync.Mutex
	drawn   = map[form]*Model{}
)

// New returns a model with random weights of the kind, the same for the same size. Vectors are float32 if the weights are
// integers. The caller may change all of it except the numbers in Values.
func New(size Size, kind Kind) *Model {
	drawnMu.Lock()
	defer drawnMu.Unlock()
	of := form{size, kind}
	if drawn[of] == nil {
		drawn[of] = draw(size, kind)
	}
	return drawn[of].clone()
}

// clone returns a copy that shares only Values.
func (m *Model) clone() *Model {
	c := *m
	c.Variables = slices.Clone(m.Variables)
	for i := range c.Variables {
		v := &c.Variables[i]
		v.Shape, v.Data = slices.Clone(v.Shape), slices.Clone(v.Data)
	}
	c.Aliases, c.Tokens, c.Config = slices.Clone(m.Aliases), slices.Clone(m.Tokens), maps.Clone(m.Config)
	return &c
}

// draw makes a model.
func draw(size Size, kind Kind) *Model {
	tokens := Tokens(size.Words)
	m := &Model{Version: 6, Spec: "WhisperSpec", Revision: 3, Tokens: tokens, Values: map[string][]float32{}}
	d, random := size.Width, rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers in every run
	add := func(name string, shape ...int) { m.add(random, name, kind, shape) }
	linear := func(name string, out, in int) { add(name+"/weight", out, in); add(name+"/bias", out) }
	norm := func(name string) { add(name+"/gamma", d); add(name+"/beta", d) }
	for _, half := range []string{"encoder", "decoder"} {
		layers := size.EncoderLayers
		if half == "decoder" {
			layers = size.DecoderLayers
		}
		for i := range layers {
			at := fmt.Sprintf("%s/layer_%d", half, i)
			norm(at + "/self_attention/layer_norm")
			linear(at+"/self_attention/linear_0", 3*d, d)
			linear(at+"/self_attention/linear_1", d, d)
			if half == "decoder" {
				norm(at + "/attention/layer_norm")
				linear(at+"/attention/linear_0", d, d)
				linear(at+"/attention/linear_1", 2*d, d)
				linear(at+"/attention/linear_2", d, d)
			}
			norm(at + "/ffn/layer_norm")
			linear(at+"/ffn/linear_0", 4*d, d)
			linear(at+"/ffn/linear_1", d, 4*d)
		}
		norm(half + "/layer_norm")
		m.Scalar(half+"/num_heads", Int16, d/64)
	}
	add("encoder/conv1/weight", d, size.Mels, 3)
	add("encoder/conv1/bias", d)
	add("encoder/conv2/weight", d, d, 3)
	add("encoder/conv2/bias", d)
	add("encoder/position_encodings/encodings", 1500, d)
	add("decoder/position_encodings/encodings", 448, d)
	add("decoder/embeddings/weight", len(tokens), d)
	for name, value := range map[string]int{"activation": 3, "pre_norm": 1, "scale_embeddings": 0, "start_from_zero_embedding": 0, "alibi": 0} {
		m.Scalar("decoder/"+name, Int8, value)
	}
	m.Scalar("decoder/alignment_layer", Int16, -1)
	m.Sort()
	m.Aliases = [][2]string{{"decoder/projection/weight", "decoder/embeddings/weight"}}
	end := slices.Index(tokens, "<|endoftext|>")
	m.Config = map[string]any{
		"alignment_heads": [][]int{{size.DecoderLayers - 1, 0}}, "lang_ids": []int{end + 2, end + 3, end + 4},
		"suppress_ids": []int{1, 2, end + 1}, "suppress_ids_begin": []int{0, end},
	}
	return m
}

// Sort puts the variables into the order in which CTranslate2 writes them.
func (m *Model) Sort() {
	slices.SortFunc(m.Variables, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
}

// Find returns the variable of that name, to be changed.
func (m *Model) Find(name string) *Variable {
	for i := range m.Variables {
		if m.Variables[i].Name == name {
			return &m.Variables[i]
		}
	}
	return nil
}

// Remove takes a variable away.
func (m *Model) Remove(name string) {
	m.Variables = slices.DeleteFunc(m.Variables, func(v Variable) bool { return v.Name == name })
}

// Scalar adds a number.
func (m *Model) Scalar(name string, kind Kind, value int) {
	data := []byte{byte(value)}
	if kind == Int16 {
		data = binary.LittleEndian.AppendUint16(nil, uint16(value))
	}
	m.Variables = append(m.Variables, Variable{Name: name, Kind: kind, Data: data})
}

func (m *Model) add(random *rand.Rand, name string, kind Kind, shape []int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(random.NormFloat64()) * 0.1
	}
	if (kind == Int8 || kind == Int16) && !strings.HasSuffix(name, "/weight") {
		kind = Float32
	}
	data, scales := Encode(kind, values, shape[0])
	m.Variables = append(m.Variables, Variable{name, shape, kind, data})
	if scales != nil {
		scale := Variable{name + "_scale", []int{len(scales)}, Float32, nil}
		if kind == Int16 {
			scale.Shape = nil
		}
		scale.Data, _ = Encode(Float32, scales, 1)
		m.Variables = append(m.Variables, scale)
	}
	m.Values[name] = values
}

// Encode stores numbers and replaces each by what a reader finds. Quantised ones come with their scales: one for each of
// the rows of int8, one for all of int16.
func Encode(kind Kind, values []float32, rows int) (data []byte, scales []float32) {
	data = make([]byte, 0, 4*len(values))
	switch kind {
	case Float32:
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
	case Float16:
		for i, v := range values {
			h := half(v)
			data = binary.LittleEndian.AppendUint16(data, h)
			values[i] = wide(h)
		}
	case BFloat16:
		for i, v := range values {
			b := math.Float32bits(v) &^ 0xffff
			data = binary.LittleEndian.AppendUint16(data, uint16(b>>16))
			values[i] = math.Float32frombits(b)
		}
	case Int8, Int16:
		most := float32(127)
		if kind == Int16 {
			most, rows = 32767, 1
		}
		for row := range slices.Chunk(values, len(values)/rows) {
			scale := float32(1)
			if largest := max(slices.Max(row), -slices.Min(row)); largest > 0 {
				scale = most / largest
			}
			scales = append(scales, scale)
			for i, v := range row {
				q := math.RoundToEven(float64(v * scale))
				if kind == Int8 {
					data = append(data, byte(int8(q)))
				} else {
					data = binary.LittleEndian.AppendUint16(data, uint16(int16(q)))
				}
				row[i] = float32(q) / scale
			}
		}
	case Int32:
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, uint32(int32(v)))
		}
	}
	return data, scales
}

// half cuts a number of ordinary size to a float16.
func half(v float32) uint16 {
	bits := math.Float32bits(v)
	exponent := int(bits>>23&0xff) - 127 + 15
	if exponent <= 0 {
		return uint16(bits >> 16 & 0x8000)
	}
	return uint16(bits>>16&0x8000) | uint16(exponent)<<10 | uint16(bits>>13&0x3ff)
}

func wide(h uint16) float32 {
	if h&0x7fff == 0 {
		return math.Float32frombits(uint32(h) << 16)
	}
	return math.Float32frombits(uint32(h&0x8000)<<16 | (uint32(h>>10&0x1f)+112)<<23 | uint32(h&0x3ff)<<13)
}

// Bytes returns model.bin and the offsets at which its fields begin.
func (m *Model) Bytes() (data []byte, fields []int) {
	room := 1 << 10
	for _, v := range m.Variables {
		room += len(v.Data) + 128
	}
	data = make([]byte, 0, room)
	field := func(b ...byte) {
		fields = append(fields, len(data))
		data = append(data, b...)
	}
	number := func(n uint32) { field(binary.LittleEndian.AppendUint32(nil, n)...) }
	text := func(s string) {
		field(binary.LittleEndian.AppendUint16(nil, uint16(len(s)+1))...)
		field(append([]byte(s), 0)...)
	}
	number(m.Version)
	if m.Version >= 2 {
		text(m.Spec)
		number(m.Revision)
	}
	number(uint32(len(m.Variables)))
	size := func(k Kind) int {
		if sizes := []int{4, 1, 2, 4, 2, 2}; int(k) < len(sizes) {
			return sizes[k]
		}
		return 3 // of a type that does not exist
	}
	for _, v := range m.Variables {
		text(v.Name)
		field(byte(len(v.Shape)))
		for _, d := range v.Shape {
			number(uint32(d))
		}
		if m.Version >= 4 {
			field(byte(v.Kind))
			number(uint32(len(v.Data)))
		} else {
			field(byte(size(v.Kind)))
			number(uint32(len(v.Data) / size(v.Kind)))
		}
		field(v.Data...)
	}
	if m.Version >= 3 {
		number(uint32(len(m.Aliases)))
		for _, a := range m.Aliases {
			text(a[0])
			text(a[1])
		}
	}
	data = append(data, m.Trailing...)
	return data, fields
}

// Tokenizer returns a tokenizer.json with these tokens. Like that of some real models it leaves the timestamps out.
func Tokenizer(tokens []string) []byte {
	vocab, added := map[string]int{}, []map[string]any{}
	for id, token := range tokens {
		switch {
		case !strings.HasPrefix(token, "<|"):
			vocab[token] = id
		case token[2] < '0' || token[2] > '9':
			added = append(added, map[string]any{"id": id, "content": token})
		}
	}
	return encode(map[string]any{"model": map[string]any{"vocab": vocab}, "added_tokens": added})
}

func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err) // only maps and lists of tests come here
	}
	return data
}

// Write writes the folder.
func (m *Model) Write(t testing.TB, dir string) {
	t.Helper()
	data, _ := m.Bytes()
	for name, content := range map[string][]byte{
		"model.bin": data, "config.json": encode(m.Config), "tokenizer.json": Tokenizer(m.Tokens), "vocabulary.json": encode(m.Tokens),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil { // not by atomicfile: a test's folder
			t.Fatal(err)
		}
	}
}

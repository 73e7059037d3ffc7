package ct2

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Architecture is the size of a Whisper model.
type Architecture struct {
	Width         int // of the states of both halves
	Heads         int // of each attention; each is Width/Heads = 64 wide
	EncoderLayers int
	DecoderLayers int
	Mels          int // bands of the log-mel features: 80 or 128
	Vocabulary    int // rows of the token embedding
	Positions     int // 448: the most tokens that are decoded at once
	Frames        int // 1500: positions of the encoder, 30 s
	Multilingual  bool
}

const (
	headWidth = 64
	frames    = 1500
	positions = 448
)

// measure derives the architecture from the shapes of a few variables and then verifies all of them.
func (m *Model) measure() (Architecture, error) {
	a := Architecture{}
	for _, from := range []struct {
		name string
		axis int
		of   *int
	}{
		{"encoder/conv1/weight", 0, &a.Width},
		{"encoder/conv1/weight", 1, &a.Mels},
		{"encoder/position_encodings/encodings", 0, &a.Frames},
		{"decoder/position_encodings/encodings", 0, &a.Positions},
		{"decoder/embeddings/weight", 0, &a.Vocabulary},
	} {
		v, err := m.get(from.name)
		if err != nil {
			return a, err
		}
		if from.axis >= len(v.shape) || v.shape[from.axis] == 0 {
			return a, corrupt(m.path, "%s has the shape %v", quoted(v.name), v.shape)
		}
		*from.of = v.shape[from.axis]
	}
	a.EncoderLayers, a.DecoderLayers = m.layers("encoder"), m.layers("decoder")
	switch {
	case a.EncoderLayers == 0 || a.DecoderLayers == 0:
		return a, corrupt(m.path, "it has %d layers in the encoder and %d in the decoder", a.EncoderLayers, a.DecoderLayers)
	case a.Mels != 80 && a.Mels != 128:
		return a, unsupported(m.path, "its features have %d bands; Scout computes 80 or 128", a.Mels)
	case a.Frames != frames || a.Positions != positions:
		return a, unsupported(m.path, "it hears %d frames and writes %d tokens at once; every Whisper model has %d and %d", a.Frames, a.Positions, frames, positions)
	case a.Width%headWidth != 0:
		return a, unsupported(m.path, "its width is %d, which is no multiple of %d", a.Width, headWidth)
	}
	a.Heads = a.Width / headWidth
	if err := m.flags(a); err != nil {
		return a, err
	}
	return a, m.shapes(a)
}

// layers counts the layers of the encoder or the decoder.
func (m *Model) layers(half string) int {
	seen := map[string]bool{}
	for _, name := range m.index.names {
		if rest, ok := strings.CutPrefix(name, half+"/layer_"); ok {
			number, _, _ := strings.Cut(rest, "/")
			if _, err := strconv.Atoi(number); err == nil { // layer_norm is no layer
				seen[number] = true
			}
		}
	}
	return len(seen)
}

// flag is what a scalar must say, and what it says.
type flag struct {
	want     float32
	required bool
	means    string
}

// flags verifies the scalars of the file. Those that Scout does not know must be zero: they may change what the model
// computes.
func (m *Model) flags(a Architecture) error {
	heads := flag{want: float32(a.Heads), means: "heads"}
	known := map[string]flag{
		"encoder/num_heads":                 heads,
		"decoder/num_heads":                 heads,
		"decoder/activation":                {want: 3, required: true, means: "the exact GELU"},
		"decoder/pre_norm":                  {want: 1, required: true, means: "norms ahead of each block"},
		"decoder/scale_embeddings":          {want: 0, required: true, means: "embeddings as they are"},
		"decoder/start_from_zero_embedding": {want: 0, means: "a first token"},
		"decoder/alibi":                     {want: 0, means: "learned positions"},
	}
	ignored := []string{ // they say something about alibi, which is off, and about attention that is asked for by name
		"decoder/alibi_use_positive_positions", "decoder/scale_alibi", "decoder/alignment_heads", "decoder/alignment_layer",
	}
	for name, f := range known {
		if _, there := m.index.find(name); f.required && !there {
			return unsupported(m.path, "it does not say %s, which every Whisper model does", quoted(name))
		}
	}
	for _, name := range m.index.names {
		v := m.index.variables[name]
		if len(v.shape) != 0 || slices.Contains(ignored, name) || strings.HasSuffix(name, weightSuffix+scaleSuffix) {
			continue
		}
		values, _, err := m.Floats(name)
		if err != nil {
			return err
		}
		f, ok := known[name]
		switch {
		case !ok && values[0] != 0:
			return unsupported(m.path, "it sets %s to %g, which Scout does not know", quoted(name), values[0])
		case ok && values[0] != f.want:
			return unsupported(m.path, "it sets %s to %g; Scout needs %g (%s)", quoted(name), values[0], f.want, f.means)
		}
	}
	return nil
}

// expected is the shape of every variable of a model of this size.
func expected(a Architecture) map[string][]int {
	shapes := map[string][]int{
		"encoder/conv1/weight":                 {a.Width, a.Mels, 3},
		"encoder/conv1/bias":                   {a.Width},
		"encoder/conv2/weight":                 {a.Width, a.Width, 3},
		"encoder/conv2/bias":                   {a.Width},
		"encoder/position_encodings/encodings": {a.Frames, a.Width},
		"decoder/position_encodings/encodings": {a.Positions, a.Width},
		"decoder/embeddings/weight":            {a.Vocabulary, a.Width},
		"decoder/projection/weight":            {a.Vocabulary, a.Width},
	}
	norm := func(name string) {
		shapes[name+"/gamma"], shapes[name+"/beta"] = []int{a.Width}, []int{a.Width}
	}
	linear := func(name string, out, in int) {
		shapes[name+"/weight"], shapes[name+"/bias"] = []int{out, in}, []int{out}
	}
	block := func(half string, layers int) {
		for i := range layers {
			at := fmt.Sprintf("%s/layer_%d", half, i)
			norm(at + "/self_attention/layer_norm")
			linear(at+"/self_attention/linear_0", 3*a.Width, a.Width)
			linear(at+"/self_attention/linear_1", a.Width, a.Width)
			if half == "decoder" {
				norm(at + "/attention/layer_norm")
				linear(at+"/attention/linear_0", a.Width, a.Width)
				linear(at+"/attention/linear_1", 2*a.Width, a.Width)
				linear(at+"/attention/linear_2", a.Width, a.Width)
			}
			norm(at + "/ffn/layer_norm")
			linear(at+"/ffn/linear_0", 4*a.Width, a.Width)
			linear(at+"/ffn/linear_1", a.Width, 4*a.Width)
		}
		norm(half + "/layer_norm")
	}
	block("encoder", a.EncoderLayers)
	block("decoder", a.DecoderLayers)
	return shapes
}

// shapes verifies that the model has exactly the variables of its size, each with its shape and a type that fits.
func (m *Model) shapes(a Architecture) error {
	want := expected(a)
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names) // of several faults, the same is always named
	for _, name := range names {
		v, err := m.get(name)
		if err != nil {
			return err
		}
		if !slices.Equal(v.shape, want[name]) {
			return corrupt(m.path, "%s has the shape %v and not %v", quoted(name), v.shape, want[name])
		}
		if err := m.quantised(name, v); err != nil {
			return err
		}
	}
	for _, name := range m.index.names {
		v := m.index.variables[name]
		base, scales := cutScale(name)
		if scales {
			of, ok := m.index.find(base)
			if !ok || of.kind.isFloat() {
				return corrupt(m.path, "%s belongs to no quantised weight", quoted(name))
			}
		} else if want[name] == nil && len(v.shape) > 0 {
			return unsupported(m.path, "it has the variable %s, which no Whisper model has", quoted(name))
		}
	}
	return nil
}

// quantised verifies the type of a variable, and the scale of a quantised weight: one number for each row of an int8
// weight, one for a whole int16 weight.
func (m *Model) quantised(name string, v variable) error {
	if v.kind.isFloat() {
		return nil
	}
	if !strings.HasSuffix(name, weightSuffix) || v.kind == int32Kind {
		return corrupt(m.path, "%s is of type %s", quoted(name), v.kind)
	}
	scale, ok := m.index.find(name + scaleSuffix)
	if !ok {
		return corrupt(m.path, "%s is of type %s and has no scale", quoted(name), v.kind)
	}
	rows := []int{v.shape[0]}
	if v.kind == int16Kind {
		rows = []int{}
	}
	if !slices.Equal(scale.shape, rows) || !scale.kind.isFloat() {
		return corrupt(m.path, "the scale of %s is of type %s with the shape %v: a weight of type %s needs numbers with the shape %v",
			quoted(name), scale.kind, scale.shape, v.kind, rows)
	}
	return nil
}

package onnx_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/model/onnx"
)

// sample returns a model that uses every field this package writes.
func sample() *onnx.Model {
	inner := &onnx.Graph{Name: "branch", Nodes: []onnx.Node{{Name: "n", Op: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}}}}
	tensor := &onnx.Tensor{Name: "t", Type: onnx.Int64, Dims: []int64{2}, Raw: make([]byte, 16)}
	return &onnx.Model{
		IRVersion: 10, Producer: "test",
		Opsets: []onnx.Opset{{Version: 17}, {Domain: "com.microsoft", Version: 1}},
		Graph: onnx.Graph{
			Name: "main",
			Nodes: []onnx.Node{{
				Name: "all", Op: "Op", Domain: "com.microsoft", Inputs: []string{"x", "", "w"}, Outputs: []string{"y"},
				Attributes: []onnx.Attribute{
					onnx.FloatAttr("f", -1.5), onnx.IntAttr("i", -3), onnx.StringAttr("s", "text"), onnx.IntsAttr("is", 1, -2, 1<<40),
					{Name: "fs", Kind: onnx.KindFloats, Floats: []float32{1, 2}},
					{Name: "ss", Kind: onnx.KindStrings, Strings: [][]byte{[]byte("a"), []byte("b")}},
					{Name: "t", Kind: onnx.KindTensor, Tensor: tensor},
					{Name: "g", Kind: onnx.KindGraph, Graph: inner},
				},
			}},
			Initializers: []onnx.Tensor{
				{Name: "w", Type: onnx.Float32, Dims: []int64{1, 2}, Raw: []byte{0, 0, 128, 63, 0, 0, 0, 64}},
				{Name: "scalar", Type: onnx.Uint8, Raw: []byte{7}},
				{Name: "far", Type: onnx.Int8, Dims: []int64{5}, External: &onnx.External{Location: "w.bin", Offset: 4096, Length: 5}},
			},
			Inputs:  []onnx.ValueInfo{onnx.Value("x", onnx.Float32, onnx.Fixed(1), onnx.Named("n"))},
			Outputs: []onnx.ValueInfo{onnx.Value("y", onnx.Float32, onnx.Named("n"), onnx.Fixed(0))},
			Values:  []onnx.ValueInfo{onnx.Value("z", onnx.Bool)},
		},
	}
}

func TestDecodeGivesBackWhatEncodeWrote(t *testing.T) {
	t.Parallel()
	want := sample()
	got, err := onnx.Decode(onnx.Encode(want))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEncodeIsDeterministic(t *testing.T) {
	t.Parallel()
	if !bytes.Equal(onnx.Encode(sample()), onnx.Encode(sample())) {
		t.Error("two encodings of equal models differ")
	}
}

// Nested messages of more than 127 bytes need a longer length prefix than was reserved for them.
func TestEncodeMessagesOfAnySize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(16000, 17000)).Draw(t, "bytes")
		m := sample()
		m.Graph.Initializers[0] = onnx.Tensor{Name: "w", Type: onnx.Uint8, Dims: []int64{int64(n)}, Raw: bytes.Repeat([]byte{3}, n)}
		got, err := onnx.Decode(onnx.Encode(m))
		if err != nil {
			t.Fatal(err)
		}
		if w := got.Graph.Initializers[0]; len(w.Raw) != n || w.Name != "w" {
			t.Fatalf("wrote %d bytes, read %d in %q", n, len(w.Raw), w.Name)
		}
	})
}

func TestDecodeRefusesEveryTruncation(t *testing.T) {
	t.Parallel()
	b := onnx.Encode(sample())
	complete := len(b) - len("\x42\x11\x0a\x0dcom.microsoft\x10\x01") // the second operator set may be missing
	for n := range b {
		_, err := onnx.Decode(b[:n])
		if n == complete {
			continue
		}
		if !errors.Is(err, onnx.ErrMalformed) {
			t.Fatalf("first %d of %d bytes: %v, want ErrMalformed", n, len(b), err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	nested := &onnx.Graph{}
	for range 40 {
		nested = &onnx.Graph{Nodes: []onnx.Node{{Attributes: []onnx.Attribute{{Name: "g", Kind: onnx.KindGraph, Graph: nested}}}}}
	}
	with := func(change func(*onnx.Model)) []byte {
		m := sample()
		change(m)
		return onnx.Encode(m)
	}
	for name, b := range map[string][]byte{
		"nothing":                 nil,
		"text":                    []byte("<html><body>404</body></html>"),
		"graphs without end":      with(func(m *onnx.Model) { m.Graph = *nested }),
		"too little data":         with(func(m *onnx.Model) { m.Graph.Initializers[0].Dims = []int64{3} }),
		"too much data":           with(func(m *onnx.Model) { m.Graph.Initializers[0].Dims = []int64{1} }),
		"a negative dimension":    with(func(m *onnx.Model) { m.Graph.Initializers[0].Dims = []int64{-1, -2} }),
		"a size that overflows":   with(func(m *onnx.Model) { m.Graph.Initializers[0].Dims = []int64{1 << 62, 1 << 62, 2} }),
		"no operator sets":        with(func(m *onnx.Model) { m.Opsets = nil }),
		"a text where a graph is": []byte("\x38\x01\x42\x02\x10\x11"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := onnx.Decode(b); !errors.Is(err, onnx.ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
		})
	}
}

// Exporters write small constants into typed fields, packed or not, instead of raw data.
func TestDecodeTypedData(t *testing.T) {
	t.Parallel()
	initializer := func(body string) []byte {
		graph := "\x2a" + string(rune(len(body))) + body
		return []byte("\x3a" + string(rune(len(graph))) + graph + "\x42\x02\x10\x11")
	}
	for name, c := range map[string]struct {
		body string
		want []byte
	}{
		"packed int64s":   {"\x08\x02\x10\x07\x3a\x02\x05\x06", []byte{5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0}},
		"single int64s":   {"\x08\x02\x10\x07\x38\x05\x38\x06", []byte{5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0}},
		"uint8 as int32s": {"\x08\x02\x10\x02\x2a\x02\x05\x06", []byte{5, 6}},
		"packed floats":   {"\x08\x01\x10\x01\x22\x04\x00\x00\x20\x40", []byte{0, 0, 0x20, 0x40}},
		"single floats":   {"\x08\x01\x10\x01\x25\x00\x00\x20\x40", []byte{0, 0, 0x20, 0x40}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := onnx.Decode(initializer(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Graph.Initializers[0].Raw; !bytes.Equal(got, c.want) {
				t.Errorf("got % x, want % x", got, c.want)
			}
		})
	}
}

func TestMoveOutKeepsEveryByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 10000), 0, 8).Draw(t, "sizes")
		m := &onnx.Model{Opsets: []onnx.Opset{{Version: 17}}}
		var want [][]byte
		for i, n := range sizes {
			raw := bytes.Repeat([]byte{byte(i + 1)}, n)
			want = append(want, raw)
			m.Graph.Initializers = append(m.Graph.Initializers, onnx.Tensor{Type: onnx.Uint8, Dims: []int64{int64(n)}, Raw: raw})
		}
		const least = 4096
		content := onnx.MoveOut(m, "w", least)
		for i, tensor := range m.Graph.Initializers {
			got := tensor.Raw
			if e := tensor.External; e != nil {
				if e.Offset%4096 != 0 || e.Location != "w" {
					t.Fatalf("tensor %d is at %+v", i, *e)
				}
				got = content[e.Offset : e.Offset+e.Length]
			}
			if (tensor.External != nil) != (len(want[i]) >= least) || !bytes.Equal(got, want[i]) {
				t.Fatalf("tensor %d of %d bytes: external %v, %d bytes", i, len(want[i]), tensor.External, len(got))
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(onnx.Encode(sample()))
	f.Add(onnx.Encode(sample())[:300])
	f.Add([]byte("\x3a\x04\x2a\x02\x08\x01\x42\x02\x10\x11"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		m, err := onnx.Decode(b)
		if !bytes.Equal(b, before) {
			t.Fatal("Decode changed its input")
		}
		if err != nil {
			if !errors.Is(err, onnx.ErrMalformed) {
				t.Fatalf("error without ErrMalformed: %v", err)
			}
			return
		}
		once := onnx.Encode(m)
		again, err := onnx.Decode(once)
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		if twice := onnx.Encode(again); !bytes.Equal(once, twice) {
			t.Fatal("writing what was read changes it")
		}
	})
}

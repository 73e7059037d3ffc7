package build

import (
	"bytes"
	"errors"
	"testing"

	"github.com/scout-speech/scout/internal/model/onnx"
)

// Large constants go to the file at multiples of a page, small ones stay, also behind 4 GB.
func TestOutside(t *testing.T) {
	t.Parallel()
	var file bytes.Buffer
	o := NewOutside("w", &file, 10)
	g := New("g", o)
	large := bytes.Repeat([]byte{7}, 5000)
	g.Constant("small", onnx.Uint8, []byte{1}, 1)
	g.Constant("first", onnx.Uint8, large, 5000)
	o.size += 5 << 30
	g.Constant("far", onnx.Uint8, large, 5000)
	m := g.Model("test")
	want := []*onnx.External{nil, {Location: "w", Offset: 0, Length: 5000}, {Location: "w", Offset: 5<<30 + 8192, Length: 5000}}
	for i, c := range m.Graph.Initializers {
		switch {
		case want[i] == nil:
			if c.External != nil || len(c.Raw) != 1 {
				t.Errorf("%s: %+v", c.Name, c.External)
			}
		case c.External == nil || *c.External != *want[i] || c.Raw != nil:
			t.Errorf("%s: %+v, want %+v", c.Name, c.External, want[i])
		}
	}
	if file.Len() != 8192+5000 || o.Err() != nil {
		t.Errorf("%d bytes written, %v", file.Len(), o.Err())
	}
	if got := New("same", nil).Constant("kept", onnx.Uint8, large, 5000); got != "kept" {
		t.Errorf("%q", got)
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestOutsideKeepsTheFirstFailure(t *testing.T) {
	t.Parallel()
	o := NewOutside("w", broken{}, 1)
	g := New("g", o)
	for range 2 {
		g.Floats("c", []float32{1}, 1)
	}
	if !errors.Is(o.Err(), errBroken) {
		t.Errorf("%v", o.Err())
	}
}

package build

import (
	"io"

	"github.com/scout-speech/scout/internal/model/onnx"
)

// Outside takes large constants out of a graph while it is built, and writes them to a file beside it. So a model never
// has to be in memory as a whole, and its graph never reaches the 2 GB that a protobuf can hold.
type Outside struct {
	location string
	file     io.Writer
	least    int
	size     int64
	err      error
}

// NewOutside returns one that writes constants of at least `least` bytes to file, whose name beside the graph is
// location.
func NewOutside(location string, file io.Writer, least int) *Outside {
	return &Outside{location: location, file: file, least: least}
}

// Err returns the first failure to write. After it nothing is written.
func (o *Outside) Err() error { return o.err }

// take writes the data of a large constant to the file and leaves its place in the constant.
func (o *Outside) take(c *onnx.Tensor) {
	if o == nil || len(c.Raw) < o.least {
		return
	}
	gap := int(-o.size & (onnx.ExternalAlign - 1))
	o.write(make([]byte, gap))
	c.External = &onnx.External{Location: o.location, Offset: o.size, Length: int64(len(c.Raw))}
	o.write(c.Raw)
	c.Raw = nil
}

func (o *Outside) write(b []byte) {
	if o.err == nil {
		_, o.err = o.file.Write(b)
	}
	o.size += int64(len(b))
}

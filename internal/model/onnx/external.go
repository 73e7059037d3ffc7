package onnx

// ExternalAlign is the alignment of data outside the model file, so that a reader may map each tensor separately.
// Source: the ONNX documentation on external data requires pages of 4096 bytes.
const ExternalAlign = 4096

// MoveOut takes the data of all initializers of at least minBytes bytes out of the main graph and returns it as the
// content of a file, which belongs beside the model file under the name location. A runtime maps that file instead of
// copying it, and touches only what it uses. Equal models give equal bytes.
func MoveOut(m *Model, location string, minBytes int) []byte {
	size := 0
	for i := range m.Graph.Initializers {
		size += len(m.Graph.Initializers[i].Raw) + ExternalAlign
	}
	content := make([]byte, 0, size)
	for i := range m.Graph.Initializers {
		t := &m.Graph.Initializers[i]
		if len(t.Raw) < minBytes {
			continue
		}
		gap := -len(content) & (ExternalAlign - 1)
		content = append(content, make([]byte, gap)...)
		t.External = &External{Location: location, Offset: int64(len(content)), Length: int64(len(t.Raw))}
		content = append(content, t.Raw...)
		t.Raw = nil
	}
	return content
}

package ct2

import (
	"bytes"
	"os"
)

// IndexOf reads the structure of a model.bin and returns the sizes of its variables.
func IndexOf(data []byte) (map[string]int64, error) {
	x, err := readIndex("model.bin", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for name, v := range x.variables {
		sizes[name] = v.size
	}
	return sizes, nil
}

// Half is the value of a float16.
var Half = half

// Describe reads small files beside weights of that size and returns the languages.
func Describe(files map[string][]byte, a Architecture) ([]string, error) {
	m := &Model{shape: a}
	err := m.describe(func(path string) ([]byte, error) {
		if data, ok := files[path]; ok {
			return data, nil
		}
		return nil, os.ErrNotExist
	}, "")
	return m.languages, err
}

package ct2_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/ct2"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
)

func FuzzIndex(f *testing.F) {
	m := ct2test.New(ct2test.Small(), ct2test.Int8)
	m.Variables = m.Variables[:3]
	m.Aliases = [][2]string{{"alias", m.Variables[0].Name}}
	for version := range uint32(8) {
		m.Version = version
		data, fields := m.Bytes()
		f.Add(data)
		f.Add(data[:fields[len(fields)-3]])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sizes, err := ct2.IndexOf(data)
		if err != nil {
			if code := scout.CodeOf(err); code != scout.CodeModelCorrupt && code != scout.CodeModelUnsupported {
				t.Fatalf("%s: %v", code, err)
			}
			return
		}
		var sum int64
		for size := range maps.Values(sizes) {
			sum += size
		}
		if sum > int64(len(data)) {
			t.Fatalf("variables of %d bytes in a file of %d", sum, len(data))
		}
	})
}

// FuzzTexts reads any small files beside weights of a known size.
func FuzzTexts(f *testing.F) {
	m := ct2test.New(ct2test.Small(), ct2test.Int8)
	a := ct2.Architecture{Width: 64, Heads: 1, DecoderLayers: 2, Mels: 80, Vocabulary: len(m.Tokens)}
	marks := `{"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 20, "content": "<|endoftext|>"}, {"id": 21, "content": "<|startoftranscript|>"}, {"id": 30, "content": "<|notimestamps|>"}]}`
	f.Add([]byte(`{"alignment_heads": [[1, 0]], "suppress_ids": [1], "lang_ids": [22]}`), []byte(marks), []byte(nil))
	f.Add([]byte(`{}`), []byte(nil), []byte(strings.Join(m.Tokens, "\n")))
	f.Fuzz(func(t *testing.T, config, tokenizer, lines []byte) {
		files := map[string][]byte{"config.json": config}
		for name, data := range map[string][]byte{"tokenizer.json": tokenizer, "vocabulary.txt": lines} {
			if len(data) > 0 {
				files[name] = data
			}
		}
		languages, err := ct2.Describe(files, a)
		if err != nil && scout.CodeOf(err) != scout.CodeModelCorrupt {
			t.Fatalf("%s: %v", scout.CodeOf(err), err)
		}
		if err == nil && len(languages) == 0 {
			t.Fatal("a model without languages")
		}
	})
}

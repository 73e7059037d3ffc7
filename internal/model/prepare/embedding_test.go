package prepare

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/scout-speech/scout"
)

// What is looked up is the published embedding, for any tokens in any order.
func TestEmbeddingIsThePublishedOne(t *testing.T) {
	t.Parallel()
	src, res := prepared(t)
	dec, _, err := readOriginal(src.Decoder)
	if err != nil {
		t.Fatal(err)
	}
	want := tokenEmbedding(dec).floats()
	e, err := OpenEmbedding(filepath.Dir(res.Decoder))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	tokens := []int64{vocabulary - 1, 0, 1, 2, 310, 310, 12345, 31999}
	got := make([]float32, len(tokens)*width)
	scratch, err := e.Look(got, tokens, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, token := range tokens {
		if !slices.Equal(got[i*width:(i+1)*width], want[token*width:(token+1)*width]) {
			t.Errorf("token %d is looked up as %v", token, got[i*width:i*width+4])
		}
	}
	for _, token := range []int64{-1, vocabulary, 1 << 62} {
		if _, err := e.Look(got, []int64{token}, scratch); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("token %d: %v", token, err)
		}
	}
}

func TestOpenEmbeddingRefuses(t *testing.T) {
	t.Parallel()
	src, res := prepared(t)
	rewrite := func(t *testing.T, dir, name string, change func([]byte) []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(path), os.WriteFile(path, change(content), 0o600)); err != nil { // links are not written through
			t.Fatal(err)
		}
	}
	manifest := func(change func(*Manifest)) func([]byte) []byte {
		return func([]byte) []byte {
			m := res.Manifest
			change(&m)
			content, err := EncodeRecord(m)
			if err != nil {
				t.Fatal(err)
			}
			return content
		}
	}
	for name, c := range map[string]struct {
		file   string
		change func([]byte) []byte
		want   error
	}{
		"weights cut off":         {DecoderWeights, func(b []byte) []byte { return b[:len(b)/2] }, ErrCorrupt},
		"no weights at all":       {DecoderWeights, func([]byte) []byte { return nil }, ErrCorrupt},
		"a manifest without":      {ManifestFile, manifest(func(m *Manifest) { m.Embedding = EmbeddingPlace{} }), ErrCorrupt},
		"behind the end":          {ManifestFile, manifest(func(m *Manifest) { m.Embedding.Offset += 1 << 20 * 64 }), ErrCorrupt},
		"rows longer than a file": {ManifestFile, manifest(func(m *Manifest) { m.Embedding.Stride = 1 << 62 }), ErrCorrupt},
		"before the beginning":    {ManifestFile, manifest(func(m *Manifest) { m.Embedding.Offset = -1 }), ErrCorrupt},
		"text for a manifest":     {ManifestFile, func([]byte) []byte { return []byte("not JSON") }, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := clone(t, res)
			rewrite(t, dir, c.file, c.change)
			if e, err := OpenEmbedding(dir); !errors.Is(err, c.want) || scout.CodeOf(err) != scout.CodeModelCorrupt {
				t.Errorf("%v, %v; want %v", e, err, c.want)
			}
		})
	}
	t.Run("without weights", func(t *testing.T) {
		t.Parallel()
		dir := clone(t, res)
		if err := os.Remove(filepath.Join(dir, DecoderWeights)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenEmbedding(dir); !errors.Is(err, ErrMissing) {
			t.Errorf("%v; want ErrMissing", err)
		}
		if _, made, err := Ensure(context.Background(), src, dir, Options{}); err != nil || !made {
			t.Fatalf("prepared again: %v, %v", made, err)
		}
		e, err := OpenEmbedding(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

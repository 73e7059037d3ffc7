package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
)

func TestReadHotWords(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(file, []byte("# names\nQuilter\n\n  Zau al Makan \r\nSmith, John\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string][]string{
		"":                          nil,
		"Quilter":                   {"Quilter"},
		"Quilter, San Francisco ,a": {"Quilter", "San Francisco", "a"},
		file:                        {"Quilter", "Zau al Makan", "Smith, John"},
	} {
		if got, err := cli.ReadHotWords(value); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", value, got, err, want)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty.txt")
	if err := os.WriteFile(empty, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{",", " , ", empty} {
		if _, err := cli.ReadHotWords(value); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%q: %v", value, err)
		}
	}
}

package bench_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

func TestManifest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []bench.Entry
	}{
		{"plain", "file\treference\na.wav\thello world\n", []bench.Entry{{File: "a.wav", Reference: "hello world"}}},
		{
			"columns in any place, others ignored, no quoting",
			"x\treference\ty\tfile\n1\t\"Go,\" she said\t2\tsub/b.flac\t\n",
			[]bench.Entry{{File: filepath.Join("sub", "b.flac"), Reference: `"Go," she said`}},
		},
		{
			"byte order mark, CR LF, blank lines, no last line feed",
			"\uFEFFfile\treference\r\n\r\na.wav\tone\r\n\nb.wav\ttwo",
			[]bench.Entry{{File: "a.wav", Reference: "one"}, {File: "b.wav", Reference: "two"}},
		},
		{
			"the language of each clip",
			"file\tlanguage\treference\na.wav\tde\tHallo\nb.wav\t\thello\n",
			[]bench.Entry{{File: "a.wav", Reference: "Hallo", Language: "de"}, {File: "b.wav", Reference: "hello"}},
		},
		{"an empty reference: nobody speaks", "file\treference\nnoise.wav\t\n", []bench.Entry{{File: "noise.wav"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := bench.ParseManifest(strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %+v", got)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("entry %d: %+v, want %+v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestManifestRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, says string }{
		{"empty", "", "no header"},
		{"blank", "\n\r\n", "no header"},
		{"header alone", "file\treference\n", "no files"},
		{"no file column", "reference\tname\nx\ty\n", `line 1: no column "file"`},
		{"no reference column", "file\ttext\n", `line 1: no column "reference"`},
		{"commas for tabs", "file,reference\n", `no column "file"`},
		{"column twice", "file\treference\tfile\n", "twice"},
		{"language twice", "file\treference\tlanguage\tlanguage\n", "twice"},
		{"no language in a row", "file\treference\tlanguage\na.wav\tx\n", "line 2: 2 fields"},
		{"file twice", "file\treference\na.wav\tx\na.wav\ty\n", "line 3: file \"a.wav\" stands in line 2"},
		{"row too short", "file\treference\na.wav\n", "line 2: 1 fields"},
		{"no file named", "file\treference\n \tx\n", "no file named"},
		{"out of the folder", "file\treference\n../a.wav\tx\n", "not inside"},
		{"out of the folder by the way", "file\treference\na/../../b.wav\tx\n", "not inside"},
		{"absolute", "file\treference\n/etc/passwd\tx\n", "not inside"},
		{"the folder itself", "file\treference\na/..\tx\n", "folder itself"},
		{"zero byte", "file\treference\na\x00.wav\tx\n", "not inside"},
		{"not UTF-8", "file\treference\na.wav\t\xff\n", "not UTF-8"},
		{"endless line", "file\treference\na.wav\t" + strings.Repeat("x", 2<<20), "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := bench.ParseManifest(strings.NewReader(tt.text))
			if scout.CodeOf(err) != scout.CodeManifestInvalid || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, error %v with code %q, want %q", got, err, scout.CodeOf(err), tt.says)
			}
		})
	}
}

func TestReadManifest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := bench.ReadManifest(dir); scout.CodeOf(err) != scout.CodeFileNotFound {
		t.Errorf("no manifest: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, bench.ManifestName), []byte("file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bench.ReadManifest(dir); scout.CodeOf(err) != scout.CodeManifestInvalid || !strings.Contains(err.Error(), dir) {
		t.Errorf("bad manifest: %v", err)
	}
}

// FuzzManifest checks that whatever is accepted names different files inside the folder.
func FuzzManifest(f *testing.F) {
	f.Add("file\treference\na.wav\thello\n")
	f.Add("\uFEFFreference\tx\tfile\r\nhello\t\t../a\r\n")
	f.Add("file\treference\n\x00\t\xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := bench.ParseManifest(strings.NewReader(text))
		if err != nil {
			if scout.CodeOf(err) != scout.CodeManifestInvalid {
				t.Fatalf("%v has code %q", err, scout.CodeOf(err))
			}
			return
		}
		seen := map[string]bool{}
		for _, e := range entries {
			if !filepath.IsLocal(e.File) || e.File == "." || strings.ContainsAny(e.File, "\t\n\x00") {
				t.Fatalf("file %q", e.File)
			}
			seen[e.File] = true
		}
		if len(entries) == 0 {
			t.Fatal("accepted without files")
		}
	})
}

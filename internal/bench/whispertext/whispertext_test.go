package whispertext_test

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/bench/whispertext"
)

// pairsVariable names a file of further pairs to check: testdata/README.md.
const pairsVariable = "SCOUT_WHISPER_PAIRS"

// Each text becomes what OpenAI's own code makes of it, byte for byte.
func TestTextsAreNormalisedAsByWhisper(t *testing.T) {
	t.Parallel()
	files := []string{"testdata/pairs.jsonl"}
	if more := os.Getenv(pairsVariable); more != "" {
		files = append(files, more)
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		n := 0
		for ; lines.Scan(); n++ {
			var pair struct{ Text, English, Basic, Split string }
			if err := json.Unmarshal(lines.Bytes(), &pair); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct{ kind, got, want string }{
				{"English", whispertext.English(pair.Text), pair.English},
				{"basic", whispertext.Basic(pair.Text, false), pair.Basic},
				{"split", whispertext.Basic(pair.Text, true), pair.Split},
			} {
				if c.got != c.want {
					t.Errorf("%s, %q: %q, want %q", c.kind, pair.Text, c.got, c.want)
				}
			}
		}
		if err := lines.Err(); err != nil || n < 150 {
			t.Errorf("%s: %d pairs, %v", name, n, err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The first and the last spelling of the list, and one with an oddity of the original.
func TestSpellings(t *testing.T) {
	t.Parallel()
	if got, want := whispertext.English("accessorise the archaeology of yoghurts"), "accessorize the archeology</span> of yogurts"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		language, text string
		want           []string
	}{
		{"", "Twenty-one dollars!", []string{"$21"}},
		{"en", "It's colour.", []string{"it", "is", "color"}},
		{"de", "Es ist fünf Uhr.", []string{"es", "ist", "fünf", "uhr"}},
		{"ja", "これは 2 つ。", []string{"こ", "れ", "は", "2", "つ"}},
		{"th", "สวัสดี", []string{"ส", "ว", "ส", "ด"}}, // marks become spaces, as by Whisper
		{"zh", "", nil},
	} {
		if got := whispertext.Units(c.text, c.language); !slices.Equal(got, c.want) {
			t.Errorf("%s %q: %q, want %q", c.language, c.text, got, c.want)
		}
	}
}

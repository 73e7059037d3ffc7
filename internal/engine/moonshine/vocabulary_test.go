package moonshine

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
)

// table returns a vocabulary file in which the given pieces stand from id 100 on.
func table(pieces ...string) string {
	var b strings.Builder
	for id := range vocabularySize {
		piece := fmt.Sprintf("<%d>", id)
		if i := id - 100; i >= 0 && i < len(pieces) {
			piece = pieces[i]
		}
		fmt.Fprintf(&b, "%s %d\n", base64.StdEncoding.EncodeToString([]byte(piece)), id)
	}
	return b.String()
}

func fileOf(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens.txt")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadVocabularyRefuses(t *testing.T) {
	t.Parallel()
	good := table()
	for name, c := range map[string]struct {
		content string
		want    scout.Code
	}{
		"nothing":                {"", scout.CodeModelCorrupt},
		"a file cut short":       {good[:len(good)/2], scout.CodeModelCorrupt},
		"one line too few":       {good[:strings.LastIndexByte(good[:len(good)-1], '\n')+1], scout.CodeModelCorrupt},
		"an id too large":        {strings.Replace(good, " 32767\n", " 32768\n", 1), scout.CodeModelCorrupt},
		"a negative id":          {strings.Replace(good, " 7\n", " -7\n", 1), scout.CodeModelCorrupt},
		"text that is no base64": {"*** 0\n" + good, scout.CodeModelCorrupt},
		"a page of HTML":         {"<html>\n<body>\n", scout.CodeModelCorrupt},
		"an endless line":        {strings.Repeat("A", 1<<17), scout.CodeReadFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readVocabulary(fileOf(t, c.content))
			if scout.CodeOf(err) != c.want {
				t.Errorf("%v (%s), want %s", err, scout.CodeOf(err), c.want)
			}
		})
	}
	if _, err := readVocabulary(filepath.Join(t.TempDir(), "none")); scout.CodeOf(err) != scout.CodeFileNotFound {
		t.Errorf("missing file: %v", err)
	}
}

// What the words of a text are is tested in wordtext.
func TestPieces(t *testing.T) {
	t.Parallel()
	v, err := readVocabulary(fileOf(t, table(" caf", "\xc3", "\xa9")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{" caf", "\xc3", "\xa9", ""}
	if got := v.piecesOf([]int64{100, 101, 102, endToken}); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHypothesis(t *testing.T) {
	t.Parallel()
	v := &vocabulary{}
	for name, c := range map[string]struct {
		ids  []int32
		want []int64
		code scout.Code
	}{
		"none":                    {nil, []int64{}, ""},
		"a text":                  {[]int32{5, 6}, []int64{5, 6}, ""},
		"longer than the limit":   {[]int32{5, 6, 7, 8}, []int64{5, 6, 7}, ""},
		"tokens behind the end":   {[]int32{5, endToken, 7}, []int64{5}, ""},
		"an id below":             {[]int32{5, -1}, nil, scout.CodeInvalidArgument},
		"an id above":             {[]int32{vocabularySize}, nil, scout.CodeInvalidArgument},
		"an id above, far behind": {[]int32{5, endToken, 6, 7, 8, vocabularySize}, nil, scout.CodeInvalidArgument},
		"special tokens in text":  {[]int32{0, 32767}, []int64{0, 32767}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v.hypothesis(c.ids, 3)
			if scout.CodeOf(err) != c.code || !slices.Equal(got, c.want) {
				t.Errorf("%v, %v; want %v, %s", got, err, c.want, c.code)
			}
		})
	}
}

func TestRepeating(t *testing.T) {
	t.Parallel()
	times := func(n int, phrase ...int64) []int64 { return slices.Repeat(phrase, n) }
	phrase := func(n int) []int64 {
		p := make([]int64, n)
		for i := range p {
			p[i] = int64(i)
		}
		return p
	}
	for name, c := range map[string]struct {
		tokens []int64
		want   bool
	}{
		"nothing":                      {nil, false},
		"a sentence":                   {phrase(60), false},
		"no, two dozen times":          {times(23, 1, 2), false},
		"one word without end":         {times(48, 1), true},
		"a word and a comma":           {times(24, 1, 2), true},
		"a refrain four times":         {times(4, phrase(10)...), false},
		"a phrase five times":          {times(5, phrase(10)...), true},
		"a long phrase five times":     {times(5, phrase(48)...), true},
		"a repetition behind a text":   {append(phrase(50), times(5, phrase(12)...)...), true},
		"a repetition that has passed": {append(times(60, 1), 2), false},
		"five words ten times":         {times(10, phrase(5)...), true},
		"five words nine times":        {times(9, phrase(5)...), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := repeating(c.tokens); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// A loop is noticed as soon as it is as long as the rule says, and never before.
func TestRepeatingIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		period := rapid.IntRange(1, 48).Draw(t, "period")
		lead := rapid.IntRange(0, 20).Draw(t, "lead")
		var tokens []int64
		for i := range lead {
			tokens = append(tokens, int64(1000+i))
		}
		n := max(5*period, 48)
		for i := range n {
			if repeating(tokens) {
				t.Fatalf("seen after %d of %d", i, n)
			}
			tokens = append(tokens, int64(i%period))
		}
		if !repeating(tokens) {
			t.Fatal("not seen")
		}
	})
}

package token_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/whisper/token"
)

const small = "testdata/tokenizer.json" // testdata/README.md

type pair struct {
	Text string  `json:"text"`
	IDs  []int32 `json:"ids"`
}

func pairs(t testing.TB, path string) []pair {
	t.Helper()
	content, err := os.ReadFile(path) //nolint:gosec // of the test
	if err != nil {
		t.Fatal(err)
	}
	var all []pair
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func open(t testing.TB, path string) *token.Vocabulary {
	t.Helper()
	v, err := token.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tokenizer is the part of tokenizer.json that tests change.
type tokenizer struct {
	Added []map[string]any `json:"added_tokens"`
	Model struct {
		Type   string         `json:"type"`
		Vocab  map[string]int `json:"vocab"`
		Merges []any          `json:"merges"`
	} `json:"model"`
}

// changed writes the small vocabulary with a change, and returns its path.
func changed(t testing.TB, change func(*tokenizer)) string {
	t.Helper()
	content, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	var all tokenizer
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	change(&all)
	if content, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	return file(t, "tokenizer.json", string(content))
}

func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// list returns the tokens of the small vocabulary in the order of their ids.
func list(t testing.TB) []string {
	t.Helper()
	var tokens []string
	changed(t, func(all *tokenizer) {
		tokens = make([]string, len(all.Model.Vocab)+len(all.Added))
		for text, id := range all.Model.Vocab {
			tokens[id] = text
		}
		for _, added := range all.Added {
			id, _ := added["id"].(float64)
			tokens[int(id)], _ = added["content"].(string)
		}
	})
	return tokens
}

func joinedMerges(all *tokenizer) {
	for i, m := range all.Model.Merges {
		both, _ := m.([]any)
		all.Model.Merges[i] = fmt.Sprintf("%s %s", both...)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTextsAreSplitAsTheOriginalDoes(t *testing.T) {
	t.Parallel()
	want := pairs(t, "testdata/pairs.json")
	for name, path := range map[string]string{
		"merges as pairs":             small,
		"merges as texts":             changed(t, joinedMerges),
		"a JSON list":                 file(t, "vocabulary.json", asJSON(t, list(t))),
		"a token in each line":        file(t, "vocabulary.txt", strings.Join(list(t), "\n")),
		"lines with a last line end":  file(t, "vocabulary.txt", strings.Join(list(t), "\n")+"\n"),
		"lines as Windows ends them":  file(t, "VOCABULARY.TXT", strings.Join(list(t), "\r\n")),
		"a list with spaces about it": file(t, "vocabulary.json", "\n  "+asJSON(t, list(t))+"\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := open(t, path)
			for _, c := range want {
				if got := v.Encode(c.Text); !slices.Equal(got, c.IDs) {
					t.Errorf("%q is %v, want %v", c.Text, got, c.IDs)
				}
				if got := v.Decode(c.IDs); got != c.Text {
					t.Errorf("%v says %q, want %q", c.IDs, got, c.Text)
				}
			}
		})
	}
}

// The order in which tokens are joined is that of the merges, not of the ids.
func TestMergesDecideTheOrder(t *testing.T) {
	t.Parallel()
	usual := open(t, small)
	turned := open(t, changed(t, func(all *tokenizer) {
		for text, id := range all.Model.Vocab {
			if id >= 256 && id < 1156 {
				all.Model.Vocab[text] = 256 + 1155 - id
			}
		}
	}))
	for _, c := range pairs(t, "testdata/pairs.json") {
		got := turned.Encode(c.Text)
		for i, id := range got {
			if id >= 256 && id < 1156 {
				got[i] = 256 + 1155 - id
			}
		}
		if !slices.Equal(got, usual.Encode(c.Text)) {
			t.Errorf("%q is %v, want %v", c.Text, got, c.IDs)
		}
	}
}

func TestMarkersAreFoundByName(t *testing.T) {
	t.Parallel()
	v := open(t, small)
	if v.End != 1157 || v.Start != 1158 || v.Translate != 1163 || v.Transcribe != 1164 || v.Previous != 1166 || v.NoSpeech != 1167 ||
		v.NoTimestamps != 1168 || v.FirstTimestamp != 1169 || !v.Multilingual || len(v.Languages) != 4 || v.Languages["haw"] != 1162 {
		t.Errorf("%+v", v)
	}
	if code, ok := v.Language(1160); code != "zh" || !ok {
		t.Errorf("language %q, %v", code, ok)
	}
	if _, ok := v.Language(v.Start); ok {
		t.Error("a marker is a language")
	}
	rename := func(from, to string) func(*tokenizer) {
		return func(all *tokenizer) {
			for i, added := range all.Added {
				if added["content"] == from {
					if to == "" {
						all.Added = slices.Delete(all.Added, i, i+1)
						return
					}
					added["content"] = to
				}
			}
		}
	}
	if old := open(t, changed(t, rename("<|nospeech|>", "<|nocaptions|>"))); old.NoSpeech != v.NoSpeech {
		t.Errorf("<|nocaptions|> is %d", old.NoSpeech)
	}
	if none := open(t, changed(t, rename("<|nospeech|>", ""))); none.NoSpeech != token.None {
		t.Errorf("no <|nospeech|>, but %d", none.NoSpeech)
	}
	for _, name := range []string{"<|endoftext|>", "<|startoftranscript|>", "<|transcribe|>", "<|translate|>", "<|notimestamps|>"} {
		if _, err := token.Open(changed(t, rename(name, ""))); scout.CodeOf(err) != scout.CodeModelCorrupt {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestPrompts(t *testing.T) {
	t.Parallel()
	many := open(t, small)
	one := open(t, changed(t, func(all *tokenizer) {
		all.Added = slices.DeleteFunc(all.Added, func(added map[string]any) bool {
			return added["content"] == "<|zh|>" || added["content"] == "<|de|>" || added["content"] == "<|haw|>"
		})
	}))
	for name, c := range map[string]struct {
		v         *token.Vocabulary
		language  string
		translate bool
		want      []int32
	}{
		"German":                                {many, "de", false, []int32{1158, 1161, 1164, 1168}},
		"Chinese to English":                    {many, "zh", true, []int32{1158, 1160, 1163, 1168}},
		"a language that the model lacks":       {many, "fr", false, nil},
		"no language of several":                {many, "", false, nil},
		"English only":                          {one, "en", false, []int32{1158, 1168}},
		"English only, no language":             {one, "", false, []int32{1158, 1168}},
		"German with an English-only model":     {one, "de", false, nil},
		"a translation, by an English-only one": {one, "en", true, nil},
	} {
		got, err := c.v.Prompt(c.language, c.translate)
		if !slices.Equal(got, c.want) || (err != nil) != (c.want == nil) || err != nil && scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}

func TestDecodeOfWhatIsNoText(t *testing.T) {
	t.Parallel()
	v := open(t, small)
	ids := v.Encode(" 漢字")
	for name, c := range map[string]struct {
		ids  []int32
		want string
	}{
		"nothing":                     {nil, ""},
		"markers":                     {[]int32{v.Start, v.End, v.NoTimestamps}, ""},
		"times and ids beyond":        {[]int32{v.FirstTimestamp, v.FirstTimestamp + 1500, 1 << 30, -1}, ""},
		"markers amid a character":    {slices.Insert(slices.Clone(ids), len(ids)-1, v.End), " 漢字"},
		"a character cut off":         {ids[:len(ids)-1], " 漢\uFFFD"},
		"a character without a start": {ids[len(ids)-1:], "\uFFFD"},
	} {
		if got := v.Decode(c.ids); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Whatever a text is, its tokens say it again, and none of them is a marker.
func TestEveryTextComesBack(t *testing.T) {
	t.Parallel()
	v := open(t, small)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(<\|(endoftext|en|0\.00)\|>|[ \t\n'a-c1]|é|中){0,40}`)).Draw(t, "text")
		ids := v.Encode(text)
		if got := v.Decode(ids); got != text {
			t.Fatalf("%q came back as %q", text, got)
		}
		for _, id := range ids {
			if id >= v.End {
				t.Fatalf("%q has the marker %d", text, id)
			}
		}
	})
	long := strings.Repeat("ab", 5000)
	if got := v.Decode(v.Encode(long)); got != long {
		t.Error("a word of 10,000 letters did not come back")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	tokens := list(t)
	for name, path := range map[string]string{
		"nothing":                   file(t, "tokenizer.json", ""),
		"a file cut short":          file(t, "tokenizer.json", string(whole[:len(whole)/2])),
		"a page of HTML":            file(t, "tokenizer.json", "<html><body>404</body></html>"),
		"JSON of something else":    file(t, "tokenizer.json", `{"model_type": "whisper"}`),
		"another kind of tokenizer": changed(t, func(all *tokenizer) { all.Model.Type = "Unigram" }),
		"a negative id":             changed(t, func(all *tokenizer) { all.Model.Vocab["a"] = -1 }),
		"a huge id":                 changed(t, func(all *tokenizer) { all.Model.Vocab["a"] = 1 << 30 }),
		"an id given twice":         changed(t, func(all *tokenizer) { all.Model.Vocab["a"] = all.Model.Vocab["b"] }),
		"a byte without a token":    changed(t, func(all *tokenizer) { delete(all.Model.Vocab, "a") }),
		"a character that no byte has": changed(t, func(all *tokenizer) {
			all.Model.Vocab["中"] = all.Model.Vocab[""]
			delete(all.Model.Vocab, "")
		}),
		"a merge of unknown tokens": changed(t, func(all *tokenizer) { all.Model.Merges[3] = []string{"zq", "qz"} }),
		"a merge of three":          changed(t, func(all *tokenizer) { all.Model.Merges[3] = []string{"a", "b", "c"} }),
		"a merge that is a number":  changed(t, func(all *tokenizer) { all.Model.Merges[3] = 7 }),
		"a marker with two ids":     changed(t, func(all *tokenizer) { all.Added[1]["content"] = all.Added[2]["content"] }),
		"a marker within the text":  changed(t, func(all *tokenizer) { all.Added[1]["id"] = 3 }),
		"a list cut short":          file(t, "vocabulary.json", asJSON(t, tokens[:len(tokens)/2])),
		"a list of numbers":         file(t, "vocabulary.json", "[1, 2, 3]"),
		"a list with a token twice": file(t, "vocabulary.json", asJSON(t, append(slices.Clone(tokens), tokens[5]))),
		"lines cut short":           file(t, "vocabulary.txt", strings.Join(tokens[:len(tokens)/2], "\n")),
		"lines of some other text":  file(t, "vocabulary.txt", "This is\nsome other\ntext.\n"),
		"no lines":                  file(t, "vocabulary.txt", ""),
		"tokens of Moonshine":       file(t, "tokens.txt", "PHVuaz4= 0\nPHM+ 1\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := token.Open(path)
			if scout.CodeOf(err) != scout.CodeModelCorrupt || !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("%v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "unmarshal") || strings.Contains(err.Error(), "Go value")) {
				t.Errorf("Go's own words: %v", err)
			}
		})
	}
	if _, err := token.Open(filepath.Join(t.TempDir(), "none")); scout.CodeOf(err) != scout.CodeFileNotFound {
		t.Errorf("missing file: %v", err)
	}
	if _, err := token.Open(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
	large := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<40); err == nil { // a sparse file
		if _, err := token.Open(large); scout.CodeOf(err) != scout.CodeModelCorrupt {
			t.Errorf("a file of a terabyte: %v", err)
		}
	}
}

// FuzzOpen reads arbitrary files: none may panic, and what is accepted can encode.
func FuzzOpen(f *testing.F) {
	whole, err := os.ReadFile(small)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, "a b")
	f.Add([]byte(`{"model":{"vocab":{"a":0},"merges":["a b"]}}`), "ab")
	f.Add([]byte(`["a","b","<|endoftext|>"]`), "ab")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte, text string) {
		path := filepath.Join(dir, "tokenizer.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Skip(err)
		}
		v, err := token.Open(path)
		if err != nil {
			if scout.CodeOf(err) != scout.CodeModelCorrupt {
				t.Fatal(err)
			}
			return
		}
		if got := v.Decode(v.Encode(text)); got != strings.ToValidUTF8(text, "\uFFFD") {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}

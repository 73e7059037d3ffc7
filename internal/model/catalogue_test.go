package model_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
)

func TestCatalogueNamesWhatIsPromised(t *testing.T) {
	t.Parallel()
	var ids, defaults []string
	sizes := map[string]int64{} // of the sums
	for _, e := range model.Catalogue() {
		ids = append(ids, e.ID)
		if e.Default {
			defaults = append(defaults, e.ID)
		}
		if e.Name == "" || e.Licence == "" || len(e.Languages) == 0 || e.Backend == "" {
			t.Errorf("%s: incomplete: %+v", e.ID, e)
		}
		seen := map[string]bool{}
		for _, language := range e.Languages {
			if seen[language] || len(language) < 2 || len(language) > 3 {
				t.Errorf("%s: language %q", e.ID, language)
			}
			seen[language] = true
		}
		for _, f := range e.Files {
			if f.SizeBytes <= 0 || len(f.Sources) == 0 {
				t.Errorf("%s: %s: size %d, %d sources", e.ID, f.Path, f.SizeBytes, len(f.Sources))
			}
			for _, sum := range append([]model.Sum{{SizeBytes: f.SizeBytes, SHA256: f.SHA256}}, f.Also...) {
				if raw, err := hex.DecodeString(sum.SHA256); f.SHA256 != "" && (err != nil || len(raw) != 32 || strings.ToLower(sum.SHA256) != sum.SHA256) {
					t.Errorf("%s: %s: %q is no SHA-256", e.ID, f.Path, sum.SHA256)
				}
				if same := sizes[sum.SHA256]; f.SHA256 != "" && same != 0 && same != sum.SizeBytes {
					t.Errorf("%s: %s has %d bytes, and elsewhere a file with that sum has %d", e.ID, f.Path, sum.SizeBytes, same)
				}
				sizes[sum.SHA256] = sum.SizeBytes
			}
			for _, source := range f.Sources {
				if !strings.HasPrefix(source.URL, "https://") {
					t.Errorf("%s: %s comes over %s", e.ID, f.Path, source.URL)
				}
			}
		}
	}
	want := []string{
		"moonshine-tiny-en", "moonshine-base-en",
		"whisper-base", "whisper-tiny", "whisper-small", "whisper-medium", "whisper-large-v3", "whisper-large-v3-turbo",
		"whisper-tiny-en", "whisper-base-en", "whisper-small-en", "whisper-medium-en",
		"parakeet-tdt-0.6b-v2-int8", "parakeet-tdt-0.6b-v3-int8", "parakeet-unified-en-int8", "canary-180m-flash-int8", "sensevoice-small-int8",
	}
	if !slices.Equal(ids, want) {
		t.Errorf("catalogue holds %v, want %v", ids, want)
	}
	if !slices.Equal(defaults, []string{"moonshine-tiny-en"}) {
		t.Errorf("default models: %v", defaults)
	}
}

func TestOpenRefusesACatalogueThatContradictsItself(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	good := entry("sample", "http://127.0.0.1:1", files, true)
	tests := map[string]func(e *model.Entry) []model.Entry{
		"bad id":       func(e *model.Entry) []model.Entry { e.ID = "A/B"; return []model.Entry{*e} },
		"one id twice": func(e *model.Entry) []model.Entry { return []model.Entry{*e, *e} },
		"missing role": func(e *model.Entry) []model.Entry { e.Files = e.Files[1:]; return []model.Entry{*e} },
		"one role twice": func(e *model.Entry) []model.Entry {
			e.Files = append(slices.Clone(e.Files), e.Files[0])
			return []model.Entry{*e}
		},
		"path outside": func(e *model.Entry) []model.Entry {
			e.Files = slices.Clone(e.Files)
			e.Files[0].Path = "../x"
			return []model.Entry{*e}
		},
		"two defaults": func(e *model.Entry) []model.Entry { other := *e; other.ID = "b"; return []model.Entry{*e, other} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := good
			_, err := model.Open(t.TempDir(), noScope(), model.WithCatalogue(change(&e)))
			wantCode(t, err, scout.CodeInvalidArgument)
		})
	}
}

// llamaLike returns 32,000 pieces of which the first few are as in Llama's vocabulary.
func llamaLike() []string {
	pieces := []string{"<unk>", "<s>", "</s>"}
	for b := range 256 {
		pieces = append(pieces, fmt.Sprintf("<0x%02X>", b))
	}
	pieces = append(pieces, "▁▁", "▁t", "er", "<0xZZ>", "é")
	for i := len(pieces); i < 32000; i++ {
		pieces = append(pieces, fmt.Sprintf("▁piece%d", i))
	}
	return pieces
}

func TestTokensAreTheSameFromEverySource(t *testing.T) {
	t.Parallel()
	pieces := llamaLike()
	vocab := map[string]int{}
	for id, piece := range pieces {
		vocab[piece] = id
	}
	vocab["special"] = 32005
	document, err := json.Marshal(map[string]any{
		"model":        map[string]any{"type": "BPE", "vocab": vocab},
		"added_tokens": []map[string]any{{"id": 0, "content": "<unk>"}, {"id": 32767, "content": "<<ST_767>>"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := model.Tokens(model.DeriveTokenizerJSON, document)
	if err != nil {
		t.Fatal(err)
	}
	script := `x = 1; const llama_vocab_base64 = "` + base64.StdEncoding.EncodeToString([]byte(strings.Join(pieces, "\n"))) + `"; y = 2`
	fromScript, err := model.Tokens(model.DeriveLlamaTokenizerJS, []byte(script))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fromJSON, fromScript) {
		t.Error("the two sources of one vocabulary give different tables")
	}
	lines := strings.Split(strings.TrimSuffix(string(fromJSON), "\n"), "\n")
	if len(lines) != 32768 {
		t.Fatalf("%d lines, want 32768", len(lines))
	}
	for id, want := range map[int]string{0: "<unk>", 3: "\x00", 13: "\n", 258: "\xff", 259: "  ", 260: " t", 261: "er", 262: "<0xZZ>", 263: "é", 32000: "<<ST_0>>", 32767: "<<ST_767>>"} {
		encoded, number, _ := strings.Cut(lines[id], " ")
		token, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || string(token) != want || number != fmt.Sprint(id) {
			t.Errorf("line %d is %q: token %q, want %q", id, lines[id], token, want)
		}
	}
}

func TestTokensRefuseOtherInput(t *testing.T) {
	t.Parallel()
	short := base64.StdEncoding.EncodeToString([]byte("a\nb"))
	for name, test := range map[string]struct {
		from  model.Derivation
		input string
		code  scout.Code
	}{
		"web page":           {model.DeriveTokenizerJSON, "<html>", scout.CodeModelSource},
		"other vocabulary":   {model.DeriveTokenizerJSON, `{"model":{"vocab":{"a":0}}}`, scout.CodeModelSource},
		"list vocabulary":    {model.DeriveTokenizerJSON, `{"model":{"vocab":[["a",0]]}}`, scout.CodeModelSource},
		"negative id":        {model.DeriveTokenizerJSON, `{"model":{"vocab":{"a":-1}}}`, scout.CodeModelSource},
		"one id twice":       {model.DeriveTokenizerJSON, `{"model":{"vocab":{"a":5,"b":5}}}`, scout.CodeModelSource},
		"other script":       {model.DeriveLlamaTokenizerJS, "export default 1", scout.CodeModelSource},
		"script cut off":     {model.DeriveLlamaTokenizerJS, `const llama_vocab_base64 = "AAA`, scout.CodeModelSource},
		"not base64":         {model.DeriveLlamaTokenizerJS, `const llama_vocab_base64 = "?"`, scout.CodeModelSource},
		"too few pieces":     {model.DeriveLlamaTokenizerJS, `const llama_vocab_base64 = "` + short + `"`, scout.CodeModelSource},
		"unknown derivation": {"magic", "", scout.CodeInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := model.Tokens(test.from, []byte(test.input))
			wantCode(t, err, test.code)
		})
	}
}

func FuzzTokens(f *testing.F) {
	f.Add(true, []byte(`{"model":{"vocab":{"a":0}},"added_tokens":[{"id":1,"content":"b"}]}`))
	f.Add(false, []byte(`const llama_vocab_base64 = "YQ=="`))
	f.Fuzz(func(t *testing.T, script bool, input []byte) {
		from := model.DeriveTokenizerJSON
		if script {
			from = model.DeriveLlamaTokenizerJS
		}
		if table, err := model.Tokens(from, input); err == nil && strings.Count(string(table), "\n") != 32768 {
			t.Errorf("a table of %d lines", strings.Count(string(table), "\n"))
		}
	})
}

// TestDefaultModelFromItsRealFiles installs the real model from the installed one, so that the sums of the catalogue
// are compared with real bytes.
func TestDefaultModelFromItsRealFiles(t *testing.T) {
	t.Parallel()
	from := os.Getenv("SCOUT_TEST_MODEL")
	if from == "" {
		from = filepath.Join("..", "..", "var", "models", "moonshine-tiny-en")
	}
	if _, err := os.Stat(filepath.Join(from, "model.json")); errors.Is(err, os.ErrNotExist) {
		t.Skipf("no model in %s: run make setup", from)
	}
	store, err := model.Open(t.TempDir(), noScope())
	if err != nil {
		t.Fatal(err)
	}
	pull(t, store, "moonshine-tiny-en", model.PullOptions{From: from})
	m, err := store.Resolve(t.Context(), "")
	if err != nil || !m.EnglishOnly() || m.SizeBytes != 28_687_869 {
		t.Errorf("resolved %+v, error %v", m, err)
	}
}

// TestWhisperFromItsRealFiles installs Whisper base from the installed one, so that the sums of the catalogue are
// compared with real bytes.
func TestWhisperFromItsRealFiles(t *testing.T) {
	t.Parallel()
	from := filepath.Join("..", "..", "var", "models", "whisper-base")
	if _, err := os.Stat(filepath.Join(from, "model.bin")); errors.Is(err, os.ErrNotExist) {
		t.Skipf("no model in %s: run make setup", from)
	}
	store, err := model.Open(t.TempDir(), noScope())
	if err != nil {
		t.Fatal(err)
	}
	m := pull(t, store, "whisper-base", model.PullOptions{From: from})
	if m.SizeBytes != 149_150_378 || len(m.Recorded) != 0 || m.EnglishOnly() {
		t.Errorf("installed %d bytes, %v are new", m.SizeBytes, m.Recorded)
	}
}

// TestDefaultModelTokensFromThePinnedPackage makes the token table from the real vocabulary, if make setup has left its
// package.
func TestDefaultModelTokensFromThePinnedPackage(t *testing.T) {
	t.Parallel()
	archive, err := filepath.Abs(filepath.Join("..", "..", ".tools", "npm", "llama-tokenizer-js-1.2.2.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(archive); errors.Is(err, os.ErrNotExist) {
		t.Skipf("no %s: run make setup", archive)
	}
	var want model.File
	for _, f := range model.Catalogue()[0].Files {
		if f.Role == model.RoleTokens {
			want = f
		}
	}
	small := model.Entry{
		ID: "vocabulary", Family: model.SenseVoice, Languages: []string{"en"}, Licence: "MIT",
		Files: []model.File{want, {Path: "package.json", Role: model.RoleModel, SizeBytes: 1000, Sources: want.Sources[:1]}},
	}
	store := open(t, t.TempDir(), []model.Entry{small})
	pulled := pull(t, store, "vocabulary", model.PullOptions{From: archive})
	if pulled.SHA256[model.RoleTokens] != want.SHA256 {
		t.Errorf("the table has SHA-256 %s, the catalogue says %s", pulled.SHA256[model.RoleTokens], want.SHA256)
	}
}

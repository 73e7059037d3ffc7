package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout"
)

const (
	// largestFile is more than any vocabulary has: those of OpenAI have 4 MB.
	largestFile = 64 << 20
	// mostTokens bounds the ids, so that a damaged file costs no memory.
	mostTokens = 1 << 20
	// englishTexts is how many text tokens GPT-2's own vocabulary has. English-only models use that one; the multilingual
	// vocabulary has another number. Source: openai/whisper, whisper/tokenizer.py.
	englishTexts = 50256
)

// Open reads tokenizer.json (Hugging Face), vocabulary.json (a list of tokens in the order of ids) or vocabulary.txt (a
// token in each line). It fails with read_failed or a code of the file system if it cannot be read, and with
// model_corrupt if it is no such file, is cut short or lacks a marker.
func Open(path string) (*Vocabulary, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "load vocabulary", err)
	}
	if info.Size() > largestFile {
		return nil, corrupt(path, "it has %d bytes: a vocabulary has a few million", info.Size())
	}
	content, err := os.ReadFile(path) //nolint:gosec // the caller names the model's file
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "load vocabulary", err)
	}
	f := file{path: path}
	switch {
	case strings.EqualFold(filepath.Ext(path), ".txt"):
		err = f.lines(string(content))
	case firstByte(content) == '[':
		err = f.list(content)
	default:
		err = f.tokenizer(content)
	}
	if err != nil {
		return nil, err
	}
	return f.vocabulary()
}

// firstByte returns the first byte that is no space.
func firstByte(content []byte) byte {
	for _, c := range content {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

func corrupt(path, format string, arguments ...any) error {
	return scout.Errorf(scout.CodeModelCorrupt, "load vocabulary %s: %s", path, fmt.Sprintf(format, arguments...))
}

// reason says in plain words why a file is no JSON, or not the one expected.
func reason(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is damaged or cut short (no JSON at byte %d)", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("it is of another kind (a %s at byte %d)", kind.Value, kind.Offset)
	}
	return scout.Plain(err)
}

// file is the content of a vocabulary file in any of its forms.
type file struct {
	path   string
	tokens map[string]int32
	merges []merge // nil if the file has none
}

// lines reads a token from each line.
func (f *file) lines(content string) error {
	all := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
	f.tokens = make(map[string]int32, len(all))
	for i, line := range all {
		if err := f.add(strings.TrimSuffix(line, "\r"), int32(min(i, mostTokens))); err != nil {
			return err
		}
	}
	return nil
}

// list reads a JSON list of tokens.
func (f *file) list(content []byte) error {
	var all []string
	if err := json.Unmarshal(content, &all); err != nil {
		return corrupt(f.path, "it is no list of tokens: %s", reason(err))
	}
	f.tokens = make(map[string]int32, len(all))
	for i, token := range all {
		if err := f.add(token, int32(min(i, mostTokens))); err != nil {
			return err
		}
	}
	return nil
}

// merge is a pair of tokens that becomes one.
type merge struct{ left, right string }

// mergesOf reads pairs of tokens, written ["a", "b"] in newer files and "a b" in older ones.
func (f *file) mergesOf(text json.RawMessage) ([]merge, error) {
	var pairs [][]string
	var joined []string
	if err := json.Unmarshal(text, &joined); err == nil {
		pairs = make([][]string, len(joined))
		for i, both := range joined {
			pairs[i] = strings.Split(both, " ")
		}
	} else if err := json.Unmarshal(text, &pairs); err != nil {
		return nil, corrupt(f.path, "its merges are not pairs of tokens: %s", reason(err))
	}
	merges := make([]merge, len(pairs))
	for i, pair := range pairs {
		if len(pair) != 2 || pair[0] == "" || pair[1] == "" {
			return nil, corrupt(f.path, "merge %d, %q, is no pair of tokens", i, pair)
		}
		merges[i] = merge{pair[0], pair[1]}
	}
	return merges, nil
}

// tokenizer reads the file of Hugging Face's library tokenizers.
func (f *file) tokenizer(content []byte) error {
	var all struct {
		Added []struct {
			ID      int32  `json:"id"`
			Content string `json:"content"`
		} `json:"added_tokens"`
		Model struct {
			Type   string           `json:"type"`
			Vocab  map[string]int32 `json:"vocab"`
			Merges json.RawMessage  `json:"merges"`
		} `json:"model"`
	}
	if err := json.Unmarshal(content, &all); err != nil {
		return corrupt(f.path, "it is no tokenizer: %s", reason(err))
	}
	if all.Model.Type != "" && all.Model.Type != "BPE" || len(all.Model.Vocab) == 0 {
		return corrupt(f.path, "it holds no byte-pair encoding")
	}
	f.tokens = make(map[string]int32, len(all.Model.Vocab)+len(all.Added))
	for token, id := range all.Model.Vocab {
		if err := f.add(token, id); err != nil {
			return err
		}
	}
	for _, added := range all.Added {
		if id, known := f.tokens[added.Content]; known && id == added.ID {
			continue // English-only models list the end of the text twice
		}
		if err := f.add(added.Content, added.ID); err != nil {
			return err
		}
	}
	var err error
	if len(all.Model.Merges) > 0 {
		if f.merges, err = f.mergesOf(all.Model.Merges); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) add(token string, id int32) error {
	if id < 0 || id >= mostTokens {
		return corrupt(f.path, "token %q has the id %d", token, id)
	}
	if other, known := f.tokens[token]; known {
		return corrupt(f.path, "token %q has the ids %d and %d", token, other, id)
	}
	f.tokens[token] = id
	return nil
}

// vocabulary checks what was read and sorts it.
func (f *file) vocabulary() (*Vocabulary, error) {
	v := &Vocabulary{Languages: map[string]int32{}}
	for _, m := range []struct {
		to    *int32
		names []string
		must  bool
	}{
		{&v.End, []string{"<|endoftext|>"}, true},
		{&v.Start, []string{"<|startoftranscript|>"}, true},
		{&v.Translate, []string{"<|translate|>"}, true},
		{&v.Transcribe, []string{"<|transcribe|>"}, true},
		{&v.Previous, []string{"<|startofprev|>"}, false},
		{&v.NoSpeech, []string{"<|nospeech|>", "<|nocaptions|>"}, false},
		{&v.NoTimestamps, []string{"<|notimestamps|>"}, true},
	} {
		*m.to = None
		for _, name := range m.names {
			if id, known := f.tokens[name]; known {
				*m.to = id
				break
			}
		}
		switch {
		case *m.to == None && m.must:
			return nil, corrupt(f.path, "it has no token %s: it belongs to another kind of model, or is cut short", m.names[0])
		case *m.to != None && *m.to < v.End:
			return nil, corrupt(f.path, "token %s has the id %d, before the end of the text (%d)", m.names[0], *m.to, v.End)
		}
	}
	v.FirstTimestamp = v.NoTimestamps + 1
	for name, id := range f.tokens {
		if code := languageOf(name); code != "" && id > v.End {
			v.Languages[code] = id
		}
	}
	v.Multilingual = v.End != englishTexts && len(v.Languages) > 1
	if err := f.texts(v); err != nil {
		return nil, err
	}
	return v, nil
}

// texts fills in the bytes of the text tokens, which have the ids 0 to End-1, and what encodes them.
func (f *file) texts(v *Vocabulary) error {
	v.pieces = make([]string, v.End)
	v.coder.ids = f.tokens
	seen := make([]bool, v.End)
	for token, id := range f.tokens {
		if id >= v.End {
			delete(f.tokens, token)
			continue
		}
		piece, ok := bytesOf(token)
		if !ok {
			return corrupt(f.path, "token %d, %q, is not written as bytes", id, token)
		}
		if seen[id] {
			return corrupt(f.path, "two tokens have the id %d", id)
		}
		v.pieces[id], seen[id] = piece, true
	}
	if len(f.tokens) != int(v.End) {
		return corrupt(f.path, "it has %d text tokens, and ids for %d", len(f.tokens), v.End)
	}
	for b, char := range &charOf {
		if _, known := v.coder.ids[string(char)]; !known {
			return corrupt(f.path, "the byte %d has no token", b)
		}
	}
	return f.order(&v.coder)
}

// order fills in the order in which tokens are joined, unless it is that of the ids, as in every vocabulary of OpenAI.
func (f *file) order(c *coder) error {
	ordered, last := true, int32(-1)
	for _, m := range f.merges {
		id, known := c.ids[m.left+m.right]
		if !known {
			return corrupt(f.path, "it joins %q and %q to a token that it does not have", m.left, m.right)
		}
		ordered, last = ordered && id > last, id
	}
	if ordered {
		return nil
	}
	c.ranks = make(map[string]int32, len(f.merges))
	for rank, m := range f.merges {
		c.ranks[m.left+" "+m.right] = int32(rank)
	}
	return nil
}

// languageOf returns the code in the name of a language's token, <|en|>, and nothing for other names.
func languageOf(name string) string {
	code, ok := strings.CutPrefix(name, "<|")
	if !ok {
		return ""
	}
	if code, ok = strings.CutSuffix(code, "|>"); !ok || len(code) < 2 || len(code) > 3 {
		return ""
	}
	for _, c := range []byte(code) {
		if c < 'a' || c > 'z' {
			return ""
		}
	}
	return code
}

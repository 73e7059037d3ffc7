package ct2

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
)

// The tokens by which the parts of a vocabulary are found.
const (
	endToken          = "<|endoftext|>"
	startToken        = "<|startoftranscript|>"
	noTimestampsToken = "<|notimestamps|>"
	timestamps        = 1501 // <|0.00|> to <|30.00|>
)

// vocabulary is a list of tokens; a token that the file does not name is empty.
type vocabulary struct {
	path                     string
	tokens                   []string
	end, start, noTimestamps int
}

// readVocabulary reads all vocabularies of a folder, of which one is enough, and verifies that they belong to each other
// and to a model with size tokens. It returns the first of tokenizer.json, vocabulary.json and vocabulary.txt.
func readVocabulary(read reader, dir string, size int) (*vocabulary, error) {
	var found []*vocabulary
	for _, form := range []struct {
		name  string
		parse func(path string, data []byte, size int) ([]string, error)
	}{
		{TokenizerName, parseTokenizer}, {VocabularyJSONName, parseList}, {VocabularyTextName, parseLines},
	} {
		path := filepath.Join(dir, form.name)
		data, err := read(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, scout.FileError(scout.CodeReadFailed, "read vocabulary", err)
		}
		v := &vocabulary{path: path}
		if v.tokens, err = form.parse(path, data, size); err != nil {
			return nil, err
		}
		if err := v.verify(size); err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	if len(found) == 0 {
		return nil, corrupt(filepath.Join(dir, TokenizerName), "it is missing, and so are %s and %s", VocabularyJSONName, VocabularyTextName)
	}
	for _, other := range found[1:] {
		if err := found[0].agrees(other); err != nil {
			return nil, err
		}
	}
	return found[0], nil
}

// put names the token id. The list grows as it must, but never beyond the model's size.
func put(path string, tokens []string, id int, token string, size int) ([]string, error) {
	if id < 0 || id >= size {
		return nil, corrupt(path, "the token %s has the number %d: the model has %d tokens", quoted(token), id, size)
	}
	if id >= len(tokens) {
		tokens = append(tokens, make([]string, id+1-len(tokens))...)
	}
	if tokens[id] != "" && tokens[id] != token {
		return nil, corrupt(path, "%s and %s are both token %d", quoted(tokens[id]), quoted(token), id)
	}
	tokens[id] = token
	return tokens, nil
}

// parseTokenizer reads a tokenizer.json of Hugging Face's tokenizers.
func parseTokenizer(path string, data []byte, size int) ([]string, error) {
	var document struct {
		Model struct {
			Vocab map[string]int `json:"vocab"`
		} `json:"model"`
		AddedTokens []struct {
			ID      int    `json:"id"`
			Content string `json:"content"`
		} `json:"added_tokens"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, corrupt(path, "it cannot be read: %v", err)
	}
	var tokens []string
	var err error
	for token, id := range document.Model.Vocab {
		if tokens, err = put(path, tokens, id, token, size); err != nil {
			return nil, err
		}
	}
	for _, added := range document.AddedTokens {
		if tokens, err = put(path, tokens, added.ID, added.Content, size); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// parseList reads a vocabulary.json: tokens in the order of their numbers.
func parseList(path string, data []byte, size int) ([]string, error) {
	var tokens []string
	if err := json.Unmarshal(data, &tokens); err != nil {
		return nil, corrupt(path, "it cannot be read: %v", err)
	}
	return tokens, tooMany(path, tokens, size)
}

// parseLines reads a vocabulary.txt: one token a line, in the order of their numbers.
func parseLines(path string, data []byte, size int) ([]string, error) {
	text := strings.TrimSuffix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
	tokens := strings.Split(text, "\n")
	return tokens, tooMany(path, tokens, size)
}

func tooMany(path string, tokens []string, size int) error {
	if len(tokens) > size {
		return corrupt(path, "it has %d tokens and the model %d", len(tokens), size)
	}
	return nil
}

// verify finds the tokens that every Whisper model has, and compares the number of tokens with that of the model. The
// numbers of timestamps follow that of <|notimestamps|> even if the file does not list them. A model may have up to 63
// rows more than tokens if that makes their number a multiple of 8: some are padded for the sake of speed.
func (v *vocabulary) verify(size int) error {
	for _, special := range []struct {
		token string
		id    *int
	}{{endToken, &v.end}, {startToken, &v.start}, {noTimestampsToken, &v.noTimestamps}} {
		if *special.id = slices.Index(v.tokens, special.token); *special.id < 0 {
			return corrupt(v.path, "it has no token %s: it is not the vocabulary of a Whisper model", special.token)
		}
	}
	if v.end > v.start || v.start > v.noTimestamps {
		return corrupt(v.path, "%s, %s and %s have the numbers %d, %d and %d", endToken, startToken, noTimestampsToken, v.end, v.start, v.noTimestamps)
	}
	have := max(len(v.tokens), v.noTimestamps+1+timestamps)
	if padded := size > have && size-have < 64 && size%8 == 0; size != have && !padded {
		return corrupt(v.path, "it is of a model with %d tokens, and this one has %d", have, size)
	}
	return nil
}

// token returns the token of that number; empty if the file does not name it.
func (v *vocabulary) token(id int) string {
	if id < len(v.tokens) {
		return v.tokens[id]
	}
	return ""
}

// agrees verifies that two vocabularies of a folder have the same text tokens and the same marks.
func (v *vocabulary) agrees(other *vocabulary) error {
	if v.end != other.end || v.start != other.start || v.noTimestamps != other.noTimestamps {
		return corrupt(v.path, "it numbers the special tokens otherwise than %s", filepath.Base(other.path))
	}
	for id := range v.end {
		if v.tokens[id] != other.tokens[id] {
			return corrupt(v.path, "token %d is %s, and in %s it is %s", id, quoted(v.tokens[id]), filepath.Base(other.path), quoted(other.tokens[id]))
		}
	}
	return nil
}

// multilingual reports whether the vocabulary is that of the models for many languages. Theirs has one text token more
// than that of the models for English.
func (v *vocabulary) multilingual() bool { return v.start > 50257 }

// languageIDs returns the numbers of all tokens that name a language.
func (v *vocabulary) languageIDs() []int {
	var ids []int
	for id := v.start + 1; id < v.noTimestamps; id++ {
		if languageCode(v.tokens[id]) != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// languageCode returns the code of a token such as <|de|> or <|yue|>, or nothing.
func languageCode(token string) string {
	code, ok := strings.CutPrefix(token, "<|")
	code, closed := strings.CutSuffix(code, "|>")
	if !ok || !closed || len(code) < 2 || len(code) > 3 {
		return ""
	}
	for _, c := range code {
		if c < 'a' || c > 'z' {
			return ""
		}
	}
	return code
}

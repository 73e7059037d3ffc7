package ct2

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// maxTextBytes bounds config.json and the vocabularies, which are read whole: the largest known has 4 MB.
const maxTextBytes = 64 << 20

// Config is what config.json says about decoding.
type Config struct {
	// AlignmentHeads are pairs of layer and head of the decoder's attention to the audio that follow the speech. If the
	// file names none, they are all heads of the upper half of the layers, as OpenAI's code has it.
	AlignmentHeads [][2]int
	// SuppressIDs are tokens that are never produced, SuppressBegin those that are not produced first.
	SuppressIDs   []int
	SuppressBegin []int
	// LanguageIDs are the tokens of the languages. Models that know only English list them, too, and have no use for them.
	LanguageIDs []int
}

// reader returns the content of a file; one that is missing gives os.ErrNotExist.
type reader func(path string) ([]byte, error)

// readText is the reader of files of at most maxTextBytes.
func readText(path string) (_ []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	data, err := io.ReadAll(io.LimitReader(file, maxTextBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTextBytes {
		return nil, corrupt(path, "it has more than %d MB", maxTextBytes>>20)
	}
	return data, nil
}

// readConfig reads config.json and verifies that it is of a model of this size.
func readConfig(read reader, path string, a Architecture) (Config, error) {
	data, err := read(path)
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, corrupt(path, "it is missing")
	}
	if err != nil {
		return Config{}, scout.FileError(scout.CodeReadFailed, "read configuration", err)
	}
	var document struct {
		AlignmentHeads [][]int `json:"alignment_heads"`
		SuppressIDs    []int   `json:"suppress_ids"`
		SuppressBegin  []int   `json:"suppress_ids_begin"`
		LanguageIDs    []int   `json:"lang_ids"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return Config{}, corrupt(path, "it cannot be read: %v", err)
	}
	c := Config{}
	for _, pair := range document.AlignmentHeads {
		if len(pair) != 2 || pair[0] < 0 || pair[0] >= a.DecoderLayers || pair[1] < 0 || pair[1] >= a.Heads {
			return Config{}, corrupt(path, "alignment_heads names %v: the model has %d layers with %d heads", pair, a.DecoderLayers, a.Heads)
		}
		c.AlignmentHeads = append(c.AlignmentHeads, [2]int{pair[0], pair[1]})
	}
	if len(c.AlignmentHeads) == 0 {
		for layer := a.DecoderLayers / 2; layer < a.DecoderLayers; layer++ {
			for head := range a.Heads {
				c.AlignmentHeads = append(c.AlignmentHeads, [2]int{layer, head})
			}
		}
	}
	for _, list := range []struct {
		name string
		from []int
		to   *[]int
	}{
		{"suppress_ids", document.SuppressIDs, &c.SuppressIDs},
		{"suppress_ids_begin", document.SuppressBegin, &c.SuppressBegin},
		{"lang_ids", document.LanguageIDs, &c.LanguageIDs},
	} {
		for _, id := range list.from {
			if id == -1 && list.to != &c.LanguageIDs { // OpenAI's sign for a list of its own, which a converted model spells out
				continue
			}
			if id < 0 || id >= a.Vocabulary {
				return Config{}, corrupt(path, "%s has the token %d: the model has %d", list.name, id, a.Vocabulary)
			}
			*list.to = append(*list.to, id)
		}
	}
	return c, nil
}

// checkPreprocessor verifies that preprocessor_config.json, which newer models have, is of this model.
func checkPreprocessor(read reader, path string, a Architecture) error {
	data, err := read(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "read configuration", err)
	}
	var document struct {
		Bands int `json:"feature_size"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return corrupt(path, "it cannot be read: %v", err)
	}
	if document.Bands != 0 && document.Bands != a.Mels {
		return corrupt(path, "its features have %d bands and those of the weights %d", document.Bands, a.Mels)
	}
	return nil
}

// describe reads the small files of the folder.
func (m *Model) describe(read reader, dir string) error {
	var err error
	path := filepath.Join(dir, ConfigName)
	if m.config, err = readConfig(read, path, m.shape); err != nil {
		return err
	}
	if err := checkPreprocessor(read, filepath.Join(dir, PreprocessorName), m.shape); err != nil {
		return err
	}
	words, err := readVocabulary(read, dir, m.shape.Vocabulary)
	if err != nil {
		return err
	}
	m.tokenizer = words.path
	m.shape.Multilingual = words.multilingual()
	if !m.shape.Multilingual {
		m.languages = []string{"en"}
		return nil
	}
	if len(m.config.LanguageIDs) == 0 {
		m.config.LanguageIDs = words.languageIDs()
	}
	for _, id := range m.config.LanguageIDs {
		code := languageCode(words.token(id))
		if code == "" {
			return corrupt(path, "lang_ids has the token %d, which is %s in %s and no language", id, quoted(words.token(id)), filepath.Base(words.path))
		}
		m.languages = append(m.languages, code)
	}
	if len(m.languages) == 0 {
		return corrupt(words.path, "it has no token for a language")
	}
	return nil
}

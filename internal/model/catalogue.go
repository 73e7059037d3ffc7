package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
)

// Family is an architecture: it decides which files a model consists of and which backend runs it.
type Family string

// The families that an engine can run.
const (
	Moonshine  Family = "moonshine"
	Whisper    Family = "whisper"
	Parakeet   Family = "parakeet" // NeMo transducer with durations (TDT)
	SenseVoice Family = "sensevoice"
	Zipformer  Family = "zipformer" // transducer of k2/icefall
	Canary     Family = "canary"    // NeMo's attention encoder-decoder
)

// Role is what a file is for within its model.
type Role string

// The roles of files.
const (
	RoleEncoder       Role = "encoder"
	RoleDecoder       Role = "decoder"
	RoleMergedDecoder Role = "merged_decoder" // first pass and passes with a cache in one graph
	RoleJoiner        Role = "joiner"
	RoleModel         Role = "model" // encoder and output layer in one graph
	RoleTokens        Role = "tokens"
	RoleWeights       Role = "weights"   // model.bin of CTranslate2
	RoleConfig        Role = "config"    // its config.json
	RoleTokenizer     Role = "tokenizer" // tokenizer.json of Hugging Face's tokenizers, or a list of tokens
)

// Forms returns the sets of roles in which a model of the family comes; nil for an unknown family. A model fills every
// role of one form, each with one file. Whisper comes as CTranslate2 has it, which Scout runs itself, and as exported
// for sherpa-onnx.
func (f Family) Forms() [][]Role {
	switch f {
	case Moonshine:
		return [][]Role{{RoleEncoder, RoleMergedDecoder, RoleTokens}}
	case Whisper:
		return [][]Role{{RoleWeights, RoleConfig, RoleTokenizer}, {RoleEncoder, RoleDecoder, RoleTokens}}
	case Canary:
		return [][]Role{{RoleEncoder, RoleDecoder, RoleTokens}}
	case Parakeet, Zipformer:
		return [][]Role{{RoleEncoder, RoleDecoder, RoleJoiner, RoleTokens}}
	case SenseVoice:
		return [][]Role{{RoleModel, RoleTokens}}
	}
	return nil
}

// form returns the form of which the files fill most roles.
func (f Family) form(files map[Role]string) []Role {
	var best []Role
	most := -1
	for _, form := range f.Forms() {
		filled := 0
		for _, role := range form {
			if files[role] != "" {
				filled++
			}
		}
		if filled > most {
			best, most = form, filled
		}
	}
	return best
}

// families returns all families, the default model's first.
func families() []Family {
	return []Family{Moonshine, Whisper, Parakeet, Canary, SenseVoice, Zipformer}
}

// Source is a place from which a file can be fetched.
type Source struct {
	// URL is an http or https address of one file.
	URL string
	// Derive says how the file of the model is made from the file at URL; empty means that it is used as it is.
	Derive Derivation
}

// File is one file of a catalogue entry.
type File struct {
	// Path is relative to the model's folder, with slashes; it never leaves the folder.
	Path string
	Role Role
	// SizeBytes is exact if SHA256 is set. Otherwise it is the published (rounded) size and only shown.
	SizeBytes int64
	// SHA256 in lower-case hexadecimal is set only if it is known for certain. If it is empty, the sum of the first pull
	// is recorded in models.lock and holds from then on.
	SHA256 string
	// Also are other bytes of the file that are as good, from packages that have converted the same weights. They are
	// accepted from a folder or a package of this machine.
	Also []Sum
	// Sources are tried in this order.
	Sources []Source
}

// Sum is the size of a file and its SHA-256 in lower-case hexadecimal.
type Sum struct {
	SizeBytes int64
	SHA256    string
}

// accepts reports whether a file of this machine may be used although its sum is not that of the sources.
func (f File) accepts(sum string) bool {
	return slices.ContainsFunc(f.Also, func(s Sum) bool { return s.SHA256 == sum })
}

// Entry is a model that Scout can fetch.
type Entry struct {
	ID     string
	Name   string
	Family Family
	// Languages are ISO 639-1 codes (three letters where there is no such code).
	Languages []string
	// Licence is an SPDX identifier, or the licence's own name if it has none.
	Licence string
	Files   []File
	// Default marks the one model that is used when none was selected.
	Default bool
	// Backend names the backend that runs it.
	Backend string
}

// sizeBytes is the sum over the files.
func (e Entry) sizeBytes() int64 {
	var sum int64
	for _, f := range e.Files {
		sum += f.SizeBytes
	}
	return sum
}

// SizeExact reports whether the size was measured; otherwise it is the publisher's.
func (e Entry) SizeExact() bool {
	return !slices.ContainsFunc(e.Files, func(f File) bool { return f.SHA256 == "" })
}

// EnglishOnly reports whether a model understands only English.
func EnglishOnly(languages []string) bool { return len(languages) == 1 && languages[0] == "en" }

func findEntry(catalogue []Entry, id string) (Entry, bool) {
	for _, e := range catalogue {
		if e.ID == id {
			return e, true
		}
	}
	return Entry{}, false
}

func defaultEntry(catalogue []Entry) (Entry, bool) {
	for _, e := range catalogue {
		if e.Default {
			return e, true
		}
	}
	return Entry{}, false
}

// unknownModel returns an error for an unknown id, with the id that was probably meant.
func unknownModel(catalogue []Entry, id string) error {
	err := scout.Errorf(scout.CodeModelUnknown, "no model has the id %q", id)
	var near []string
	for _, e := range catalogue {
		if id != "" && (strings.Contains(e.ID, strings.ToLower(id)) || distance(e.ID, strings.ToLower(id)) <= 3) {
			near = append(near, e.ID)
		}
	}
	if len(near) > 0 {
		return err.WithHint("did you mean %s? all known models: scout models list", strings.Join(near, ", "))
	}
	return err
}

// distance is the edit distance of two short strings (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// validateCatalogue checks what the rest of the package relies on: valid unique ids, every role of the family filled
// once, paths that stay in the folder, at most one default.
func validateCatalogue(catalogue []Entry) error {
	seen := map[string]bool{}
	defaults := 0
	for _, e := range catalogue {
		if err := checkID(e.ID); err != nil {
			return fmt.Errorf("catalogue: %w", err)
		}
		if seen[e.ID] {
			return scout.Errorf(scout.CodeInvalidArgument, "catalogue: model %s appears twice", e.ID)
		}
		seen[e.ID] = true
		if e.Default {
			defaults++
		}
		roles := make(map[Role]string, len(e.Files))
		for _, f := range e.Files {
			if roles[f.Role] != "" {
				return scout.Errorf(scout.CodeInvalidArgument, "catalogue: model %s has two files as %s", e.ID, f.Role)
			}
			roles[f.Role] = f.Path
		}
		if err := checkRoles(e.Family, roles); err != nil {
			return fmt.Errorf("catalogue: model %s: %w", e.ID, err)
		}
	}
	if defaults > 1 {
		return scout.Errorf(scout.CodeInvalidArgument, "catalogue: %d default models", defaults)
	}
	return nil
}

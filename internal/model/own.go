package model

import (
	"bytes"
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/scout-speech/scout"
)

// ownName is the file that makes a folder a user's own model.
const ownName = "model.toml"

// Own is the content of a model.toml (docs/formats/model-toml.md).
type Own struct {
	ID        string          `toml:"id"`
	Name      string          `toml:"name"`
	Family    Family          `toml:"family"`
	Languages []string        `toml:"languages"`
	Licence   string          `toml:"licence"`
	Files     map[Role]string `toml:"files"`
	SHA256    map[Role]string `toml:"sha256"`
}

// ParseOwn reads a model.toml and checks it: known keys only, a valid id, a known family, every role
// of the family and no other, paths that stay in the folder, well-formed sums. It does not look at
// the files. Errors have scout.CodeConfigInvalid.
func ParseOwn(data []byte) (Own, error) {
	var own Own
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&own); err != nil {
		var unknown *toml.StrictMissingError
		if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
			return Own{}, invalidOwn("unknown key %q", strings.Join(unknown.Errors[0].Key(), "."))
		}
		var syntax *toml.DecodeError
		if errors.As(err, &syntax) {
			row, column := syntax.Position()
			return Own{}, invalidOwn("line %d, column %d: %w", row, column, err)
		}
		return Own{}, invalidOwn("%w", err)
	}
	if err := checkID(own.ID); err != nil {
		return Own{}, invalidOwn("id: %w", err)
	}
	if err := checkRoles(own.Family, own.Files); err != nil {
		return Own{}, invalidOwn("%w", err)
	}
	if len(own.Languages) == 0 {
		return Own{}, invalidOwn(`languages: name at least one, for example ["en"]`)
	}
	for _, language := range own.Languages {
		if len(language) < 2 || len(language) > 3 || strings.ToLower(language) != language {
			return Own{}, invalidOwn("language %q: want ISO 639-1 codes such as en", language)
		}
	}
	for role, sum := range own.SHA256 {
		if own.Files[role] == "" {
			return Own{}, invalidOwn("sha256 of %q: there is no such file", role)
		}
		if err := checkSHA256(sum); err != nil {
			return Own{}, invalidOwn("sha256 of %s: %w", role, err)
		}
		own.SHA256[role] = strings.ToLower(sum)
	}
	if own.Name == "" {
		own.Name = own.ID
	}
	if own.Licence == "" {
		own.Licence = "not stated"
	}
	return own, nil
}

func invalidOwn(format string, args ...any) error {
	return scout.Errorf(scout.CodeConfigInvalid, ownName+": "+format, args...).
		WithHint("correct the file; an example is in docs/formats/model-toml.md")
}

package openai

import (
	"context"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recognize"
)

// HeaderModel names the model that did the work, in every answer that has one.
const HeaderModel = "X-Scout-Model"

// nameDefault is a name for what an absent name means.
const nameDefault = "default"

// Aliases are OpenAI's names of models. Clients name them although Scout has none of them; most of them end there on 2027-02-26.
func Aliases() []string {
	return []string{
		"whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15",
		"gpt-4o-transcribe-diarize", "gpt-live-transcribe", "gpt-realtime-whisper",
	}
}

// CountsTokens reports whether a model that was asked for by this name reports its usage in tokens at OpenAI. The others report seconds.
func CountsTokens(name string) bool {
	return strings.HasPrefix(name, "gpt-4o") && slices.Contains(Aliases(), name)
}

// Name is what a client's name of a model means.
type Name struct {
	// Asked is the name as it was sent; empty where none was.
	Asked string
	// ID is the model; empty for that of the role.
	ID string
	// Open is true for an absent name and an alias: another model does the work where that one does not know the language, and the
	// ladder may choose a smaller one.
	Open bool
}

// Names gives names of models their meaning. It is safe for concurrent use.
type Names struct {
	// Aliases has the model of an alias, as settings say; those that are absent or empty mean the model of the role.
	Aliases map[string]string
	// List lists the models of the machine.
	List func(ctx context.Context) ([]v1.Model, error)
}

// Resolve returns what a name means. The error has scout.CodeModelUnknown or scout.CodeModelNotInstalled.
func (n *Names) Resolve(ctx context.Context, asked string) (Name, error) {
	asked = strings.TrimSpace(asked)
	if asked == "" || asked == nameDefault {
		return Name{Asked: asked, Open: true}, nil
	}
	list, err := n.List(ctx)
	if err != nil {
		return Name{}, err
	}
	installed := installedIDs(list)
	switch {
	case slices.Contains(installed, asked): // also one that has an alias's name
		return Name{Asked: asked, ID: asked}, nil
	case slices.Contains(Aliases(), asked):
		return Name{Asked: asked, ID: n.Aliases[asked], Open: true}, nil
	}
	return Name{}, missing(list, installed, asked)
}

func installedIDs(list []v1.Model) []string {
	var ids []string
	for i := range list {
		if list[i].State == v1.ModelInstalled {
			ids = append(ids, list[i].ID)
		}
	}
	return ids
}

// missing says that a model is not there, and which ones are.
func missing(list []v1.Model, installed []string, asked string) error {
	code, hint := scout.CodeModelUnknown, "name one of those, or leave model out"
	if slices.ContainsFunc(list, func(m v1.Model) bool { return m.ID == asked }) {
		code, hint = scout.CodeModelNotInstalled, "install it: scout models pull "+asked
	}
	there := "no model is installed"
	if len(installed) > 0 {
		there = "installed are " + strings.Join(installed, ", ")
	}
	const most = 100 // of a name that is no model's
	if len(asked) > most {
		asked = strings.ToValidUTF8(asked[:most], "") + "…"
	}
	return scout.Errorf(code, "model %q is not installed; %s", asked, there).WithHint("%s", hint)
}

// Lender lends recognizers; *recognize.Engines is one.
type Lender interface {
	BorrowFor(ctx context.Context, model string, role recognize.Role, language string) (r *recognize.Recognizer, release func(), err error)
}

// Borrow returns a recognizer for a name and the first of the languages that a model knows. The caller must call release.
//
//	languages  candidates as ParseLanguages returns them; empty if the model should detect the language
//	language   the code for the recognizer: empty if it detects the language
//
// The errors are those of recognize.Engines.BorrowFor; scout.CodeModelLanguage if a model knows none of the languages.
func Borrow(ctx context.Context, from Lender, name Name, role recognize.Role, languages []string) (r *recognize.Recognizer, language string, release func(), err error) {
	if len(languages) == 0 {
		languages = []string{""}
	}
	ids := []string{name.ID}
	if name.Open && name.ID != "" {
		ids = append(ids, "") // where the alias's model does not know the language
	}
	var first error
	for _, asked := range languages {
		for _, id := range ids {
			r, release, err := from.BorrowFor(ctx, id, role, asked)
			if err != nil {
				return nil, "", nil, err
			}
			if language, err = r.Language(asked); err == nil {
				return r, language, release, nil
			}
			release()
			if first == nil {
				first = err
			}
		}
	}
	return nil, "", nil, &FieldError{Param: "language", Code: CodeUnsupportedValue, Err: first}
}

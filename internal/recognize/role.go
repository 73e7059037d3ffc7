package recognize

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Role is what a model is used for.
type Role string

// The roles.
const (
	// Fast models write while somebody speaks.
	Fast Role = "fast"
	// Accurate models make the text of files, and of languages that the fast model does not know.
	Accurate Role = "accurate"
)

// ParseRole reads "fast" or "accurate".
func ParseRole(text string) (Role, error) {
	if role := Role(text); role == Fast || role == Accurate {
		return role, nil
	}
	return "", scout.Errorf(scout.CodeInvalidArgument, "role %q: want %s or %s", text, Fast, Accurate)
}

// usuallyAccurate is the accurate model where none was chosen.
const usuallyAccurate = "whisper-base"

// Roles are the ids of the models that were chosen for a role, empty where none was.
type Roles struct{ Fast, Accurate string }

// Pick returns the id of the model for a role; empty for the selected or default model of the store. The fast model is the
// one chosen for that role, else the selected or default one. The accurate model is the one chosen for that role, else the
// selected one, else whisper-base where it is installed, else the fast one.
func (r Roles) Pick(store *model.Store, role Role) (string, error) {
	if role != Accurate {
		return r.Fast, nil
	}
	if r.Accurate != "" {
		return r.Accurate, nil
	}
	if selected, err := store.Selected(); err != nil || selected != "" {
		return "", err
	}
	if _, err := store.Path(usuallyAccurate); err == nil {
		return usuallyAccurate, nil
	}
	return r.Fast, nil
}

// For returns the id of the model for a role and a language, in any form of ParseLanguage; as Pick, an empty id is the
// selected or default model. If the model of the role does not know the language, it is the accurate one, or any other
// installed one that does. autoLanguage needs a model of several languages; an empty language needs nothing. If no
// installed model will do, it is that of the role, which then says what is wrong.
func (r Roles) For(store *model.Store, role Role, asked string) (string, error) {
	code, err := ParseLanguage(asked)
	if err != nil {
		return "", err
	}
	picked, err := r.Pick(store, role)
	if err != nil || strings.TrimSpace(asked) == "" {
		return picked, err
	}
	accurate, err := r.Pick(store, Accurate)
	if err != nil {
		return "", err
	}
	list, err := store.List()
	if err != nil {
		return "", err
	}
	suits := func(m *model.Listed) bool {
		if !m.Installed || m.Problem != "" {
			return false
		}
		if code == "" {
			return len(m.Languages) > 1
		}
		return knows(m.Languages, code) != ""
	}
	is := func(id string) func(m model.Listed) bool {
		return func(m model.Listed) bool { return m.ID == id || id == "" && m.Selected }
	}
	for _, id := range []string{picked, accurate} {
		if i := slices.IndexFunc(list, is(id)); i >= 0 && (suits(&list[i]) || len(list[i].Languages) == 0) {
			return id, nil
		}
	}
	if i := slices.IndexFunc(list, func(m model.Listed) bool { return suits(&m) }); i >= 0 {
		return list[i].ID, nil
	}
	return picked, nil
}

// Translator returns the id of the model that writes in English what is said in another language, in any form of ParseLanguage: named, if
// it translates; else the accurate one; else the first installed one in the order of the list. One that knows the language goes before
// the others. scout.CodeModelUnsupported says that none of them translates.
//
//	named  the model that the settings name for everything; empty for none
func (r Roles) Translator(ctx context.Context, m *Machine, store *model.Store, named, asked string) (string, error) {
	code, err := ParseLanguage(asked)
	if err != nil {
		return "", err
	}
	accurate, err := r.Pick(store, Accurate)
	if err != nil {
		return "", err
	}
	list, err := store.List()
	if err != nil {
		return "", err
	}
	preferred := func(l *model.Listed) int {
		switch {
		case named != "" && l.ID == named:
			return 2
		case accurate != "" && l.ID == accurate, accurate == "" && l.Selected:
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b model.Listed) int { return preferred(&b) - preferred(&a) })
	other := "" // it translates, and does not know the language
	for i := range list {
		l := &list[i]
		if !l.Installed || l.Problem != "" || l.Family != model.Whisper {
			continue
		}
		installed, err := store.Resolve(ctx, l.ID)
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case err != nil || !m.translates(installed): // what is damaged is told to whoever names it
		case code == "" || knows(installed.Languages, code) != "":
			return l.ID, nil
		case other == "":
			other = l.ID
		}
	}
	if other == "" {
		return "", scout.Errorf(scout.CodeModelUnsupported, "no model is installed that can translate").WithHint("%s", hintTranslator)
	}
	return other, nil
}

// Trait is what is special about the model: how long pieces suit it, how a stream is heard, and who checks doubtful text. Pieces of
// Whisper, whose encoder was trained with 30 s, are as long as fits: at most 28 s give 8.9 % errors, at most 12 s give 9.8 %. Of a
// stream it hears windows of 6 to 12 s (docs/adr/0063-live-cuts.md).
func (r *Recognizer) Trait() speech.Trait {
	if r.Model.Family != model.Whisper {
		return speech.Trait{}
	}
	cut := segment.Defaults()
	cut.Min, cut.Max = 14*time.Second, 25*time.Second
	trait := speech.Trait{Cut: &cut, Sureness: 0.5}
	if r.Backend == BackendSherpa {
		return trait
	}
	trait.Rechecks = true
	live := segment.Defaults()
	live.Min, live.Max, live.Tail = 12*time.Second, 20*time.Second, 6*time.Second
	trait.LiveCut = &live
	trait.Window = speech.Window{Least: 6 * time.Second, Most: 12 * time.Second}
	trait.Ends = speech.Ends{
		Least: 3 * time.Second, Most: 5 * time.Second, Longest: 9 * time.Second,
		SecondLeast: 6 * time.Second, SecondMost: 8 * time.Second, Whole: 6 * time.Second, Rest: 28 * time.Second,
	}
	return trait
}

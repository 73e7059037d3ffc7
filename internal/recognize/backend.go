package recognize

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// The backends.
const (
	// BackendSherpa runs every family of models, through sherpa-onnx.
	BackendSherpa = "sherpa"
	// BackendMoonshine is our own decoding loop over prepared graphs of Moonshine.
	BackendMoonshine = "moonshine"
	// BackendWhisper is the same for Whisper.
	BackendWhisper = "whisper"
)

// Backends returns all backends, the fastest first.
func Backends() []string { return []string{BackendMoonshine, BackendWhisper, BackendSherpa} }

// Profiles returns the named sets of options of the native runtime.
func Profiles() []string { return []string{"lean", "plain"} }

// CheckBackend refuses unknown names. Empty names mean the defaults.
func CheckBackend(backend, profile string) error {
	if backend != "" && !slices.Contains(Backends(), backend) {
		return scout.Errorf(scout.CodeInvalidArgument, "unknown backend %q", backend).WithHint("choose one of %s", strings.Join(Backends(), ", "))
	}
	if profile != "" && !slices.Contains(Profiles(), profile) {
		return scout.Errorf(scout.CodeInvalidArgument, "unknown profile %q", profile).WithHint("choose one of %s", strings.Join(Profiles(), ", "))
	}
	return nil
}

// choose returns the backend for a model, either the wanted one or the fastest that can run it, and the files that it
// loads by role.
func (m *Machine) choose(ctx context.Context, installed model.Installed, wanted string) (string, map[string]string, error) {
	files := make(map[string]string, len(installed.Files)+2)
	for role, path := range installed.Files {
		files[string(role)] = path
	}
	g, own := m.graphs(installed, installed.Dir)
	switch {
	case !own && wanted != "" && wanted != BackendSherpa, own && wanted != "" && wanted != g.backend && (g.required || wanted != BackendSherpa):
		return "", nil, scout.Errorf(scout.CodeModelUnsupported, "model %s is of the family %s: the backend %s does not run it",
			installed.ID, installed.Family, wanted)
	case !own || wanted == BackendSherpa:
		return BackendSherpa, files, nil
	case wanted == "" && !m.gains(g):
		m.notice(Notice{
			ModelsDir: modelsDir(installed), Once: "slow-processor",
			Text: "this processor has no AVX2: the slower backend sherpa runs " + installed.ID + ", because its faster graphs need it",
		})
		return BackendSherpa, files, nil
	}
	if err := m.ensured(ctx, installed, g, files); err != nil {
		if g.required || wanted == g.backend || ctx.Err() != nil {
			return "", nil, err
		}
		// The published files work too, but slower.
		if !errors.Is(err, prepare.ErrUnknownModel) {
			m.notice(Notice{Text: "the slower backend is used", Err: err})
		}
		return BackendSherpa, files, nil
	}
	return g.backend, files, nil
}

// Served says what runs a model on this machine.
type Served struct {
	Backend string `json:"-"`
	// Recipe and Variant are those of the prepared graphs, absent if the published ones run.
	Recipe  int             `json:"recipe,omitempty"`
	Variant prepare.Variant `json:"variant,omitempty"`
	// Note says why the model is not as fast as it could be.
	Note string `json:"backend_note,omitempty"`
}

// Served returns what would run an installed model now. It looks only at names and sizes.
func (m *Machine) Served(installed model.Installed, preferred string) Served {
	g, own := m.graphs(installed, installed.Dir)
	switch {
	case !own:
		return Served{Backend: BackendSherpa}
	case !m.gains(g):
		return Served{Backend: BackendSherpa, Note: "this processor has no AVX2"}
	}
	switch err := g.sizes(); {
	case err == nil:
		if record, err := g.record(); err == nil {
			return Served{Backend: g.backend, Recipe: record.Recipe, Variant: record.Variant}
		}
	case prepare.CanPrepare(err) && (g.required || preferred == g.backend):
		return Served{Backend: g.backend, Note: "prepared at its next use"}
	}
	if g.required {
		return Served{Backend: g.backend, Note: "its files cannot be read"}
	}
	return Served{Backend: BackendSherpa}
}

// String returns a phrase for people, for example: moonshine, recipe 3 signed.
func (s Served) String() string {
	text := s.Backend
	if s.Recipe > 0 {
		text += fmt.Sprintf(", recipe %d %s", s.Recipe, s.Variant)
	}
	if s.Note != "" {
		text += " (" + s.Note + ")"
	}
	return text
}

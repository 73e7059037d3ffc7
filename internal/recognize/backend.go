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
	// BackendMoonshine is our own decoding loop over prepared graphs.
	BackendMoonshine = "moonshine"
)

// Backends returns all backends, the fastest first.
func Backends() []string { return []string{BackendMoonshine, BackendSherpa} }

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
	if wanted == BackendSherpa {
		return BackendSherpa, files, nil
	}
	if installed.Family != model.Moonshine {
		if wanted == BackendMoonshine {
			return "", nil, scout.Errorf(scout.CodeModelUnsupported, "model %s is of the family %s: the backend %s runs Moonshine only",
				installed.ID, installed.Family, BackendMoonshine)
		}
		return BackendSherpa, files, nil
	}
	if wanted == "" && !m.Processor.Gains() {
		m.notice(Notice{
			ModelsDir: modelsDir(installed), Once: "slow-processor",
			Text: "this processor has no AVX2: the slower backend sherpa runs " + installed.ID + ", because its faster graphs need it",
		})
		return BackendSherpa, files, nil
	}
	prepared, err := m.Prepare(ctx, installed, installed.Dir)
	if err != nil {
		if wanted == BackendMoonshine || ctx.Err() != nil {
			return "", nil, err
		}
		// The published files work too, but slower.
		if !errors.Is(err, prepare.ErrUnknownModel) {
			m.notice(Notice{Text: "the slower backend is used", Err: err})
		}
		return BackendSherpa, files, nil
	}
	files["prepared_encoder"], files["prepared_decoder"] = prepared.Encoder, prepared.Decoder
	return BackendMoonshine, files, nil
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
	if installed.Family != model.Moonshine {
		return Served{Backend: BackendSherpa}
	}
	if !m.Processor.Gains() {
		return Served{Backend: BackendSherpa, Note: "this processor has no AVX2"}
	}
	source, folder, options := m.prepared(installed, installed.Dir)
	switch err := prepare.CheckSizes(folder, source, options); {
	case err == nil:
		manifest, err := prepare.ReadManifest(folder)
		if err == nil {
			return Served{Backend: BackendMoonshine, Recipe: manifest.Recipe, Variant: manifest.Variant}
		}
	case prepare.CanPrepare(err) && preferred == BackendMoonshine:
		return Served{Backend: BackendMoonshine, Note: "prepared at its next use"}
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

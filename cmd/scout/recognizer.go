package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/footprint"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/speech"
)

// recognizerOptions are the flags of every command that needs an engine.
type recognizerOptions struct {
	model   string
	threads int
	effort  string
	backend string
	profile string
	reserve time.Duration // as in engine.Options
}

func (o *recognizerOptions) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.model, "model", "m", envOr("SCOUT_MODEL", ""), "model to use ($SCOUT_MODEL; default: the selected one, see scout models)")
	flags.StringVar(&o.effort, "effort", "normal", "quick decodes everything once, normal decodes doubtful parts again, thorough more of them: fewer errors, up to half as fast")
	flags.IntVarP(&o.threads, "threads", "t", 1, "processor threads for inference")
}

// maxThreads bounds --threads: more never helped and each costs memory.
const maxThreads = 64

// recognizer is an engine with what is known about its model.
type recognizer struct {
	engine   *engine.Engine
	model    model.Installed
	backend  string
	effort   speech.Effort
	parallel int // requests at the same time
	settled  sync.Once
}

// settle gives back the memory that starting took. It is called when the first text is there.
func (r *recognizer) settle(a *app) {
	r.settled.Do(func() {
		if err := footprint.ReturnStartupPages(); err != nil { // it works as well, only larger
			a.scope.Log().Debug("startup_pages_stay", slog.String("error", err.Error()))
		}
	})
}

// openRecognizer finds the model, checks its files and prepares the engine, which starts with the
// first request.
func openRecognizer(ctx context.Context, a *app, o recognizerOptions) (*recognizer, error) {
	if o.threads < 1 || o.threads > maxThreads {
		return nil, usage(scout.Errorf(scout.CodeInvalidArgument, "--threads %d: want 1 to %d", o.threads, maxThreads))
	}
	effort, err := speech.ParseEffort(cmp.Or(o.effort, speech.EffortNormal.String()))
	if err != nil {
		return nil, usage(fmt.Errorf("--%w", err))
	}
	program, err := enginePath()
	if err != nil {
		return nil, err
	}
	store, err := a.openModels()
	if err != nil {
		return nil, err
	}
	installed, err := store.Resolve(ctx, o.model)
	if err != nil {
		return nil, err
	}
	if installed.EnglishOnly() {
		a.noteEnglishOnly(store.Dir(), installed)
	}
	backend, files, err := a.chooseBackend(ctx, installed, o.backend)
	if err != nil {
		return nil, err
	}
	lanes := 1
	if backend == backendMoonshine {
		lanes = min(o.threads, moonshineLanes)
	}
	return &recognizer{
		engine: engine.New(a.scope, engine.Options{
			Program: program, Backend: backend, Profile: o.profile, Threads: o.threads,
			BatchLanes: lanes, Reserve: o.reserve, HugePages: backend == backendMoonshine,
			Model: engine.Model{
				ID: installed.ID, Family: string(installed.Family), Languages: installed.Languages,
				Files: files, SizeBytes: installed.SizeBytes,
			},
		}),
		model: installed, backend: backend, effort: effort, parallel: lanes,
	}, nil
}

// The backends of the engine.
const (
	backendSherpa    = "sherpa"    // every family, through sherpa-onnx
	backendMoonshine = "moonshine" // our own decoding loop over prepared graphs
)

// moonshineLanes is how many requests that backend runs at once, each on one thread: further threads stay idle.
const moonshineLanes = 2

// chooseBackend returns the backend for a model, as asked for or the fastest that can run it, and the files
// that it loads by role.
func (a *app) chooseBackend(ctx context.Context, installed model.Installed, wanted string) (string, map[string]string, error) {
	files := make(map[string]string, len(installed.Files)+2)
	for role, path := range installed.Files {
		files[string(role)] = path
	}
	switch wanted {
	case backendSherpa:
		return backendSherpa, files, nil
	case "", backendMoonshine:
	default:
		return "", nil, usage(scout.Errorf(scout.CodeInvalidArgument, "unknown backend %q: want %s or %s", wanted, backendMoonshine, backendSherpa))
	}
	if installed.Family != model.Moonshine {
		if wanted == backendMoonshine {
			return "", nil, scout.Errorf(scout.CodeModelUnsupported, "model %s is of the family %s: the backend %s runs Moonshine only",
				installed.ID, installed.Family, backendMoonshine)
		}
		return backendSherpa, files, nil
	}
	if wanted == "" && !a.processor.Gains() {
		a.noteOnce(filepath.Dir(installed.Dir), "slow-processor",
			"this processor has no AVX2: the slower backend sherpa serves "+installed.ID+", as its faster graphs need it")
		return backendSherpa, files, nil
	}
	prepared, err := a.prepareModel(ctx, installed, installed.Dir)
	if err != nil {
		if wanted == backendMoonshine || ctx.Err() != nil {
			return "", nil, err
		}
		// The published files work as well, only slower.
		if !errors.Is(err, prepare.ErrUnknownModel) {
			a.complain("the slower backend is used", err)
		}
		return backendSherpa, files, nil
	}
	files["prepared_encoder"], files["prepared_decoder"] = prepared.Encoder, prepared.Decoder
	return backendMoonshine, files, nil
}

func (r *recognizer) close() { r.engine.Close() }

// language is the language asked for, else the only one that the model knows.
func (r *recognizer) language(asked string) string {
	if asked == "" && len(r.model.Languages) == 1 {
		return r.model.Languages[0]
	}
	return strings.ToLower(asked)
}

// checkLanguage refuses a language that the model does not know.
func (r *recognizer) checkLanguage(asked string) error {
	if asked == "" || len(r.model.Languages) == 0 || slices.Contains(r.model.Languages, strings.ToLower(asked)) {
		return nil
	}
	known := strings.Join(r.model.Languages, ", ")
	if len(r.model.Languages) > 8 {
		known = strings.Join(r.model.Languages[:8], ", ") + ", …"
	}
	return scout.Errorf(scout.CodeModelLanguage, "model %s does not know the language %q (it knows %s)", r.model.ID, asked, known)
}

// noteEnglishOnly says that the model hears everything as English.
func (a *app) noteEnglishOnly(dir string, installed model.Installed) {
	a.noteOnce(dir, "english-only", "the model "+installed.ID+" knows English only; for other languages see: scout models list")
}

// noteOnce says something once for each models folder.
func (a *app) noteOnce(dir, name, text string) {
	file, err := os.OpenFile(filepath.Join(dir, ".noted-"+name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if os.IsExist(err) {
		return
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		a.scope.Log().Debug("note_not_remembered", slog.String("error", err.Error()))
	}
	a.notef("scout: %s\n", text)
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/model"
)

// recognizerOptions are the flags of every command that needs an engine.
type recognizerOptions struct {
	model   string
	threads int
	backend string
	profile string
}

func (o *recognizerOptions) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&o.model, "model", "m", envOr("SCOUT_MODEL", ""), "model to use ($SCOUT_MODEL; default: the selected one, see scout models)")
	flags.IntVarP(&o.threads, "threads", "t", 1, "processor threads for inference")
}

// maxThreads bounds --threads: more never helped and each costs memory.
const maxThreads = 64

// recognizer is an engine with what is known about its model.
type recognizer struct {
	engine   *engine.Engine
	model    model.Installed
	backend  string
	parallel int // requests at the same time
}

// openRecognizer finds the model, checks its files and prepares the engine, which starts with the
// first request.
func openRecognizer(ctx context.Context, a *app, o recognizerOptions) (*recognizer, error) {
	if o.threads < 1 || o.threads > maxThreads {
		return nil, usage(scout.Errorf(scout.CodeInvalidArgument, "--threads %d: want 1 to %d", o.threads, maxThreads))
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
	backend := o.backend
	if backend == "" {
		backend = "sherpa"
	}
	files := make(map[string]string, len(installed.Files))
	for role, path := range installed.Files {
		files[string(role)] = path
	}
	return &recognizer{
		engine: engine.New(a.scope, engine.Options{
			Program: program, Backend: backend, Profile: o.profile, Threads: o.threads,
			Model: engine.Model{
				ID: installed.ID, Family: string(installed.Family), Languages: installed.Languages,
				Files: files, SizeBytes: installed.SizeBytes,
			},
		}),
		model: installed, backend: backend, parallel: 1,
	}, nil
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

// noteEnglishOnly says once for each models folder that the model hears everything as English.
func (a *app) noteEnglishOnly(dir string, installed model.Installed) {
	marker := filepath.Join(dir, ".noted-english-only")
	file, err := os.OpenFile(marker, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if os.IsExist(err) {
		return
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		a.scope.Log().Debug("note_not_remembered", slog.String("error", err.Error()))
	}
	fmt.Fprintf(a.std.err, "scout: the model %s knows English only; for other languages see: scout models list\n", installed.ID)
}

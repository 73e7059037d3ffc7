package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/footprint"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/settings"
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
	flags, preset := cmd.Flags(), settings.Default().Transcribe
	flags.StringVarP(&o.model, "model", "m", preset.Model, "model to use ($SCOUT_MODEL; default: the selected one, see scout models)")
	flags.StringVar(&o.effort, "effort", preset.Effort, "quick decodes everything once; normal decodes doubtful parts again; thorough does so more often and takes up to twice as long as normal, with fewer errors")
	flags.IntVarP(&o.threads, "threads", "t", preset.Threads, "processor threads for inference")
	sets(flags, map[string]string{"model": "transcribe.model", "effort": "transcribe.effort", "threads": "transcribe.threads"})
}

// recognizer is a model that recognises speech, with the effort that was asked for.
type recognizer struct {
	*recognize.Recognizer
	effort   speech.Effort
	settled  sync.Once
	loadings *loadings
}

// settle gives back the memory that starting took. It is called when the first text is there.
func (r *recognizer) settle(a *app) {
	r.settled.Do(func() {
		if err := footprint.ReturnStartupPages(); err != nil { // it works as well, only larger
			a.scope.Log().Debug("startup_pages_stay", slog.String("error", err.Error()))
		}
	})
}

// machine is what models run on here.
func (a *app) machine() *recognize.Machine {
	return &recognize.Machine{Scope: a.scope, Processor: a.processor, Notice: a.noticeOfModel}
}

// openRecognizer finds the model, checks its files and prepares the engine, which starts with the first request. The
// caller closes the result.
func openRecognizer(ctx context.Context, a *app, o recognizerOptions) (*recognizer, error) {
	if o.threads < 1 || o.threads > recognize.MaxThreads {
		return nil, usage(scout.Errorf(scout.CodeInvalidArgument, "--threads %d: want 1 to %d", o.threads, recognize.MaxThreads))
	}
	effort, err := speech.ParseEffort(cmp.Or(o.effort, speech.EffortNormal.String()))
	if err != nil {
		return nil, usage(fmt.Errorf("--%w", err))
	}
	store, err := a.openModels()
	if err != nil {
		return nil, err
	}
	told := new(loadings)
	r, err := a.machine().Open(ctx, store, recognize.Options{
		Program: a.settings.Engine(), Model: o.model, Threads: o.threads, Backend: o.backend, Profile: o.profile,
		Engine: engine.Options{Reserve: o.reserve, Loading: told.begin},
	})
	if err != nil {
		return nil, err
	}
	return &recognizer{Recognizer: r, effort: effort, loadings: told}, nil
}

// noticeOfModel tells the user what there is to know about a model, once where it is of that kind.
func (a *app) noticeOfModel(n recognize.Notice) {
	switch {
	case n.Err != nil:
		a.complain(n.Text, n.Err)
	case n.Once != "":
		a.noteOnce(n.ModelsDir, n.Once, n.Text)
	default:
		a.notef("scout: %s\n", n.Text)
	}
}

// noteOnce says something once for each models folder.
func (a *app) noteOnce(dir, name, text string) {
	_ = os.MkdirAll(dir, 0o755) // where that fails, so does the next step
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

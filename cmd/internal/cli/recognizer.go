package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/footprint"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/speech"
)

// RecognizerOptions are the flags of every command that needs an engine.
type RecognizerOptions struct {
	Model string
	// Role is that of the model where none is named; empty for the fast one, whatever the language.
	Role recognize.Role
	// Translate has a model chosen that can translate, where a role is given and no model is named.
	Translate bool
	Threads   int
	Effort    string
	Backend   string
	Profile   string
	Reserve   time.Duration // as in engine.Options
	// Language is the one that was asked for, as in recognize.Options.
	Language string
}

// Bind adds the flags.
func (o *RecognizerOptions) Bind(cmd *cobra.Command) {
	flags, preset := cmd.Flags(), settings.Default().Transcribe
	flags.StringVarP(&o.Model, "model", "m", preset.Model, "model to use ($SCOUT_MODEL; default: that of its role, see scout models)")
	flags.StringVar(&o.Effort, "effort", preset.Effort, "quick decodes everything once; normal decodes doubtful parts again; thorough does so more often and takes up to twice as long as normal, with fewer errors")
	flags.IntVarP(&o.Threads, "threads", "t", preset.Threads, "processor threads for inference")
	BindSettings(flags, map[string]string{"model": "transcribe.model", "effort": "transcribe.effort", "threads": "transcribe.threads"})
}

// Recognizer is a model that recognises speech, with the requested effort.
type Recognizer struct {
	*recognize.Recognizer
	Effort  speech.Effort
	settled sync.Once
	// Loadings reports starts of the engine.
	Loadings *Loadings
}

// Settle returns the memory that starting took. It is called when the first text is there.
func (r *Recognizer) Settle(a *App) {
	r.settled.Do(func() {
		if err := footprint.ReturnStartupPages(); err != nil { // it works as well, only larger
			a.Scope.Log().Debug(footprint.EventStartupPagesStay, slog.String("error", err.Error()))
		}
	})
}

// Roles returns the models that the settings name for a role.
func (a *App) Roles() recognize.Roles {
	return recognize.Roles{Fast: a.Settings.Models.Fast, Accurate: a.Settings.Models.Accurate}
}

// Machine returns the machine on which models run.
func (a *App) Machine() *recognize.Machine {
	return &recognize.Machine{Scope: a.Scope, Processor: a.Processor, Notice: a.noticeOfModel}
}

// OpenRecognizer finds the model, checks its files and prepares the engine, which starts with the first request. The
// caller closes the result.
func (a *App) OpenRecognizer(ctx context.Context, o RecognizerOptions) (*Recognizer, error) {
	if o.Threads < 1 || o.Threads > recognize.MaxThreads {
		return nil, Usage(scout.Errorf(scout.CodeInvalidArgument, "--threads %d: want 1 to %d", o.Threads, recognize.MaxThreads))
	}
	effort, err := speech.ParseEffort(cmp.Or(o.Effort, speech.EffortNormal.String()))
	if err != nil {
		return nil, Usage(fmt.Errorf("--%w", err))
	}
	store, err := a.OpenModels()
	if err != nil {
		return nil, err
	}
	if o.Model == "" {
		choose := func() (string, error) { return a.Roles().Pick(store, recognize.Fast) }
		if o.Role != "" {
			choose = func() (string, error) { return a.Roles().For(store, o.Role, o.Language) }
		}
		if o.Role != "" && o.Translate {
			choose = func() (string, error) { return a.Roles().Translator(ctx, a.Machine(), store, "", o.Language) }
		}
		if o.Model, err = choose(); err != nil {
			return nil, err
		}
	}
	told := new(Loadings)
	r, err := a.Machine().Open(ctx, store, recognize.Options{
		Program: a.Settings.Engine(), Model: o.Model, Threads: o.Threads, Backend: o.Backend, Profile: o.Profile, Language: o.Language,
		Engine: engine.Options{Reserve: o.Reserve, Loading: told.begin},
	})
	if err != nil {
		return nil, err
	}
	return &Recognizer{Recognizer: r, Effort: effort, Loadings: told}, nil
}

// noticeOfModel shows the user a notice about a model, only once if it is of that kind.
func (a *App) noticeOfModel(n recognize.Notice) {
	switch {
	case n.Err != nil:
		a.Complain(n.Text, n.Err)
	case n.Once != "":
		a.noteOnce(n.ModelsDir, n.Once, n.Text)
	default:
		a.Notef("%s: %s\n", a.Name, n.Text)
	}
}

// eventNoteNotRemembered is a log event, listed in docs/formats/log-events.md. Its name is never changed.
const eventNoteNotRemembered = "note_not_remembered"

// NoteOnce says something once for the user, as long as the data folder is the same.
func (a *App) NoteOnce(name, text string) {
	if own, err := a.Settings.DataDir(); err == nil {
		a.noteOnce(own, name, text)
	}
}

// noteOnce says something once for each models folder, or once for the user where that folder belongs to somebody else.
func (a *App) noteOnce(dir, name, text string) {
	folders := []string{dir}
	if own, err := a.Settings.DataDir(); err == nil {
		folders = append(folders, own)
	}
	for _, folder := range folders {
		_ = os.MkdirAll(folder, 0o755) // if this fails, so does the next step
		err := atomicfile.Write(filepath.Join(folder, ".noted-"+name), nil, atomicfile.Options{Exclusive: true, Unsynced: true})
		if errors.Is(err, fs.ErrExist) {
			return
		}
		if err == nil {
			break
		}
		a.Scope.Log().Debug(eventNoteNotRemembered, slog.String("error", err.Error()))
	}
	a.Notef("%s: %s\n", a.Name, text)
}

// Loadings tells one listener whenever the engine begins to load its model.
type Loadings struct {
	mu     sync.Mutex
	listen func(limit time.Duration) (over func())
}

// Tell sets the listener; nil for none.
func (l *Loadings) Tell(listen func(limit time.Duration) (over func())) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listen = listen
}

// begin is engine.Options.Loading.
func (l *Loadings) begin(limit time.Duration) (over func()) {
	l.mu.Lock()
	listen := l.listen
	l.mu.Unlock()
	if listen == nil {
		return func() {}
	}
	return listen(limit)
}

// OpenModels opens the models folder that the settings name.
func (a *App) OpenModels() (*model.Store, error) {
	dir, _, err := a.Settings.ModelsDir()
	if err != nil {
		return nil, err
	}
	if err := a.CheckNamedFolder("models.dir", dir); err != nil {
		return nil, err
	}
	return a.MakeModels()
}

// MakeModels is OpenModels for a command that creates a missing folder.
func (a *App) MakeModels() (*model.Store, error) {
	dir, shared, err := a.Settings.ModelsDir()
	if err != nil {
		return nil, err
	}
	return model.Open(dir, a.Scope, model.WithShared(shared...))
}

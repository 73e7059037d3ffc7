// Package recognize opens a recogniser of speech by the name of a model: it finds the model, chooses the backend that
// runs it on this machine, prepares its graphs and knows its languages.
package recognize

import (
	"context"
	"path/filepath"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/observe"
)

// MaxThreads is the limit of Options.Threads: more never helped, and each thread costs memory.
const MaxThreads = 64

// Machine is the machine on which models run. It is safe for concurrent use.
type Machine struct {
	Scope     observe.Scope
	Processor prepare.Processor
	// Notice receives what a person should know about a model; it may be nil.
	Notice func(Notice)
}

// Notice is something that a person should know about a model. It is not a failure.
type Notice struct {
	// ModelsDir is the folder of models, and Once the name under which the notice is given only once for that folder;
	// empty if it is given each time.
	ModelsDir, Once string
	Text            string
	// Err is the reason, nil if nothing failed.
	Err error
}

func (m *Machine) notice(n Notice) {
	if m.Notice != nil {
		m.Notice(n)
	}
}

// Options say what recognises speech. The zero value is the selected model with the backend that suits it best.
type Options struct {
	// Program is the path of scout-engine.
	Program string
	// Model is an id; empty for the selected model.
	Model string
	// Threads for inference, 1 to MaxThreads; 0 means 1.
	Threads int
	// Backend is BackendSherpa or BackendMoonshine; empty for the fastest that runs the model.
	Backend string
	// Profile names options of the native runtime, one of Profiles(Backend); empty for the backend's default.
	Profile string
	// Language is the one that the user asked for, in any form of ParseLanguage; empty if none. A user who asked for English is not told
	// that a model knows only English.
	Language string
	// Engine has further options of the engine. Open sets Program, Model, Backend, Profile, Threads, slots and
	// HugePages in it.
	Engine engine.Options
}

// check sets the default number of threads and refuses values that do not exist.
func (o *Options) check() error {
	if o.Threads == 0 {
		o.Threads = 1
	}
	if o.Threads < 1 || o.Threads > MaxThreads {
		return scout.Errorf(scout.CodeInvalidArgument, "%d threads: Scout can use 1 to %d", o.Threads, MaxThreads)
	}
	return CheckBackend(o.Backend, o.Profile)
}

// Recognizer is an engine with information about its model. Close ends it.
type Recognizer struct {
	Engine  *engine.Engine
	Model   model.Installed
	Backend string
	// Parallel is how many requests at the same time gain speed.
	Parallel int
}

// Open finds the model, checks its files and prepares its graphs. The engine starts with the first request.
//
//	scout.CodeInvalidArgument    a number of threads, a backend or a profile that does not exist
//	scout.CodeModelUnknown, CodeModelNotInstalled, CodeModelCorrupt  as of model.Store.Resolve
//	scout.CodeModelUnsupported   the requested backend does not run the model
func (m *Machine) Open(ctx context.Context, store *model.Store, o Options) (*Recognizer, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	installed, err := store.Resolve(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	return m.open(ctx, installed, store.Dir(), o)
}

// mostForSlots is the size of the largest Whisper model that runs several requests at once. Each needs the keys and values of what it hears beside the
// weights: for 30 s 37 MB with base and 490 MB with large-v3, by their shapes. docs/adr/0032-scheduler.md.
const mostForSlots = 512 << 20

// open prepares the engine of an installed model; dir is the folder of models that notices are about.
func (m *Machine) open(ctx context.Context, installed model.Installed, dir string, o Options) (*Recognizer, error) {
	if asked, err := ParseLanguage(o.Language); installed.EnglishOnly() && (err != nil || asked != "en") {
		m.notice(Notice{
			ModelsDir: dir, Once: "english-only",
			Text: "the model " + installed.ID + " knows English only; for other languages see: scout models list",
		})
	}
	backend, files, err := m.choose(ctx, installed, o.Backend)
	if err != nil {
		return nil, err
	}
	parallel, slots := 1, 1
	switch {
	case backend == BackendMoonshine: // each request runs on one thread
		parallel, slots = min(o.Threads, engine.DefaultSlots), engine.DefaultSlots
	case backend == BackendWhisper && installed.SizeBytes <= mostForSlots:
		slots = engine.DefaultSlots
	}
	options := o.Engine
	options.Program, options.Backend, options.Profile, options.Threads = o.Program, backend, o.Profile, o.Threads
	options.Slots, options.BackgroundSlots, options.HugePages = slots, slots, backend == BackendMoonshine
	options.Model = engine.Model{
		ID: installed.ID, Family: string(installed.Family), Languages: installed.Languages,
		Files: files, SizeBytes: installed.SizeBytes,
	}
	return &Recognizer{Engine: engine.New(m.Scope, options), Model: installed, Backend: backend, Parallel: parallel}, nil
}

// Close ends the engine.
func (r *Recognizer) Close() { r.Engine.Close() }

// CheckHotWords refuses hot words that the model would ignore. It starts the engine.
func (r *Recognizer) CheckHotWords(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return nil
	}
	facts, err := r.Engine.Load(ctx)
	if err != nil {
		return err
	}
	if !facts.HotWords {
		return scout.Errorf(scout.CodeModelUnsupported, "model %s cannot prefer hot words with the backend %s", r.Model.ID, r.Backend).
			WithHint("the default model can: leave --model and --backend out, or --hot-words")
	}
	return nil
}

// CheckTranslation refuses a translation that the model cannot make. It may start the engine.
func (r *Recognizer) CheckTranslation(ctx context.Context, wanted bool) error {
	if !wanted {
		return nil
	}
	if r.Model.EnglishOnly() {
		return englishOnly(r.Model.ID)
	}
	facts, err := r.Engine.Load(ctx)
	if err != nil {
		return err
	}
	if !facts.Translates {
		return scout.Errorf(scout.CodeModelUnsupported, "model %s cannot translate with the backend %s", r.Model.ID, r.Backend).WithHint("%s", hintTranslator)
	}
	return nil
}

const hintTranslator = "translate with a model of many languages, for example: scout models pull whisper-base"

func englishOnly(id string) error {
	return scout.Errorf(scout.CodeModelUnsupported, "model %s knows English only: it cannot translate", id).WithHint("%s", hintTranslator)
}

// translates reports whether an installed model can write English for what is said in another language. It looks at what is noted about
// the model: whether a model of the user's own has the words for it, its engine says.
func (m *Machine) translates(installed model.Installed) bool {
	g, own := m.graphs(installed, installed.Dir)
	return own && g.backend == BackendWhisper && !installed.EnglishOnly()
}

// modelsDir returns the folder of models that contains an installed model.
func modelsDir(installed model.Installed) string { return filepath.Dir(installed.Dir) }

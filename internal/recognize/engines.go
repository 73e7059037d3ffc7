package recognize

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/pool"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// Engines opens recognizers for a process that stays. All of them share the processor slots and the memory of the
// machine. A model is loaded by the first request that needs it, and unloaded when it was idle for a while. It is safe
// for concurrent use.
type Engines struct {
	options   EnginesOptions
	log       *slog.Logger
	scheduler *schedule.Scheduler
	pool      *pool.Pool
	opening   chan struct{} // holds one value while a recognizer is opened

	wake  chan struct{} // tells Tend to look
	tests *metric.Histogram

	mu     sync.Mutex
	lent   map[string]*lent // by the id of the model
	closed bool
	proof  proof
	ease   Ease
	roles  Roles
}

// EnginesOptions configure Engines.
type EnginesOptions struct {
	Machine *Machine
	// Models opens the folder of models. It is called for each Borrow: the folder may be made while the process runs.
	Models func() (*model.Store, error)
	// Default is the model for an empty id, whatever its role; empty for that of the role.
	Default string
	// Roles are the models that were chosen for a role, until Choose chooses others.
	Roles Roles
	// Program, Threads, Backend, Profile and Engine are as in Options. Engine.Scheduler and Engine.Pool are set here.
	Program string
	Threads int
	Backend string
	Profile string
	Engine  engine.Options
	// IdleUnload ends the process of a model after this long without a request; 0 keeps it.
	IdleUnload time.Duration
	// Language is the one that is dictated, in any form of ParseLanguage; empty if it is not known.
	Language string
	// Changed, if set, is called when a process has loaded a model, and when that process has ended. It may block.
	Changed func(model string, loaded bool)
}

// lent is a recognizer and how many have it.
type lent struct {
	*Recognizer
	files  string // identifies the files of the model: other ones need another engine
	users  int
	stale  bool // it is closed when the last user gives it back
	usedAt time.Time
}

// NewEngines returns engines without any model: nothing is opened, loaded or started. Close ends them.
func NewEngines(o EnginesOptions) *Engines {
	scope := o.Machine.Scope.Component("engine")
	return &Engines{
		options: o, log: scope.Log(), scheduler: schedule.New(scope, schedule.Options{Background: runtime.GOMAXPROCS(0)}), pool: pool.New(scope, pool.Options{}),
		opening: make(chan struct{}, 1), wake: make(chan struct{}, 1), tests: newSelfTestSeconds(scope), lent: map[string]*lent{},
		roles: o.Roles,
	}
}

// Borrow returns a recognizer of a model; an empty id means the default one. It finds the model and checks its files,
// but does not load it: the first request does, or Recognizer.Engine.Load. The caller must call release when it needs
// the recognizer no more, and must not close it. A recognizer that was borrowed keeps working while another model is
// selected or the model is installed again; the next Borrow returns the new one.
//
// The errors are those of Machine.Open. For scout.CodeModelNotInstalled the hint says how to install one.
func (e *Engines) Borrow(ctx context.Context, id string) (r *Recognizer, release func(), err error) {
	return e.BorrowFor(ctx, id, Fast, "")
}

// BorrowFor is Borrow for a role and a language, as in Roles.For: they decide where neither id nor the settings name a
// model for everything.
func (e *Engines) BorrowFor(ctx context.Context, id string, role Role, asked string) (r *Recognizer, release func(), err error) {
	return e.borrow(ctx, func(store *model.Store) (model.Installed, error) {
		chosen := id
		if chosen == "" {
			chosen, role = e.options.Default, e.roleFor(role)
		}
		if chosen == "" {
			var err error
			if chosen, err = e.Roles().For(store, role, asked); err != nil {
				return model.Installed{}, err
			}
		}
		return store.Resolve(ctx, chosen)
	})
}

// BorrowTranslator is Borrow for a text in English of what is said in another language. An empty id is the model of Roles.Translator. Its
// error has scout.CodeModelUnsupported where the model cannot translate; that is told without loading it.
func (e *Engines) BorrowTranslator(ctx context.Context, id, asked string) (r *Recognizer, release func(), err error) {
	return e.borrow(ctx, func(store *model.Store) (model.Installed, error) {
		chosen := id
		if chosen == "" {
			var err error
			if chosen, err = e.Roles().Translator(ctx, e.options.Machine, store, e.options.Default, asked); err != nil {
				return model.Installed{}, err
			}
		}
		installed, err := store.Resolve(ctx, chosen)
		switch {
		case err != nil:
			return installed, err
		case installed.EnglishOnly():
			return installed, englishOnly(installed.ID)
		case !e.options.Machine.translates(installed):
			return installed, scout.Errorf(scout.CodeModelUnsupported, "model %s cannot translate", installed.ID).WithHint("%s", hintTranslator)
		}
		return installed, nil
	})
}

// accurateIdle is the longest that a model stays loaded that does not write what is dictated: whoever dictates does not wait for it.
const accurateIdle = time.Minute

// idleUnload is how long a model stays loaded after its last use; 0 is for as long as the process runs.
func (e *Engines) idleUnload(ctx context.Context, store *model.Store, id string) time.Duration {
	idle := e.options.IdleUnload
	if idle <= accurateIdle || e.options.Default != "" {
		return idle
	}
	fast, err := e.Roles().For(store, Fast, e.options.Language)
	if err != nil {
		return idle
	}
	if m, err := store.Resolve(ctx, fast); err != nil || m.ID == id {
		return idle
	}
	return accurateIdle
}

// borrow lends the model that choose finds in the folder of models.
func (e *Engines) borrow(ctx context.Context, choose func(*model.Store) (model.Installed, error)) (r *Recognizer, release func(), err error) {
	options := Options{
		Program: e.options.Program, Threads: e.options.Threads, Backend: e.options.Backend, Profile: e.options.Profile, Engine: e.options.Engine,
	}
	if err := options.check(); err != nil {
		return nil, nil, err
	}
	options.Engine.Scheduler, options.Engine.Pool = e.scheduler, e.pool
	store, err := e.options.Models()
	if err != nil {
		return nil, nil, err
	}
	installed, err := choose(store)
	if err != nil {
		return nil, nil, err
	}
	select { // graphs may have to be prepared, which takes seconds: once for all who ask
	case e.opening <- struct{}{}:
		defer func() { <-e.opening }()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	files := fingerprint(installed)
	if l, err := e.take(installed.ID, files); l != nil || err != nil {
		return l.recognizer(), l.released(e), err
	}
	options.Engine.Failed, options.Engine.IdleUnload = e.Wake, e.idleUnload(ctx, store, installed.ID)
	if changed := e.options.Changed; changed != nil {
		options.Engine.Changed = func(loaded bool) { changed(installed.ID, loaded) }
	}
	opened, err := e.options.Machine.open(ctx, installed, store.Dir(), options)
	if err != nil {
		return nil, nil, err
	}
	l, err := e.put(installed.ID, &lent{Recognizer: opened, files: files})
	if err != nil {
		opened.Close()
		return nil, nil, err
	}
	return l.recognizer(), l.released(e), nil
}

func (l *lent) recognizer() *Recognizer {
	if l == nil {
		return nil
	}
	return l.Recognizer
}

// released returns what a user calls once.
func (l *lent) released(e *Engines) func() {
	if l == nil {
		return nil
	}
	return sync.OnceFunc(func() { e.giveBack(l) })
}

// fingerprint identifies the files of a model.
func fingerprint(m model.Installed) string {
	parts := []string{m.Dir}
	for role, sum := range m.SHA256 {
		parts = append(parts, string(role)+"="+sum)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// take lends what is open already; nil if there is none of these files.
func (e *Engines) take(id, files string) (*lent, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, pool.ErrClosed
	}
	l := e.lent[id]
	if l == nil || l.files != files {
		return nil, nil
	}
	l.users++
	l.usedAt = time.Now()
	return l, nil
}

// forgetAfter is how long at least the state of a model that is neither loaded nor lent is remembered, for health.
const forgetAfter = time.Minute

// put lends a new recognizer. It takes the place of one of other files, and those that were idle for long leave.
func (e *Engines) put(id string, l *lent) (*lent, error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, pool.ErrClosed
	}
	var over []*lent
	for name, old := range e.lent {
		idle := old.users == 0 && !old.Engine.State().Running && time.Since(old.usedAt) > max(e.options.IdleUnload, forgetAfter)
		if name != id && !idle {
			continue
		}
		delete(e.lent, name)
		if old.stale = true; old.users == 0 {
			over = append(over, old)
		}
	}
	l.users, l.usedAt = 1, time.Now()
	e.lent[id] = l
	e.mu.Unlock()
	for _, old := range over {
		old.Close()
	}
	return l, nil
}

func (e *Engines) giveBack(l *lent) {
	e.mu.Lock()
	l.users--
	l.usedAt = time.Now()
	over := l.stale && l.users == 0
	e.mu.Unlock()
	if over {
		l.Close()
	}
}

// Close ends all processes and waits for them. Requests under way fail with scout.CodeEngineClosed.
func (e *Engines) Close() {
	e.mu.Lock()
	e.closed = true
	all := make([]*lent, 0, len(e.lent))
	for _, l := range e.lent {
		all = append(all, l)
	}
	e.mu.Unlock()
	var wait sync.WaitGroup
	for _, l := range all {
		wait.Go(l.Close)
	}
	wait.Wait()
	e.pool.Close()
}

// Model is an open model and the state of its engine.
type Model struct {
	ID      string
	Backend string
	engine.State
	// Health is that of its engine.
	Health health.Result
}

func (m *Model) healthy() bool { return m.Health.Status == health.Healthy }

// Open returns the models that are open: those whose engine is not healthy first, and of the others the one used last. It has
// no side effects.
func (e *Engines) Open() []Model {
	e.mu.Lock()
	all := make([]*lent, 0, len(e.lent))
	for _, l := range e.lent {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *lent) int { return b.usedAt.Compare(a.usedAt) })
	e.mu.Unlock()
	models := make([]Model, len(all))
	for i, l := range all {
		models[i] = Model{
			ID: l.Model.ID, Backend: l.Backend, State: l.Engine.State(), Health: l.Engine.Health(),
		}
	}
	slices.SortStableFunc(models, func(a, b Model) int {
		switch healthy := a.healthy(); {
		case healthy == b.healthy():
			return 0
		case healthy:
			return 1
		}
		return -1
	})
	return models
}

// programMissing returns the health of engines whose program is not there; nil if it is.
func (e *Engines) programMissing() *health.Result {
	if info, err := os.Stat(e.options.Program); err == nil && !info.IsDir() {
		return nil
	}
	return &health.Result{
		Status: health.Unhealthy, Reason: fmt.Sprintf("the program %s, which runs models, is not there", e.options.Program),
		Metadata: map[string]string{"state": engine.StateFailed},
	}
}

// eventNotice is logged for what a person should know about a model.
const eventNotice = "model_notice"

// LogNotices returns a receiver of notices for a process without a terminal.
func LogNotices(scope observe.Scope) func(Notice) {
	return func(n Notice) {
		attributes := []any{slog.String("notice", n.Text)}
		if n.Err != nil {
			attributes = append(attributes, slog.String(observe.KeyCode, string(scout.CodeOf(n.Err))), slog.String(observe.KeyError, n.Err.Error()))
		}
		scope.Log().Info(eventNotice, attributes...)
	}
}

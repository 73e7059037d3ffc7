package realtime

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/speech"
)

// Log events.
const (
	eventOpened     = "realtime_opened"
	eventClosed     = "realtime_closed"
	eventItemFailed = "realtime_item_failed"
)

// Options configure Sessions.
type Options struct {
	Scope    observe.Scope
	Failures *observe.Failures
	// Dir gets the files of sound, which have no names. Budget grants their room.
	Dir    string
	Budget *freespace.Budget
	// MostAudio bounds an item.
	MostAudio time.Duration
	// Check returns what is wrong with how items are to be transcribed, with the name of the field of transcription as its Param.
	Check func(ctx context.Context, ask Ask) *Problem
	// Borrow lends a recognizer for an item.
	Borrow func(ctx context.Context, ask Ask) (r Recognizer, release func(), err error)
	// Spell is that of MachineOptions.
	Spell func(before string, words []scout.Word) []LogProb
	// Ease is asked by how much live text is to be reduced; nil for not at all.
	Ease func() speech.Ease
	// Patience is how long an item that has ended waits for an engine that fails, once it is its turn; 2 min if zero.
	Patience time.Duration
	// MostUnheard is how much sound of a session may wait to be heard; an hour if zero.
	MostUnheard time.Duration
	// Lasts is how long a session may be open; a day if zero.
	Lasts time.Duration
}

type metrics struct {
	sessions *metric.CounterVec
	items    *metric.CounterVec
	text     *metric.HistogramVec
	open     *metric.Gauge
	errors   *metric.CounterVec
	unheard  *metric.Gauge
	waits    *metric.Counter
}

// Sessions are the sessions of a daemon. Its methods may be called from any goroutine.
type Sessions struct {
	options Options
	log     *slog.Logger
	metrics *metrics
	large   chan struct{} // has a place for each large message that is taken

	mu   sync.Mutex
	open map[*Session]struct{}
}

// New returns sessions.
func New(o Options) *Sessions {
	scope := o.Scope.Component("realtime")
	o.Scope = scope
	o.MostUnheard = cmp.Or(o.MostUnheard, mostSound)
	o.Patience = cmp.Or(o.Patience, usualPatience)
	o.Lasts = cmp.Or(o.Lasts, sessionLasts)
	s := &Sessions{options: o, log: scope.Log(), open: make(map[*Session]struct{}), large: make(chan struct{}, mostLarge), metrics: &metrics{
		sessions: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_realtime_sessions_total", Help: "Realtime sessions that ended, by dialect and outcome: closed by the client, expired, invalid, slow, revoked with the key, stopped with the daemon, refused (no WebSocket came about), or failed.",
		}, []string{"dialect", "outcome"})),
		items: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_realtime_items_total", Help: "Items of realtime sessions that ended, by outcome: completed, or failed (there is no text of them).",
		}, []string{"outcome"})),
		text: observe.CommitToText(scope),
		open: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_realtime_sessions", Help: "Realtime sessions that are open.",
		})),
		errors: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_realtime_errors_total", Help: "Events of the type error that clients of realtime sessions were told, by code: invalid_event, invalid_value, invalid_model, input_audio_buffer_commit_empty, session_expired, or other.",
		}, []string{"code"})),
		unheard: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_realtime_unheard_seconds", Help: "Length of sound of realtime sessions that lies on the disk and was not heard yet.",
		})),
		waits: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_realtime_waits_total", Help: "How often a realtime session was not read, because too much of it waited for the engine or for its client.",
		})),
	}}
	for _, outcome := range []string{"completed", "failed"} { // what grows from nothing is no growth to whoever watches
		s.metrics.items.WithLabelValues(outcome)
	}
	for _, dialect := range []string{"ga", "beta"} {
		s.metrics.sessions.WithLabelValues(dialect, "slow")
	}
	return s
}

// NewID returns an id with a prefix.
func NewID(prefix string) string { return prefix + strings.ToLower(ulid.Make().String()) }

func (s *Sessions) ease() speech.Ease {
	if s.options.Ease == nil {
		return speech.EaseNothing
	}
	return s.options.Ease()
}

// Check returns what is wrong with how items are to be transcribed; nil if nothing is.
func (s *Sessions) Check(ctx context.Context, ask Ask) *Problem { return s.options.Check(ctx, ask) }

// Order is what a client wants.
type Order struct {
	Config Config
	Beta   bool
	// Client is whose session it is; empty for the owner.
	Client string
}

// Open begins a session. Its error has scout.CodeDiskLow where there is no room for its sound.
func (s *Sessions) Open(o Order) (*Session, error) {
	tape, err := newTape(s.options.Dir, s.options.Budget)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	ctx, end := context.WithCancel(context.Background())
	one := &Session{of: s, id: NewID("sess_"), client: o.Client, tape: tape, began: now, end: end, news: make(chan struct{})}
	one.machine, err = NewMachine(MachineOptions{
		ID: one.id, Expires: now.Add(s.options.Lasts), Config: o.Config, Beta: o.Beta, Most: s.options.MostAudio, NewID: NewID,
		Check: func(ask Ask) *Problem { return s.options.Check(ctx, ask) }, Spell: s.options.Spell,
		Send: one.add, Keep: tape.write,
	})
	if err != nil {
		end()
		tape.close()
		return nil, err
	}
	one.machine.Start()
	s.mu.Lock()
	s.open[one] = struct{}{}
	s.metrics.open.Set(float64(len(s.open)))
	s.mu.Unlock()
	one.ended.Go(func() { // ends with Close
		one.work(ctx)
	})
	attributes := []any{slog.String("session", one.id), slog.String("dialect", one.dialect())}
	if o.Client != "" {
		attributes = append(attributes, slog.String("client", o.Client))
	}
	s.log.Info(eventOpened, attributes...)
	return one, nil
}

func (s *Sessions) remove(one *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
	s.metrics.open.Set(float64(len(s.open)))
}

// Count is how many sessions are open.
func (s *Sessions) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Health returns the check of sessions: degraded while one of them waits for the engine.
func (s *Sessions) Health() health.Check {
	return health.Check{Name: "realtime", Critical: false, Probe: func(context.Context) health.Result {
		s.mu.Lock()
		all := make([]*Session, 0, len(s.open))
		for one := range s.open {
			all = append(all, one)
		}
		s.mu.Unlock()
		for _, one := range all {
			if reason := one.late(); reason != "" {
				return health.Result{Status: health.Degraded, Reason: reason}
			}
		}
		return health.Result{Status: health.Healthy}
	}}
}

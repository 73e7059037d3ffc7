package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/ladder"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
)

// eventDegradation is logged with each step of the ladder.
const eventDegradation = "degradation_changed"

const (
	// lookEvery is how often the machine is looked at while there is work, and restEvery while there is none.
	lookEvery, restEvery = 2 * time.Second, 10 * time.Second
	// autoBase and autoFactor give the limit of memory where the settings name none.
	autoBase, autoFactor = 200 << 20, 1.3
	// processorWindow is over which time the use of processors is measured.
	processorWindow = 10 * time.Second
)

// measured is what one look at Scout's processes found.
type measured struct {
	memory  uint64        // of all of them
	ran     time.Duration // on processors, of all of them, those that have ended too
	engines []recognize.Model
	behind  time.Duration // live text
	busy    bool          // there is work: look again soon
}

// strain keeps Scout within its limits. It measures what the processes use, walks the ladder, and tells each step.
type strain struct {
	log    *slog.Logger
	gauge  *metric.Gauge
	steps  *metric.CounterVec
	memory *metric.GaugeVec
	busy   *metric.Gauge
	now    func() time.Time

	// measure looks at the processes. limits are what the settings say.
	measure func() measured
	limits  func() (memoryMB, processorPercent int)
	machine uint64 // memory of the machine or the control group
	// processors is how many there are.
	processors int
	// unload ends the process of a model that nobody uses, and reports whether there was one.
	unload func() bool
	// apply does what a level means, and throttle gives background work a share of the time.
	apply    func(ladder.State)
	throttle func(share float64)
	// tell notes a step in the journal.
	tell func(ladder.Step)
	// note keeps what a look found in history; nil for nobody.
	note    func(now time.Time, r sample)
	history *statusHistory

	wake  chan struct{}
	level atomic.Int32

	mu      sync.Mutex
	ladder  *ladder.Ladder
	last    measured
	soft    uint64
	window  []used // the newest last
	percent float64
	known   bool // percent was measured
	share   float64
}

// used is how long all processes had run at a time.
type used struct {
	at  time.Time
	ran time.Duration
}

func newStrain(scope observe.Scope, now func() time.Time) *strain {
	s := &strain{
		log: scope.Component("strain").Log(), now: now, ladder: ladder.New(now()), wake: make(chan struct{}, 1), share: 1,
		gauge: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_degradation_level", Help: "By how much work is reduced: 0 high (nothing), 1 medium, 2 low, 3 no live text, 4 record only.",
		})),
		steps: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_degradation_steps_total", Help: "Changes of the level of degradation, by the new level.",
		}, []string{"to"})),
		memory: observe.Register(scope, metric.NewGaugeVec(metric.Opts{
			Name: "scout_memory_bytes", Help: "Memory of all processes of Scout (proportional set size), and its limits, by what it is: used, soft, hard.",
		}, []string{"what"})),
		busy: observe.Register(scope, metric.NewGauge(metric.Opts{
			Name: "scout_processor_share", Help: "Share of all processors that Scout used in the last ten seconds, 1 for all.",
		})),
	}
	for _, to := range ladder.Levels() {
		s.steps.WithLabelValues(to.String())
	}
	return s
}

// run looks from time to time until ctx ends.
func (s *strain) run(ctx context.Context) error {
	for ctx.Err() == nil {
		next := restEvery
		if s.look() {
			next = lookEvery
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// hurry makes run look at once.
func (s *strain) hurry() {
	select {
	case s.wake <- struct{}{}:
	default: // it is going to look
	}
}

// look measures once, and does what follows. It reports whether to look again soon.
func (s *strain) look() (soon bool) {
	m, now := s.measure(), s.now()
	memoryMB, processorPercent := s.limits()
	s.mu.Lock()
	s.last, s.soft = m, softLimit(memoryMB, s.machine, m.engines)
	load := ladder.Load{Behind: m.behind, Memory: m.memory, Soft: s.soft, Hard: hardLimit(s.soft), Resting: resting(m.engines)}
	s.mu.Unlock()
	if load.Memory > load.Soft && load.Memory <= load.Hard && s.unload() {
		load.Memory = load.Soft // what is left is seen by the next look
	}
	s.memory.WithLabelValues("used").Set(float64(m.memory))
	s.memory.WithLabelValues("soft").Set(float64(load.Soft))
	s.memory.WithLabelValues("hard").Set(float64(load.Hard))
	s.slow(now, m.ran, processorPercent)
	s.mu.Lock()
	step, taken := s.ladder.Look(load, now)
	state, settled, slowed := s.ladder.State(), s.ladder.Settled(), s.share < 1
	s.mu.Unlock()
	if taken {
		s.took(step, state)
	}
	if s.note != nil {
		s.note(now, s.sample())
	}
	return m.busy || !settled || slowed
}

// sample is what the last look found.
func (s *strain) sample() sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := sample{memory: s.last.memory, soft: s.soft, percent: s.percent, level: int(s.ladder.State().Level), behind: s.last.behind}
	if !s.known {
		r.percent = -1
	}
	return r
}

// took does what a new level means, and tells it.
func (s *strain) took(step ladder.Step, state ladder.State) {
	s.level.Store(int32(step.To)) //nolint:gosec // 0 to 4
	s.apply(state)
	s.gauge.Set(float64(step.To))
	s.steps.WithLabelValues(step.To.String()).Inc()
	attributes := []any{slog.Int("from", int(step.From)), slog.Int("level", int(step.To)), slog.String("name", step.To.String()), slog.String(observe.KeyReason, step.Reason)}
	if step.To > step.From {
		s.log.Warn(eventDegradation, attributes...)
	} else {
		s.log.Info(eventDegradation, attributes...)
	}
	s.tell(step)
}

// slow measures the use of processors over the window and gives background work a share that keeps it within the limit.
func (s *strain) slow(now time.Time, ran time.Duration, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = append(s.window, used{now, ran})
	for len(s.window) > 2 && now.Sub(s.window[1].at) >= processorWindow {
		s.window = s.window[1:]
	}
	first := s.window[0]
	passed := now.Sub(first.at)
	if passed < processorWindow {
		return
	}
	s.percent = 100 * (ran - first.ran).Seconds() / passed.Seconds() / float64(s.processors)
	s.known = true
	s.busy.Set(s.percent / 100)
	share := s.share
	switch most := float64(limit); {
	case s.percent > most:
		share = max(leastShare, share*most/s.percent)
	case s.percent < calmPercent*most && share < 1:
		share = min(1, share*1.25)
	}
	if share != s.share {
		s.share = share
		s.throttle(share)
		s.window = s.window[len(s.window)-1:] // the next window shows what that does
	}
}

const (
	// leastShare is the least share of the time that background work gets: it never stands still.
	leastShare = 0.05
	// calmPercent is the share of the limit below which background work gets more again.
	calmPercent = 0.9
)

// softLimit is the limit of memory: that of the settings, else by the models in use.
func softLimit(memoryMB int, machine uint64, models []recognize.Model) uint64 {
	if memoryMB > 0 {
		return uint64(memoryMB) << 20
	}
	limit := float64(autoBase)
	for i := range models {
		if m := &models[i]; m.Running || !m.Loading.IsZero() {
			limit += autoFactor * float64(m.ExpectBytes)
		}
	}
	if machine > 0 {
		limit = min(limit, float64(machine)/2)
	}
	return uint64(limit)
}

func hardLimit(soft uint64) uint64 { return soft + soft/2 }

// resting reports whether no model works: the breakers of all that were used lately are open.
func resting(models []recognize.Model) bool {
	for i := range models {
		if models[i].Breaker != "open" {
			return false
		}
	}
	return len(models) > 0
}

// degradation is the level as it travels.
func (s *strain) degradation() v1.Degradation {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.ladder.State()
	return v1.Degradation{Level: int(state.Level), Name: state.Level.String(), Reason: state.Reason, Since: v1.TimeOf(state.Since)}
}

// ease is by how much live text is reduced.
func (s *strain) ease() speech.Ease {
	switch l := ladder.Level(s.level.Load()); {
	case l >= ladder.NoLiveText:
		return speech.EaseToTheStop
	case l >= ladder.Low:
		return speech.EaseCommitted
	case l >= ladder.Medium:
		return speech.EaseRhythm
	}
	return speech.EaseNothing
}

// refusal is why no work is taken; nil while it is.
func (s *strain) refusal() error {
	if ladder.Level(s.level.Load()) < ladder.RecordOnly {
		return nil
	}
	return &recordsOnlyError{scout.Errorf(scout.CodeUnavailable, "Scout only records at present, because the machine is short of memory").
		WithHint("%s", recordsOnlyHint)}
}

// recordsOnlyHint says what to do at the last level of the ladder.
const recordsOnlyHint = "close other programs, or raise limits.memory_mb; Scout does more again by itself"

// recordsOnlyError refuses work at the last level of the ladder.
type recordsOnlyError struct{ error }

// Unwrap returns the error with its code.
func (e *recordsOnlyError) Unwrap() error { return e.error }

// RetryAfter is when there may be a better level: a client that asks again then is not refused much longer than it has to be.
func (*recordsOnlyError) RetryAfter() time.Duration { return 30 * time.Second }

// check is the health check of what Scout uses.
func (s *strain) check() health.Check {
	return health.Check{Name: "resources", Probe: func(context.Context) health.Result {
		s.mu.Lock()
		defer s.mu.Unlock()
		state := s.ladder.State()
		result := health.Result{Status: health.Healthy, Metadata: map[string]string{
			"level": strconv.Itoa(int(state.Level)), "memory_bytes": strconv.FormatUint(s.last.memory, 10), "memory_soft_bytes": strconv.FormatUint(s.soft, 10),
			"processor_percent": strconv.FormatFloat(s.percent, 'f', 0, 64), "batch_share": strconv.FormatFloat(s.share, 'f', 2, 64),
		}}
		if state.Level > ladder.High {
			result.Status, result.Reason = health.Degraded, fmt.Sprintf("level %d (%s): %s", state.Level, state.Level, state.Reason)
		}
		return result
	}}
}

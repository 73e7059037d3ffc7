// Package schedule decides whose turn it is on this machine. There is one Scheduler, whose slots are CPUs. A turn is
// one request's use of a slot, whichever model it needs. The most urgent class comes first. Within a class clients
// share the slots by the amount of audio that they send, and a client's requests keep their order.
// docs/adr/0032-scheduler.md.
package schedule

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// Options configure a Scheduler. Zero values mean the defaults beside each field.
type Options struct {
	// Slots is how many turns run at the same time; default one for each CPU that this process may use, but at least
	// two, so that a person has one beside background work.
	Slots int
	// Background is how many of them background work may have while nobody waits; default all but one. If it has all of
	// them, a request that somebody waits for takes one.
	Background int
	// Reserve is how long background work leaves a slot free after a request that somebody waits for; default 10 s.
	Reserve time.Duration
	// MostWaiting bounds the requests of each class that wait; default 1000. More are refused with a BusyError.
	MostWaiting int
}

// Scheduler grants turns. It is safe for concurrent use.
type Scheduler struct {
	options Options
	metrics *metrics

	mu       sync.Mutex
	slots    limits
	waiting  []*Turn // in no order; see before
	running  []*Turn // in the order in which they began
	arrivals uint64
	virtual  time.Duration // the fair-queueing tag of the turn that began last
	finish   map[flow]time.Duration
	someone  time.Time     // when a request that somebody waits for last came or left
	usual    time.Duration // the duration of turns, a moving mean
	lookAt   time.Time     // when a timer grants turns, because a reserve or a pause is over; zero for none
	most     int           // a lower limit of slots than slots.total, 0 for none
	share    float64       // of the slots that background work may have, 1 for all
	pausing  int           // turns that run and after which the share asks for a pause: at most one begins while none runs
	rested   time.Time     // when that pause is over
	quiet    []chan struct{}
	returns  resilience.Returns // of each class
}

// flow is one client's share of the slots within a class.
type flow struct {
	class  Class
	client string
}

// limits are a number of slots and how many of them are taken.
type limits struct {
	total      int
	background int // most for background work, 0 for all but one
	busy       int
	busyBelow  int // of background work
}

// New returns a scheduler.
func New(scope observe.Scope, o Options) *Scheduler {
	if o.Slots <= 0 {
		o.Slots = max(runtime.GOMAXPROCS(0), 2)
	}
	if o.Reserve <= 0 {
		o.Reserve = 10 * time.Second // a person who dictates asks again within a second or two
	}
	if o.MostWaiting <= 0 {
		o.MostWaiting = 1000
	}
	return &Scheduler{
		options: o, metrics: newMetrics(scope), finish: map[flow]time.Duration{}, usual: 300 * time.Millisecond, share: 1,
		slots: limits{total: o.Slots, background: o.Background},
	}
}

// Share is one model's part of the machine: how many requests it can run at once.
type Share struct {
	scheduler *Scheduler
	slots     limits
	exclusive bool // a turn runs that allows no other of the model
	waiting   int
}

// Share returns the part of a model that runs that many requests at once, of which background may be background work (0
// for all but one).
func (s *Scheduler) Share(slots, background int) *Share {
	return &Share{scheduler: s, slots: limits{total: max(slots, 1), background: background}}
}

// Resize sets how many requests the model runs at once.
func (h *Share) Resize(slots int) {
	s := h.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	h.slots.total = max(slots, 1)
	s.grant()
}

// Limit lowers the number of turns that run at the same time; 0 ends that. Turns that run go on.
func (s *Scheduler) Limit(most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = most
	s.grant()
}

// leastShare is the least share of the time that background work has: it never stands still.
const leastShare = 0.05

// Throttle gives background work that share of the slots that it may have, from 0 to 1. What is left beside whole slots is part of the time of one
// more: there is a pause after each turn in it, in proportion to the turn. Requests that somebody waits for are not slowed.
func (s *Scheduler) Throttle(share float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.share = min(max(share, leastShare), 1); s.share == 1 {
		s.rested = time.Time{}
	}
	s.grant()
}

// Ask is a request for a turn.
type Ask struct {
	Class Class
	// Client is who the request is from; clients share the slots fairly.
	Client string
	// Audio is how much there is to decode, the measure of fairness.
	Audio time.Duration
	// Exclusive is a turn during which the model runs nothing else.
	Exclusive bool
	// Preempt is called at most once, at any time during the turn, if a more urgent request needs the slot. The turn
	// must then be released soon. Preempt must not block.
	Preempt func()
	// After is an earlier turn of the same request, whose place in the queue it keeps; nil for none.
	After *Turn
}

// Turn is a place in the queue, then the use of a slot.
type Turn struct {
	share   *Share
	ask     Ask
	tag     time.Duration // start tag of fair queueing
	arrival uint64
	granted chan struct{}
	asked   time.Time
	began   time.Time
	leaving bool // preempted
	pauses  bool // a pause follows: see Throttle
	over    bool
}

// BusyError refuses a request because too many are already waiting.
type BusyError struct {
	// After is when to try again.
	After time.Duration
	err   error
}

// Error says how many wait and when to try again.
func (e *BusyError) Error() string { return e.err.Error() }

// Unwrap returns an error with the code busy.
func (e *BusyError) Unwrap() error { return e.err }

// Acquire waits for a turn until ctx ends. The caller must release the turn. It fails with a BusyError if too many
// requests of the class wait.
func (h *Share) Acquire(ctx context.Context, ask Ask) (*Turn, error) {
	s := h.scheduler
	t := &Turn{share: h, ask: ask, granted: make(chan struct{}), asked: time.Now()}
	s.mu.Lock()
	if err := s.enter(t); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	s.grant()
	s.mu.Unlock()
	select {
	case <-t.granted:
		return t, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-t.granted: // granted at the same moment: pass it on
		s.give(t)
	default:
		s.leaveQueue(t)
		s.tellQuiet()
	}
	return nil, context.Cause(ctx)
}

// enter puts a turn into the queue. The caller holds the lock.
func (s *Scheduler) enter(t *Turn) error {
	class := t.ask.Class
	if again := t.ask.After; again != nil {
		t.tag, t.arrival = again.tag, again.arrival
	} else {
		n := 0
		for _, w := range s.waiting {
			if w.ask.Class == class {
				n++
			}
		}
		if n >= s.options.MostWaiting {
			s.metrics.refused.WithLabelValues(class.String()).Inc()
			every := s.usual / time.Duration(s.slots.total)
			after := s.returns.After(class.String(), time.Now(), every*time.Duration(n), every).Round(time.Second)
			return &BusyError{After: after, err: scout.Errorf(scout.CodeBusy, "%d requests are already waiting", n).WithHint("try again in %s", after)}
		}
		s.arrivals++
		t.arrival = s.arrivals
		f := flow{class, t.ask.Client}
		t.tag = max(s.virtual, s.finish[f])
		s.finish[f] = t.tag + max(t.ask.Audio, 100*time.Millisecond)
	}
	if !class.Background() {
		s.someone = time.Now()
	}
	s.waiting = append(s.waiting, t)
	t.share.waiting++
	s.metrics.waiting.WithLabelValues(class.String()).Inc()
	return nil
}

func (s *Scheduler) leaveQueue(t *Turn) {
	s.waiting = slices.DeleteFunc(s.waiting, func(w *Turn) bool { return w == t })
	t.share.waiting--
	s.metrics.waiting.WithLabelValues(t.ask.Class.String()).Dec()
}

// Release gives the slot back. It may be called more than once.
func (t *Turn) Release() {
	s := t.share.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	s.give(t)
}

// give takes a slot back and passes it on. The caller holds the lock.
func (s *Scheduler) give(t *Turn) {
	if t.over {
		return
	}
	t.over = true
	s.running = slices.DeleteFunc(s.running, func(r *Turn) bool { return r == t })
	for _, l := range []*limits{&s.slots, &t.share.slots} {
		l.busy--
		if t.ask.Class.Background() {
			l.busyBelow--
		}
	}
	if t.ask.Exclusive {
		t.share.exclusive = false
	}
	if !t.ask.Class.Background() {
		s.someone = time.Now()
	}
	if t.pauses {
		s.pausing--
		if _, part := s.allowance(); part > 0 {
			s.rested = time.Now().Add(min(time.Duration(float64(time.Since(t.began))*(1/part-1)), longestPause))
		}
	}
	const weight = 8 // of the past, in the moving mean
	s.usual += (time.Since(t.began) - s.usual) / weight
	s.metrics.running.WithLabelValues(t.ask.Class.String()).Dec()
	s.grant()
	s.tellQuiet()
}

// longestPause bounds the pause after a turn of background work.
const longestPause = time.Minute

// before compares two waiting turns: the smaller one comes first.
func (t *Turn) before(other *Turn) int {
	if d := other.ask.Class.rank() - t.ask.Class.rank(); d != 0 {
		return d
	}
	if t.tag != other.tag {
		if t.tag < other.tag {
			return -1
		}
		return 1
	}
	if t.arrival < other.arrival {
		return -1
	}
	return 1
}

// Quiet waits until no slot of the model is busy and nobody waits for one, or until ctx ends.
func (h *Share) Quiet(ctx context.Context) error {
	s := h.scheduler
	for {
		s.mu.Lock()
		if h.slots.busy+h.waiting == 0 {
			s.mu.Unlock()
			return nil
		}
		told := make(chan struct{})
		s.quiet = append(s.quiet, told)
		s.mu.Unlock()
		select {
		case <-told:
		case <-ctx.Done():
			return fmt.Errorf("wait for the engine to be quiet: %w", context.Cause(ctx))
		}
	}
}

// tellQuiet wakes the callers of Quiet to check again. The caller holds the lock.
func (s *Scheduler) tellQuiet() {
	for _, told := range s.quiet {
		close(told)
	}
	s.quiet = nil
}

package files

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/resilience"
)

// How many files are decoded at the same time. Each takes some megabytes and, for some formats, a process of a decoder. More than the
// processors can serve gain nothing; but the files of one moment may all be long, and whoever comes then does not wait for their end.
const (
	usualPlaces   = 16
	mostPlaces    = 64
	furtherEvery  = 2 * time.Second // after so long at the head of the line there is one place more
	usualInterval = 300 * time.Millisecond
)

// line gives requests their places: fairly among clients, and in order for each of them.
type line struct {
	metrics *metrics

	mu      sync.Mutex
	waiting []*waiter // in the order in which they came
	held    map[string]int
	taken   int
	granted map[string]uint64 // when a client had its last place
	count   uint64
	widened time.Time     // when there was one place more
	last    time.Time     // of the last place that was given while others waited
	pace    time.Duration // between two of them, a moving mean
	returns resilience.Returns
}

type waiter struct {
	client  string
	granted chan struct{}
	at      time.Time
}

func newLine(m *metrics) *line {
	return &line{metrics: m, held: make(map[string]int), granted: make(map[string]uint64), pace: usualInterval}
}

// busy says when there may be a place: about after so long, and for each further one that is refused at the pace of the line later. The caller
// holds the lock.
func (l *line) busy(after time.Duration) error {
	after = l.returns.After("", time.Now(), after, l.pace)
	return resilience.RetryAfter(scout.Errorf(scout.CodeBusy, "too many requests wait: about %s until there is a place", after.Round(time.Second)), after)
}

// enter waits for a place for at most within. It refuses at once where that is expected to take longer.
func (l *line) enter(ctx context.Context, client string, within time.Duration) (leave func(), err error) {
	l.mu.Lock()
	me := &waiter{client: client, granted: make(chan struct{}), at: time.Now()}
	l.waiting = append(l.waiting, me)
	l.grant()
	if expected := l.expected(me); expected > within {
		defer l.mu.Unlock()
		l.forget(me)
		return nil, l.busy(expected)
	}
	l.mu.Unlock()
	further := time.NewTicker(furtherEvery)
	defer further.Stop()
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		select {
		case <-me.granted:
			l.metrics.wait.Observe(time.Since(me.at).Seconds())
			return sync.OnceFunc(func() { l.leave(client) }), nil
		case <-further.C:
			l.further(me)
		case <-limit.C:
			if err := l.give(me, func() error { return l.busy(within) }); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			if err := l.give(me, func() error { return context.Cause(ctx) }); err != nil {
				return nil, err
			}
		}
	}
}

// give takes a request out of the line, and returns why; nil where it has its place by now.
func (l *line) give(me *waiter, why func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.waiting, me) {
		return nil
	}
	l.forget(me)
	return why()
}

func (l *line) forget(me *waiter) {
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool { return w == me })
	l.metrics.waiting.Set(float64(len(l.waiting)))
}

// further gives one more place to the request that is next, after it has waited for long.
func (l *line) further(me *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.next() == me && l.taken < mostPlaces && now.Sub(l.widened) >= furtherEvery {
		l.widened = now
		l.take(me)
	}
}

// leave gives a place back.
func (l *line) leave(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	if l.held[client]--; l.held[client] == 0 {
		delete(l.held, client)
	}
	if len(l.waiting) == 0 && l.taken == 0 {
		clear(l.granted)
	}
	l.grant()
}

func (l *line) grant() {
	for l.taken < usualPlaces {
		me := l.next()
		if me == nil {
			break
		}
		l.take(me)
	}
	l.metrics.waiting.Set(float64(len(l.waiting)))
}

// next is the request of the client with the fewest places; among these, of the one whose last place was given first.
func (l *line) next() (first *waiter) {
	for _, w := range l.waiting {
		if first == nil || l.held[w.client] < l.held[first.client] || l.held[w.client] == l.held[first.client] && l.granted[w.client] < l.granted[first.client] {
			first = w
		}
	}
	return first
}

func (l *line) take(me *waiter) {
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool { return w == me })
	l.taken++
	l.held[me.client]++
	l.count++
	l.granted[me.client] = l.count
	const weight = 8 // of the mean
	now := time.Now()
	if !l.last.IsZero() {
		l.pace += (now.Sub(l.last) - l.pace) / weight
	}
	if l.last = now; len(l.waiting) == 0 { // the next interval is nobody's wait
		l.last = time.Time{}
	}
	close(me.granted)
}

// expected is how long a request will wait: as many as come before it, at the pace of the last ones.
func (l *line) expected(me *waiter) time.Duration {
	if !slices.Contains(l.waiting, me) {
		return 0
	}
	ahead, rounds := 0, 0 // of others, of its own client
	for _, w := range l.waiting {
		if w == me {
			break
		}
		if w.client == me.client {
			rounds++
		}
	}
	others := make(map[string]int)
	for _, w := range l.waiting {
		if w.client != me.client && others[w.client] <= rounds {
			others[w.client]++
			ahead++
		}
	}
	return time.Duration(ahead+rounds+1) * l.pace
}

// places is a number of places for which nobody waits.
type places struct{ free chan struct{} }

func newPlaces(n int) places { return places{make(chan struct{}, n)} }

// take takes a place, if there is one.
func (p places) take() bool {
	select {
	case p.free <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) leave() { <-p.free }

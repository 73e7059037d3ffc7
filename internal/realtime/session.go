package realtime

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech"
)

// What a session may owe before it takes no more messages: they wait with the client.
const (
	mostWaiting    = 16 << 20  // bytes of items: 32,000, unless each has texts of its own
	mostSound      = time.Hour // that nobody has heard: it lies on the disk
	mostEvents     = 512       // that the client has not taken
	mostEventBytes = 1 << 20
	// largeMessage is what is taken of few sessions at a time: a message is in memory twice meanwhile.
	largeMessage = 1 << 20
	mostLarge    = 2
)

// Session is one session. Its methods may be called from any goroutine.
type Session struct {
	of     *Sessions
	id     string
	client string
	tape   *tape
	began  time.Time
	end    context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	news    chan struct{} // closed and made anew when something changes
	machine *Machine
	events  []Event
	bytes   int // of events
	over    bool
	closed  bool
	// finishing says that messages are not taken any more.
	finishing bool
	woken     bool // a timer will search for turns again
	// owed is why the engine gives no text, nil if it may, and failing since when it heard nothing because of failures.
	owed    error
	failing time.Time
	behind  time.Time // since when text is late; zero if it is not
	turn    time.Time // when the item that is transcribed had its turn
	counter *counter  // of the model that was used last; of who transcribes
	said    said      // before the item that is transcribed; of who transcribes
	unheard float64   // how many seconds of its sound the metrics say that nobody heard
	// lateness is what health sees of owed and behind.
	lateness atomic.Pointer[lateness]
}

// dialect names the dialect, for logs and metrics. The caller holds the lock, or is alone.
func (s *Session) dialect() string {
	if s.machine.Beta() {
		return "beta"
	}
	return "ga"
}

// changed wakes whoever waits for something. The caller holds the lock.
func (s *Session) changed() {
	close(s.news)
	s.news = make(chan struct{})
	if !s.closed {
		_, _, unheard := s.machine.Waiting()
		s.tellUnheard(unheard)
	}
	if s.machine.Blocked() && !s.woken && !s.closed {
		s.woken = true
		time.AfterFunc(waitsWithin, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.woken = false; !s.closed {
				s.machine.Advance(time.Now())
				s.changed()
			}
		})
	}
}

// tellUnheard tells the metrics how much sound was not heard: they have the sum of all sessions. The caller holds the lock.
func (s *Session) tellUnheard(sound time.Duration) {
	s.of.metrics.unheard.Add(sound.Seconds() - s.unheard)
	s.unheard = sound.Seconds()
}

// with runs something with the machine.
func (s *Session) with(do func(*Machine)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		do(s.machine)
		s.changed()
	}
}

// add takes an event for the client. The caller holds the lock.
func (s *Session) add(e Event) {
	s.bytes += e.size()
	if e.Type == typeError {
		s.of.metrics.errors.WithLabelValues(e.Code).Inc()
	}
	if n := len(s.events); n > 0 && e.Type == typeDelta && s.events[n-1].Type == typeDelta && s.events[n-1].Item == e.Item {
		last := &s.events[n-1]
		last.Delta += e.Delta
		if last.LogProbs == nil || e.LogProbs == nil { // of all or of none
			last.LogProbs, e.LogProbs = nil, nil
		}
		last.LogProbs = append(last.LogProbs, e.LogProbs...)
		return
	}
	s.events = append(s.events, e)
}

// Take takes a message of the client. Its error ends the session.
func (s *Session) Take(data []byte, binary bool) error {
	if len(data) > largeMessage {
		s.of.large <- struct{}{}
		defer func() { <-s.of.large }()
	}
	var in *message
	if !binary {
		in = parse(data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return io.ErrClosedPipe
	}
	if s.finishing {
		return nil // it was told nothing of it
	}
	defer s.changed()
	if binary {
		return s.machine.Binary()
	}
	return s.machine.take(in, time.Now())
}

// Room waits until the session takes another message. It returns the cause of ctx if that ends before, and why the engine hears nothing if it
// does not for as long as an item would wait: the client may have gone, which only reading tells.
//
//	waits  told once if it has to wait
func (s *Session) Room(ctx context.Context, waits func()) error {
	var stuck <-chan time.Time
	var heard int64
	waited := false
	for {
		s.mu.Lock()
		items, weight, sound := s.machine.Waiting()
		if sound >= s.of.options.MostUnheard && items == 0 && s.of.ease() >= speech.EaseToTheStop { // nothing is heard before the end of an item
			s.machine.EndFull(time.Now())
			s.changed()
		}
		room := weight < mostWaiting && sound < s.of.options.MostUnheard && len(s.events) < mostEvents && s.bytes < mostEventBytes
		news, why := s.news, s.owed
		progress := s.machine.heard
		s.mu.Unlock()
		if room {
			return nil
		}
		if stuck == nil || progress > heard {
			stuck, heard = time.After(s.of.options.Patience), progress
		}
		if !waited {
			waited = true
			s.of.metrics.waits.Inc()
			waits()
		}
		select {
		case <-stuck:
			return cmp.Or(why, error(scout.Errorf(scout.CodeEngineTimeout, "the engine heard nothing of a session with much sound for too long")))
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Next waits for an event for the client. Its error is io.EOF after Over, when all were taken, and the cause of ctx if that ends before.
func (s *Session) Next(ctx context.Context) ([]byte, error) {
	for {
		s.mu.Lock()
		if len(s.events) > 0 {
			e := s.events[0]
			s.events[0] = Event{}
			s.events = s.events[1:]
			s.bytes -= e.size()
			data, err := s.machine.Encode(&e)
			s.changed()
			s.mu.Unlock()
			return data, err
		}
		over, news := s.over, s.news
		s.mu.Unlock()
		if over {
			return nil, io.EOF
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Expires is when the session may last no longer.
func (s *Session) Expires() time.Time { return s.machine.o.Expires }

// Expire tells the client that the session has expired.
func (s *Session) Expire() { s.with((*Machine).Expire) }

// Fail tells the client why the session ends, which is not its fault.
func (s *Session) Fail(err error) {
	s.with(func(m *Machine) { m.Fail(string(scout.CodeOf(err)), scout.Plain(err)) })
}

// Finish ends the item that is open, if there is speech in it, and returns when all items are text, or with ctx.
func (s *Session) Finish(ctx context.Context) {
	s.with(func(m *Machine) {
		s.finishing = true
		_ = m.Finish(time.Now()) // what cannot be kept is not heard either
	})
	for {
		s.mu.Lock()
		items, _, _ := s.machine.Waiting()
		news := s.news
		s.mu.Unlock()
		if items == 0 {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// Over says that nothing more comes: Next returns what is left.
func (s *Session) Over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.changed()
}

// completed tells the text of an item.
//
//	counted  what the engine says of its tokens, nil if they are not wanted
func (s *Session) completed(it *Item, language string, nothing bool, counted *counter) {
	if nothing {
		s.failed(it, scout.Errorf(scout.CodeAudioSetAside, "the engine failed on this audio, also when it was alone"))
		return
	}
	took := time.Since(it.Committed)
	s.of.metrics.items.WithLabelValues("completed").Inc()
	s.with(func(m *Machine) { m.Done(it, []string{language}, counted.tokens(m, it)) })
	s.of.metrics.text.WithLabelValues("realtime").Observe(took.Seconds())
	s.tape.drop(it.End - contextFrames)
}

// failed tells that there will be no text of an item.
func (s *Session) failed(it *Item, why error) {
	s.of.log.Warn(eventItemFailed, slog.String("session", s.id), slog.String(observe.KeyCode, string(scout.CodeOf(why))), slog.String(observe.KeyError, scout.Plain(why)))
	_ = s.of.options.Failures.Count(why) // it returns its argument
	s.of.metrics.items.WithLabelValues("failed").Inc()
	s.with(func(m *Machine) { m.Failed(it, scout.Plain(why)) })
	s.tape.drop(it.End)
}

// Close ends the session. outcome is for the metrics, code for the log, empty for none.
func (s *Session) Close(outcome string, code scout.Code) {
	s.mu.Lock()
	s.closed = true
	s.tellUnheard(0)
	dialect, length, items := s.dialect(), s.machine.Length(), s.machine.Items
	s.mu.Unlock()
	s.end()
	s.ended.Wait()
	s.tape.close()
	s.of.remove(s)
	s.of.metrics.sessions.WithLabelValues(dialect, outcome).Inc()
	attributes := []any{
		slog.String("session", s.id), slog.String("dialect", dialect), slog.Int64(observe.KeyDurationMS, time.Since(s.began).Milliseconds()),
		slog.Int64(observe.KeyAudioMS, length.Milliseconds()), slog.Int("items", items), slog.String("outcome", outcome),
	}
	if s.client != "" {
		attributes = append(attributes, slog.String("client", s.client))
	}
	if code != "" {
		attributes = append(attributes, slog.String(observe.KeyCode, string(code)))
	}
	s.of.log.Info(eventClosed, attributes...)
}

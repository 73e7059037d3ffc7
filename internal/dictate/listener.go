package dictate

import (
	"log/slog"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// listenerBuffer is how many passing events a listener may be behind: partial texts of several seconds.
const listenerBuffer = 16

// Listener gets the events of a dictation that are not kept.
type Listener struct {
	// Newest is the partial text at the time of listening, nil for none.
	Newest  *event.Event
	partial *fanout.Subscription[event.Event]
	level   *fanout.Subscription[event.Event] // nil if no levels are wanted
}

func (s *session) listen(levels bool) *Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &Listener{partial: s.passing.Subscribe(listenerBuffer), Newest: s.partial}
	if levels {
		l.level = s.levels.Subscribe(listenerBuffer)
	}
	return l
}

// Partial is the stream of partial texts. It is closed when the dictation ends.
func (l *Listener) Partial() <-chan fanout.Item[event.Event] { return l.partial.Items() }

// Levels is the stream of levels, nil if none are wanted. It is closed when the dictation ends.
func (l *Listener) Levels() <-chan fanout.Item[event.Event] {
	if l.level == nil {
		return nil
	}
	return l.level.Items()
}

// Close ends the listening.
func (l *Listener) Close() {
	l.partial.Close()
	if l.level != nil {
		l.level.Close()
	}
}

// Delivery is how a client delivered a text.
type Delivery struct {
	Method  string // paste, type, copy, none
	Proved  bool
	Version int
	Kind    string // of the version
	Code    scout.Code
}

// Inserted notes how a client delivered the text of a dictation.
func (d *Dictations) Inserted(id recording.ID, by Delivery) {
	d.metrics.inserted.WithLabelValues(by.Method).Inc()
	d.log.Info(eventInserted, slog.String(recording.KeyRecording, string(id)), slog.String("method", by.Method), slog.Bool("proved", by.Proved),
		slog.Int("version", by.Version), slog.String("kind", by.Kind), slog.String(observe.KeyCode, string(by.Code)))
}

package capture

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// Reasons of gaps. They are part of the public contract.
const (
	// GapDeviceLost is a device that went away.
	GapDeviceLost scout.GapReason = "device_lost"
	// GapServerLost is a sound server that ended or restarted.
	GapServerLost scout.GapReason = "server_lost"
	// GapStalled is a device that stopped delivering without a word.
	GapStalled scout.GapReason = "device_stalled"
	// GapSuspended is a device that the system put to sleep.
	GapSuspended scout.GapReason = "device_suspended"
	// GapMissing is frames that the device or the sound server dropped while the stream went on.
	GapMissing scout.GapReason = "frames_missing"
	// GapOverrun is frames that came faster than this program took them from the callback.
	GapOverrun scout.GapReason = "callback_overrun"
)

// GapReasons are all reasons of gaps that capture makes.
func GapReasons() []scout.GapReason {
	return []scout.GapReason{GapDeviceLost, GapServerLost, GapStalled, GapSuspended, GapMissing, GapOverrun}
}

// State is what a session does.
type State string

// The states of a session.
const (
	StateIdle      State = "idle"
	StateStarting  State = "starting"
	StateRecording State = "recording"
	StateStopping  State = "stopping"
	StateFailed    State = "failed"
)

// EventKind says what happened. Kinds are part of the public contract.
type EventKind string

// The kinds of events. Beside each: the fields that it sets besides Kind, At and Frame.
const (
	EventStateChanged  EventKind = "state_changed"  // State
	EventDeviceOpened  EventKind = "device_opened"  // Device: first frames came
	EventDeviceChanged EventKind = "device_changed" // Device: the system moved the stream
	EventDeviceLost    EventKind = "device_lost"    // Device, Reason: no frames until it is back
	EventGapBegan      EventKind = "gap_began"      // Gap without its length
	EventGapEnded      EventKind = "gap_ended"      // Gap
	EventInputEnded    EventKind = "input_ended"    // a file or signal played to its end
	EventFailed        EventKind = "failed"         // Err
)

// Event is something that happened to a session.
type Event struct {
	Kind EventKind
	At   time.Time
	// Frame is the position in the ring.
	Frame  ring.Position
	State  State
	Device sound.Device
	Reason scout.GapReason
	Gap    Gap
	Err    error
}

// Subscription receives the events of a session.
type Subscription struct {
	events chan Event
	missed atomic.Uint64
	owner  *broadcast
}

// Events is the stream of events. It is closed when the session ended or the subscription was
// closed.
func (s *Subscription) Events() <-chan Event { return s.events }

// Missed is how many events came while the channel was full: they are lost to this subscriber, who
// asks Session.Status and Session.Gaps for how things are.
func (s *Subscription) Missed() uint64 { return s.missed.Load() }

// Close ends the subscription. It may be called repeatedly.
func (s *Subscription) Close() { s.owner.remove(s) }

// broadcast hands events to subscribers and waits for none of them.
type broadcast struct {
	mu     sync.Mutex
	all    map[*Subscription]struct{}
	closed bool
}

func (b *broadcast) add(buffer int) *Subscription {
	s := &Subscription{events: make(chan Event, max(buffer, 1)), owner: b}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		close(s.events)
		return s
	}
	if b.all == nil {
		b.all = make(map[*Subscription]struct{})
	}
	b.all[s] = struct{}{}
	return s
}

func (b *broadcast) remove(s *Subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.all[s]; ok {
		delete(b.all, s)
		close(s.events)
	}
}

func (b *broadcast) send(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.all {
		select {
		case s.events <- e:
		default:
			s.missed.Add(1)
		}
	}
}

func (b *broadcast) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for s := range b.all {
		delete(b.all, s)
		close(s.events)
	}
}

package capture

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/copies"
	"github.com/scout-speech/scout/internal/audio/level"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/intake"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/fault"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/wake"
)

// LossPolicy says what to record while the device is away.
type LossPolicy string

// The policies; docs/adr/0022-gap-policy.md.
const (
	// LossAuto follows a device that was named, and the default device wherever it goes.
	LossAuto LossPolicy = "auto"
	// LossFollow records silence until the device is back.
	LossFollow LossPolicy = "follow"
	// LossDefault continues with the system's default device.
	LossDefault LossPolicy = "default"
)

// Options are the settings of a session. The zero value means the defaults given at each field, except for Format.
type Options struct {
	// Device is an ID, a name, a part of one, or a virtual device (virtual.Is); default the system's.
	Device string
	// Format is the format of the ring. All of it must be set; the device's frames are converted.
	Format scout.Format
	// Buffer is the length of the ring; default 60 s, rounded up to a power of two of frames.
	Buffer time.Duration
	// Warm keeps the device open while nothing is recorded, so that a recording begins at once and with audio from
	// before.
	Warm bool
	// Preroll is how much of that audio is put before a recording, before the moment at which it was asked for; default 500 ms,
	// negative for none.
	Preroll time.Duration
	// OnLoss says what to record while the device is away; default LossAuto.
	OnLoss LossPolicy
	// StartTimeout bounds the time until the first frames; default 5 s. A sleeping device takes 2 s.
	StartTimeout time.Duration
	// StallAfter is how long a device may deliver nothing; default 400 ms.
	StallAfter time.Duration
	// Meter are the time constants of the level meter.
	Meter level.MeterOptions
	// Backend is the sound system; nil for the one that Open finds for Device.
	Backend sound.Backend
	// System says how Open reaches it.
	System sound.Options
	Scope  observe.Scope
	// Copies, if set, is called where audio is copied.
	Copies copies.Watch
	// Faults lets tests make goroutines fail.
	Faults fault.Points
}

// Names of the goroutines of a session, for fault.Points.
const (
	GoroutineOwner   = "capture.owner"   // moves frames from the device into the ring
	GoroutineOpening = "capture.opening" // opens a device
	GoroutineClosing = "capture.closing" // closes or wakes a device
	GoroutineDevice  = virtual.Goroutine // of a virtual device: delivers its frames
)

// Started says where a recording begins.
type Started struct {
	// From is the position in the ring of the recording's first frame, pre-roll included.
	From ring.Position
	// PrerollFrames of them were captured before the start was requested.
	PrerollFrames uint64
	// FirstAt is when the first frame was captured, by the times at which the device delivered its blocks: however late this program
	// takes them, it is the same. It is not after the return of Start.
	FirstAt time.Time
	// Waited is the time from the call to the first frames: 0 with a warm device.
	Waited time.Duration
	Device sound.Device
	// DeviceFormat is the format of the device, before conversion.
	DeviceFormat sound.Format
}

// Stopped says how a recording ended.
type Stopped struct {
	// From and End are positions in the ring: the recording lies between them.
	From, End ring.Position
	// Gaps lie within, in the order of position.
	Gaps []Gap
	// DriftPPM is how much faster the device's clock ran than the machine's; nil if the recording was too short to
	// tell.
	DriftPPM *float64
}

// Status is the state of a session at one moment.
type Status struct {
	State State
	// Outage is why no frames come at present; empty while they do, and while no device is open.
	Outage scout.GapReason
	// Device is the current device, or the last one.
	Device       sound.Device
	DeviceFormat sound.Format
	// Position is the ring's head. From is where the current recording began.
	Position, From ring.Position
	// FrameAge is the time since the newest frame came; 0 before the first.
	FrameAge time.Duration
	// Gaps is the number of gaps in the current recording, or in the last one.
	Gaps int
	// DriftPPM as in Stopped.
	DriftPPM *float64
	// Callback is the latency of the device's callback.
	Callback intake.Latency
	// NativeCallback is true if that is the callback in C; false for virtual devices, and if Go's own has to be used.
	NativeCallback bool
	// Err is why the state is failed.
	Err error
}

// Session records one device. Make it with New, run it with Run, and then use the other methods from any goroutine.
type Session struct {
	options Options
	follow  bool
	ring    *ring.Ring
	meter   *level.Meter
	metrics *metrics
	log     *slog.Logger
	events  fanout.Hub[Event]
	// failures counts panics of the session's goroutines.
	failures *observe.Failures
	epoch    time.Time

	commands chan *command
	ended    chan struct{}

	status    atomic.Pointer[Status]       // the part that changes with events
	changes   wake.Bell                    // rings when status changed
	failure   atomic.Pointer[error]        // why Run ended, unless its caller wanted it
	beat      atomic.Int64                 // since epoch, when Run last began a round
	lastFrame atomic.Int64                 // since epoch, of the newest block; -1 before the first
	driftPPM  atomic.Uint64                // bits of a float64, NaN for unknown
	intake    atomic.Pointer[intake.Queue] // of the open device

	gaps ledger // of the recording under way or the last one

	owner owner
}

// New returns a session that is idle. It opens nothing.
func New(o Options) (*Session, error) {
	if err := o.Format.Validate(); err != nil {
		return nil, fmt.Errorf("format to record in: %w", err)
	}
	if o.OnLoss == "" {
		o.OnLoss = LossAuto
	}
	if !slices.Contains([]LossPolicy{LossAuto, LossFollow, LossDefault}, o.OnLoss) {
		return nil, scout.Errorf(scout.CodeConfigInvalid, "policy for a lost device %q: want %s, %s or %s", o.OnLoss, LossAuto, LossFollow, LossDefault)
	}
	o.System.Faults = o.Faults
	o.Buffer = orDefault(o.Buffer, time.Minute)
	o.StartTimeout = orDefault(o.StartTimeout, 5*time.Second)
	o.StallAfter = orDefault(o.StallAfter, 400*time.Millisecond)
	if o.Preroll == 0 {
		o.Preroll = 500 * time.Millisecond
	}
	s := &Session{
		options: o, meter: level.NewMeter(o.Meter), metrics: newMetrics(o.Scope), log: o.Scope.Component("capture").Log(),
		failures: observe.NewFailures(o.Scope),
		follow:   o.OnLoss == LossFollow || o.OnLoss == LossAuto && !sound.IsDefault(o.Device),
		epoch:    time.Now(),
		commands: make(chan *command), ended: make(chan struct{}),
	}
	buffered, err := ring.New(ring.Options{
		FrameBytes: o.Format.FrameBytes(), Frames: int(max(o.Format.Frames(o.Buffer), 1)), OnEvicted: s.metrics.evicted,
		Copies: o.Copies,
	})
	if err != nil {
		return nil, scout.Errorf(scout.CodeConfigInvalid, "buffer of %v: %w", o.Buffer, err)
	}
	s.ring = buffered
	s.status.Store(&Status{State: StateIdle})
	s.lastFrame.Store(-1)
	s.driftPPM.Store(math.Float64bits(math.NaN()))
	s.owner = newOwner(s)
	return s, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// Ring returns the ring where frames arrive, in the format of the options. It is closed when the session or its input
// has ended.
func (s *Session) Ring() *ring.Ring { return s.ring }

// Meter returns the level meter. It also works while nothing is recorded but the device is open.
func (s *Session) Meter() *level.Meter { return s.meter }

// Err returns why the session ended, unless its caller or the end of its input ended it; nil while it runs. Nothing
// more is added to the ring then.
func (s *Session) Err() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Silent returns how long Run has begun no round although it is recording, which means that its goroutine hangs. It is
// 0 if nothing is recorded.
func (s *Session) Silent() time.Duration {
	switch s.status.Load().State {
	case StateRecording, StateStopping:
		return max(time.Since(s.epoch)-time.Duration(s.beat.Load()), 0)
	}
	return 0
}

// Format is that of the ring.
func (s *Session) Format() scout.Format { return s.options.Format }

// Subscribe returns the events from now on, with a buffer for unread ones. A receiver that missed some should call
// Status and Gaps. The subscription is closed when the session ends.
func (s *Session) Subscribe(buffer int) *fanout.Subscription[Event] {
	return s.events.Subscribe(buffer)
}

// Gaps returns the gaps of the current recording, or of the last one. A gap that is not over has its length so far.
func (s *Session) Gaps() []Gap {
	return s.gaps.all()
}

// Status returns the present state of the session.
func (s *Session) Status() Status {
	status := *s.status.Load()
	status.Position = s.ring.Head()
	if last := s.lastFrame.Load(); last >= 0 {
		status.FrameAge = time.Since(s.epoch) - time.Duration(last)
	}
	status.DriftPPM = s.drift()
	if q := s.intake.Load(); q != nil {
		status.Callback = q.Latency()
	}
	status.Gaps = s.gaps.count()
	return status
}

func (s *Session) drift() *float64 {
	ppm := math.Float64frombits(s.driftPPM.Load())
	if math.IsNaN(ppm) {
		return nil
	}
	return &ppm
}

// Start begins a recording and returns when its first frames are in the ring, or with an error:
//
//	scout.CodeAlreadyRecording                a recording is under way, or being started or stopped
//	scout.CodeNoDevice, CodeDeviceNotFound    nothing to open
//	scout.CodeDeviceUnavailable, CodeDevicePermission, CodeSoundServer
//	scout.CodeDeviceTimeout                   opened, but no frame came within StartTimeout
//
// or the cause of ctx. After an error nothing is being recorded.
func (s *Session) Start(ctx context.Context) (Started, error) { return s.StartAsked(ctx, time.Now()) }

// mostAgo is how long ago a recording may have been asked for. What is older comes from a clock that was set.
const mostAgo = 5 * time.Second

// StartAsked is Start for a recording that was asked for a moment ago, on the clock of the wall: a warm microphone has heard what was said
// since. It reaches back to that moment and, by the pre-roll, beyond it.
func (s *Session) StartAsked(ctx context.Context, asked time.Time) (Started, error) {
	now := time.Now()
	c := &command{start: true, ctx: ctx, began: now, reply: make(chan reply, 1)}
	if ago := now.Round(0).Sub(asked); ago > 0 && ago <= mostAgo {
		c.ago = ago
	}
	r, err := s.call(ctx, c)
	if err != nil {
		return Started{}, err
	}
	return r.started, r.err
}

// Stop ends the recording and returns where it ended: everything captured up to the call is then in the ring. It always
// ends, whatever the device does. Without a recording the error has scout.CodeNotRecording, and Stopped is that of the
// last recording.
func (s *Session) Stop(ctx context.Context) (Stopped, error) {
	c := &command{ctx: ctx, began: time.Now(), reply: make(chan reply, 1)}
	r, err := s.call(ctx, c)
	if err != nil {
		return Stopped{}, err
	}
	return r.stopped, r.err
}

// call passes a command to the owner and waits for the answer. If the caller of a start gave up, the owner undoes the
// start.
func (s *Session) call(ctx context.Context, c *command) (reply, error) {
	ended := scout.Errorf(scout.CodeDeviceUnavailable, "the session is over")
	select {
	case s.commands <- c:
	case <-s.ended:
		return reply{}, ended
	case <-ctx.Done():
		return reply{}, context.Cause(ctx)
	}
	select {
	case r := <-c.reply:
		return r, nil
	case <-s.ended: // the owner answers before it ends
		select {
		case r := <-c.reply:
			return r, nil
		default:
			return reply{}, ended
		}
	}
}

// command is a call of Start or Stop.
type command struct {
	start bool
	ctx   context.Context // of the caller, who waits for the reply
	began time.Time
	ago   time.Duration // of a start: from when it was asked for until it began
	reply chan reply    // capacity 1
}

// gaveUp returns why the caller no longer waits; nil while it does.
func (c *command) gaveUp() error { return context.Cause(c.ctx) }

type reply struct {
	started Started
	stopped Stopped
	err     error
}

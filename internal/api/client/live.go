package client

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate/event"
)

// LiveOptions say what is sent, and who hears of it.
type LiveOptions struct {
	// Begin has the format and what is asked of the text. With an ID it goes on with a session; Position says then where the sound goes on.
	Begin    v1.LiveBegin
	Position uint64
	// Event is called with each event, in order; nil for nobody. Numbered events come once, whatever becomes of the connection.
	Event func(event.Event)
	// Patience is how long the session is tried to go on with after its connection broke; 0 is a minute.
	Patience time.Duration
	// Hold is how many bytes wait to be acknowledged before Write waits; 0 is 64 MiB.
	Hold int
}

// Live sends the sound of one session. It keeps what is not acknowledged, and sends it again by the next connection when one breaks. Write,
// Stop and Cancel are for one goroutine; the other methods may be called from any.
type Live struct {
	client  *Client
	options LiveOptions
	frame   int // bytes
	cancel  context.CancelFunc
	over    chan struct{} // closed when nothing more comes; err and final are final then

	mu      sync.Mutex
	id      string
	first   uint64 // position of the first frame of held
	held    []byte // not acknowledged
	sent    uint64 // position of the next frame to send
	stop    string // the type of the message that ends it, empty while it goes on
	stopped bool   // it was sent by this connection
	last    uint64 // number of the last event
	err     error
	final   event.Event
	changed chan struct{} // closed and replaced with each change
}

// Live begins a session, or goes on with one, and returns when the daemon takes frames. It ends with ctx.
func (c *Client) Live(ctx context.Context, o LiveOptions) (*Live, error) {
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.Hold == 0 {
		o.Hold = 64 << 20
	}
	format := scout.Format{SampleRateHz: o.Begin.Format.SampleRate, Channels: o.Begin.Format.Channels, Sample: scout.SampleFormat(o.Begin.Format.SampleFormat)}
	if err := format.Validate(); err != nil {
		return nil, err
	}
	l := &Live{
		client: c, options: o, frame: format.FrameBytes(), over: make(chan struct{}), changed: make(chan struct{}),
		id: o.Begin.ID, first: o.Position, sent: o.Position, last: o.Begin.After,
	}
	ctx, l.cancel = context.WithCancel(ctx)
	conn, err := l.connect(ctx)
	if err != nil {
		l.cancel()
		return nil, err
	}
	go l.run(ctx, conn) // ended by ctx, Close, or the end of the session
	return l, nil
}

// ID is that of the session and its recording.
func (l *Live) ID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// Acked is the position behind the last frame that is on the disk of the daemon.
func (l *Live) Acked() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

// change wakes those who wait. The caller holds mu.
func (l *Live) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Write sends frames. It waits while too many are not acknowledged.
//
//	pcm  whole frames; it is not kept
func (l *Live) Write(ctx context.Context, pcm []byte) error {
	if len(pcm)%l.frame != 0 {
		return scout.Errorf(scout.CodeInvalidArgument, "%d bytes are not whole frames of %d bytes", len(pcm), l.frame)
	}
	for {
		l.mu.Lock()
		if l.stop != "" {
			l.mu.Unlock()
			return scout.Errorf(scout.CodeConflict, "the session was stopped")
		}
		if room := l.options.Hold - len(l.held); room > 0 || len(pcm) == 0 {
			n := min(len(pcm), max(room/l.frame, 1)*l.frame)
			l.held = append(l.held, pcm[:n]...)
			pcm = pcm[n:]
			l.change()
		}
		changed := l.changed
		l.mu.Unlock()
		if len(pcm) == 0 {
			return nil
		}
		if err := l.wait(ctx, changed); err != nil {
			return err
		}
	}
}

// wait waits for a change; it returns why none comes.
func (l *Live) wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.over:
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.err != nil {
			return l.err
		}
		return scout.Errorf(scout.CodeConflict, "the session has ended")
	}
}

// Stop ends the session and returns its final text, when every frame is on the disk and every word is in it.
func (l *Live) Stop(ctx context.Context) (event.Event, error) { return l.finish(ctx, v1.LiveTypeStop) }

// Cancel ends the session without text. Its sound is kept.
func (l *Live) Cancel(ctx context.Context) error {
	_, err := l.finish(ctx, v1.LiveTypeCancel)
	return err
}

func (l *Live) finish(ctx context.Context, how string) (event.Event, error) {
	l.mu.Lock()
	l.stop = how
	l.change()
	l.mu.Unlock()
	select {
	case <-l.over:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.final, l.err
	case <-ctx.Done():
		return event.Event{}, context.Cause(ctx)
	}
}

// Close leaves the session as it is: the daemon waits for it a while.
func (l *Live) Close() {
	l.cancel()
	<-l.over
}

// run keeps the session going until it ends.
func (l *Live) run(ctx context.Context, conn *websocket.Conn) {
	defer close(l.over)
	defer l.cancel()
	var broken time.Time
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		if conn != nil {
			over, err := l.exchange(ctx, conn)
			if over || ctx.Err() != nil {
				l.end(err)
				return
			}
			broken, pause = time.Now(), 50*time.Millisecond
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			l.end(context.Cause(ctx))
			return
		}
		var err error
		if conn, err = l.connect(ctx); err != nil {
			conn = nil
			if scout.ClassOf(err) == scout.Permanent && scout.CodeOf(err) != scout.CodeDaemonUnreachable && !diskTrouble(err) || time.Since(broken) > l.options.Patience {
				l.end(err)
				return
			}
		}
	}
}

// diskTrouble reports whether a disk may take later what it does not take now.
func diskTrouble(err error) bool {
	code := scout.CodeOf(err)
	return code == scout.CodeDiskFull || code == scout.CodeDiskLow || code == scout.CodeWriteFailed
}

func (l *Live) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// connect opens a connection and says which session it is for.
func (l *Live) connect(ctx context.Context) (*websocket.Conn, error) {
	c := l.client
	header := http.Header{"User-Agent": {c.options.Name}}
	if c.options.Key != "" {
		header.Set("Authorization", "Bearer "+c.options.Key)
	}
	conn, response, err := websocket.Dial(ctx, c.base+"/live", &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: header, Subprotocols: []string{v1.LiveProtocol}})
	if err != nil {
		return nil, c.notOpened(ctx, response, err)
	}
	conn.SetReadLimit(maxEventBytes)
	l.mu.Lock()
	begin := l.options.Begin
	begin.Type, begin.ID, begin.After = v1.LiveTypeStart, l.id, l.last
	l.mu.Unlock()
	if begin.ID != "" { // it is kept with the session
		begin = v1.LiveBegin{Type: begin.Type, ID: begin.ID, After: begin.After, Level: begin.Level}
	}
	data, err := json.Marshal(begin)
	if err == nil {
		err = conn.Write(ctx, websocket.MessageText, data)
	}
	var ready v1.LiveMessage
	if err == nil {
		ready, err = receive(ctx, conn)
	}
	switch {
	case err != nil:
		err = lost(err)
	case ready.Type == v1.LiveTypeError:
		err = ready.Error.Err()
	case ready.Type != v1.LiveTypeReady:
		err = scout.Errorf(scout.CodeDaemonUnreachable, "the daemon answered %s with %q", begin.Type, ready.Type)
	}
	if err != nil {
		_ = conn.CloseNow() // it is of no use
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id = ready.ID
	l.acked(ready.NextFrame)
	l.sent, l.stopped = l.first, false
	return conn, nil
}

// notOpened is why no WebSocket was opened.
func (c *Client) notOpened(ctx context.Context, response *http.Response, err error) error {
	if response == nil {
		return c.unreachable(ctx, err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read as far as it matters
	var failure v1.ErrorBody
	if err := json.NewDecoder(io.LimitReader(response.Body, maxErrorBytes)).Decode(&failure); err != nil || failure.Error.Code == "" {
		return c.strange(response.Status, request{method: http.MethodGet, path: "/live"})
	}
	return failure.Error.Err()
}

// receive reads one message.
func receive(ctx context.Context, conn *websocket.Conn) (m v1.LiveMessage, err error) {
	_, data, err := conn.Read(ctx)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	return m, err
}

// acked forgets frames that are on the disk. The caller holds mu.
func (l *Live) acked(frames uint64) {
	if frames > l.first {
		n := min((frames-l.first)*uint64(l.frame), uint64(len(l.held)))
		l.held = append(l.held[:0], l.held[n:]...)
		l.first = frames
		l.sent = max(l.sent, l.first)
		l.change()
	}
}

// exchange sends and receives by one connection. over is true where the session has ended, or cannot be gone on with.
func (l *Live) exchange(ctx context.Context, conn *websocket.Conn) (over bool, err error) {
	sending, end := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { l.send(sending, conn) }) // ended by end
	defer work.Wait()
	defer end()
	defer func() { _ = conn.CloseNow() }() // it may be closed already
	for {
		m, err := receive(ctx, conn)
		switch {
		case err != nil && websocket.CloseStatus(err) == websocket.StatusNormalClosure:
			return true, l.problem()
		case err != nil:
			return false, err
		}
		switch m.Type {
		case v1.LiveTypeAck:
			l.mu.Lock()
			l.acked(m.Frames)
			l.mu.Unlock()
		case v1.LiveTypeError:
			err := m.Error.Err()
			return scout.ClassOf(err) == scout.Permanent && !diskTrouble(err), err
		default:
			l.heard(m.Event)
		}
	}
}

// problem is why a session has no text.
func (l *Live) problem() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.final.Type == event.State && l.stop != v1.LiveTypeCancel {
		return l.final.Error.Err()
	}
	return nil
}

// heard passes an event on.
func (l *Live) heard(e event.Event) {
	l.mu.Lock()
	if e.Seq > 0 && e.Seq <= l.last {
		l.mu.Unlock()
		return
	}
	l.last = max(l.last, e.Seq)
	if e.Type == event.Final || e.Type == event.Revised || e.State == event.Failed {
		l.final = e
	}
	l.mu.Unlock()
	if l.options.Event != nil {
		l.options.Event(e)
	}
}

// partBytes is how much is sent in one message.
const partBytes = 64 << 10

// send sends what waits until ctx ends or the connection breaks.
func (l *Live) send(ctx context.Context, conn *websocket.Conn) {
	for {
		l.mu.Lock()
		at := l.sent
		waits := l.held[(at-l.first)*uint64(l.frame):]
		n := min(len(waits), partBytes/l.frame*l.frame)
		message := append(binary.LittleEndian.AppendUint64(make([]byte, 0, v1.LivePositionBytes+n), at), waits[:n]...)
		l.sent += uint64(n / l.frame)
		stop, changed := l.stop, l.changed
		ends := n == 0 && stop != "" && !l.stopped
		l.stopped = l.stopped || ends
		l.mu.Unlock()
		var err error
		switch {
		case n > 0:
			err = conn.Write(ctx, websocket.MessageBinary, message)
		case ends:
			end := v1.LiveEnd{Type: stop}
			if stop == v1.LiveTypeStop {
				end.Frames = &at
			}
			data, _ := json.Marshal(end) // it always is
			err = conn.Write(ctx, websocket.MessageText, data)
		default:
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				_ = conn.CloseNow() // the receiver sees it
			}
			return
		}
	}
}

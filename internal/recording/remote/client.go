package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
)

// EndpointName is the file that appears in the folder of recordings when a recorder answers there.
const EndpointName = wire.EndpointName

// dialWithin limits the time until Welcome; a local socket answers in a millisecond.
const dialWithin = 2 * time.Second

// Options identify the client.
type Options struct {
	// Name of the program, for the recorder's log.
	Name string
	// Probe marks a client that is not counted: the recorder ends when it would have ended without it, and logs nothing
	// about it.
	Probe bool
}

// Client is a connection to a recorder for commands. Its methods may be called from any goroutine;
// requests are answered in any order.
type Client struct {
	dir     string
	options Options
	link    *link
	welcome wire.Welcome

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan wire.Frame // bodies are copied; closed when the connection ended
	err     error                      // why it ended; set before ended is closed
	ended   chan struct{}
}

// link is a connection after Hello and Welcome.
type link struct {
	connection net.Conn
	in         *wire.Reader
	out        *wire.Writer
}

// Dial connects to the recorder of the folder. If none answers, the error has scout.CodeRecorderUnreachable; if it
// speaks another protocol, scout.CodeRecorderProtocol. The caller closes the client.
func Dial(ctx context.Context, dir string, options Options) (*Client, error) {
	l, welcome, err := connect(ctx, dir, options)
	if err != nil {
		return nil, err
	}
	c := &Client{dir: dir, options: options, link: l, welcome: welcome, waiting: make(map[uint64]chan wire.Frame), ended: make(chan struct{})}
	go c.read() // ends with the connection, which Close closes; Close waits for it
	return c, nil
}

// connect opens a connection and greets.
func connect(ctx context.Context, dir string, options Options) (*link, wire.Welcome, error) {
	endpoint, err := wire.ReadEndpoint(dir)
	if err != nil {
		return nil, wire.Welcome{}, err
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	connection, err := new(net.Dialer).DialContext(ctx, "unix", endpoint.Socket)
	if err != nil {
		return nil, wire.Welcome{}, scout.Errorf(scout.CodeRecorderUnreachable, "connect to the recorder: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() }) // only to end the wait
	defer stop()
	l := &link{connection: connection, in: wire.NewReader(connection), out: wire.NewWriter(connection)}
	welcome, err := l.greet(options)
	if err != nil {
		_ = connection.Close() // the greeting has failed
		if outer.Err() == nil && ctx.Err() != nil {
			return nil, wire.Welcome{}, silence(&silentError{pid: endpoint.PID})
		}
		return nil, wire.Welcome{}, err
	}
	if info, err := os.Stat(dir); err == nil && welcome.Folder != "" && wire.FolderID(info) != welcome.Folder {
		_ = connection.Close() // nothing was requested
		return nil, wire.Welcome{}, scout.Errorf(scout.CodeRecorderUnreachable, "no recorder in %s: the one named there records into another folder", dir)
	}
	return l, welcome, nil
}

// silentError is a recorder process that exists but does not answer: it is stopped, or hangs.
type silentError struct{ pid int }

func (e *silentError) Error() string {
	return fmt.Sprintf("the recorder (process %d) does not answer", e.pid)
}

// silence wraps a silentError, with what a person can do.
func silence(e *silentError) error {
	return scout.Errorf(scout.CodeRecorderUnreachable, "%w", e).WithHint("to stop it: scout record stop; what it recorded is on disk")
}

// silentPID returns the process that does not answer, if err is a silentError.
func silentPID(err error) (int, bool) {
	var silent *silentError
	if !errors.As(err, &silent) {
		return 0, false
	}
	return silent.pid, true
}

func (l *link) greet(options Options) (wire.Welcome, error) {
	hello := wire.Hello{Protocol: wire.ProtocolVersion, Probe: options.Probe, Name: options.Name}
	if err := l.out.WriteJSON(wire.KindHello, 0, hello); err != nil {
		return wire.Welcome{}, scout.Errorf(scout.CodeRecorderUnreachable, "say hello to the recorder: %w", err)
	}
	f, err := l.in.Next()
	if err != nil {
		return wire.Welcome{}, lost("greet recorder", err)
	}
	var welcome wire.Welcome
	if err := expect(f, wire.KindWelcome, &welcome); err != nil {
		return wire.Welcome{}, err
	}
	if welcome.Protocol != wire.ProtocolVersion {
		return wire.Welcome{}, scout.Errorf(scout.CodeRecorderProtocol, "the recorder speaks protocol %d, this program %d", welcome.Protocol, wire.ProtocolVersion)
	}
	return welcome, nil
}

// lost gives the error of a connection its code: an error with a code keeps it, and everything else means that the
// recorder is gone.
func lost(doing string, err error) error {
	if scout.CodeOf(err) == scout.CodeRecorderProtocol {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if errors.Is(err, io.EOF) {
		return scout.Errorf(scout.CodeRecorderUnreachable, "%s: it closed the connection", doing)
	}
	return scout.Errorf(scout.CodeRecorderUnreachable, "%s: %w", doing, err)
}

// expect reads a frame of that kind into v, or returns the failure that came instead.
func expect(f wire.Frame, kind wire.Kind, v any) error {
	switch f.Kind {
	case kind:
		return wire.DecodeJSON(f, v)
	case wire.KindFailure:
		var failure wire.Failure
		if err := wire.DecodeJSON(f, &failure); err != nil {
			return err
		}
		return failure.Err()
	}
	return scout.Errorf(scout.CodeRecorderProtocol, "frame of kind %d: want %d", f.Kind, kind)
}

// read delivers answers to the waiting requests until the connection ends.
func (c *Client) read() {
	var err error
	for {
		var f wire.Frame
		if f, err = c.link.in.Next(); err != nil {
			break
		}
		f.Body = append([]byte(nil), f.Body...)
		c.mu.Lock()
		answer := c.waiting[f.ID]
		delete(c.waiting, f.ID)
		c.mu.Unlock()
		if answer != nil {
			answer <- f // there is room for it
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = lost("recorder", err)
	close(c.ended)
	for id, answer := range c.waiting {
		delete(c.waiting, id)
		close(answer)
	}
}

// request sends one request and reads its answer into reply.
func (c *Client) request(ctx context.Context, kind wire.Kind, body, reply any) error {
	answer := make(chan wire.Frame, 1)
	c.mu.Lock()
	if err := c.err; err != nil {
		c.mu.Unlock()
		return err
	}
	c.next++
	id := c.next
	c.waiting[id] = answer
	c.mu.Unlock()
	if err := c.link.out.WriteJSON(kind, id, body); err != nil {
		return scout.Errorf(scout.CodeRecorderUnreachable, "ask the recorder: %w", err)
	}
	select {
	case f, open := <-answer:
		if !open {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.err
		}
		return expect(f, wire.KindReply, reply)
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return context.Cause(ctx)
	}
}

// PID returns the recorder's process.
func (c *Client) PID() int { return c.welcome.PID }

// Parent returns the process that started the recorder and restarts it when it dies; 0 if there is none.
func (c *Client) Parent() int { return c.welcome.Parent }

// Version returns the version of the recorder's program.
func (c *Client) Version() string { return c.welcome.Version }

// Done returns a channel that is closed when the connection has ended: by Close, or because the recorder ended.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Close ends the connection. Requests that the recorder has accepted continue.
func (c *Client) Close() error {
	err := c.link.connection.Close()
	<-c.ended
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("leave recorder: %w", err)
	}
	return nil
}

// Start begins a recording; see recorder.Recorder.Start. A caller that may have to repeat the request chooses the id.
// If ctx ends first, the recorder is asked to cancel the start.
func (c *Client) Start(ctx context.Context, order recording.Order) (recording.Started, error) {
	return c.start(ctx, order, false, time.Time{})
}

// Resume continues the recording order.ID, whose recorder ended without finishing it.
func (c *Client) Resume(ctx context.Context, order recording.Order) (recording.Started, error) {
	return c.start(ctx, order, true, time.Time{})
}

// start is Start or Resume. Where the files of a recording to resume are gone it begins again if it is known since when it is
// under way.
func (c *Client) start(ctx context.Context, order recording.Order, resume bool, since time.Time) (recording.Started, error) {
	if order.ID == "" {
		order.ID = recording.NewID(time.Now())
	}
	request := wire.Start{Order: order, Resume: resume, Since: since, Traceparent: observe.Traceparent(ctx)}
	var started recording.Started
	err := c.request(ctx, wire.KindStart, request, &started)
	if err != nil && ctx.Err() != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if _, stopErr := c.Stop(undo, request.ID); stopErr != nil && scout.CodeOf(stopErr) != scout.CodeRecordingNotFound {
			err = errors.Join(err, stopErr)
		}
	}
	return started, err
}

// Stop ends a recording and returns when its file is final; without an id it ends the current one. Stopping again gives
// the same answer. If the recording could not be finished normally, both the manifest and the error are set.
func (c *Client) Stop(ctx context.Context, id recording.ID) (recording.Manifest, error) {
	var stopped wire.Stopped
	err := c.request(ctx, wire.KindStop, wire.Stop{ID: id, Traceparent: observe.Traceparent(ctx)}, &stopped)
	if err == nil && stopped.Failure != nil {
		err = stopped.Failure.Err()
	}
	return stopped.Manifest, err
}

// Adopt makes this client an owner of the recording with that id, or of the current one if id is empty, and returns the
// order that it was started with. If it is not running, the error has scout.CodeNotRecording.
func (c *Client) Adopt(ctx context.Context, id recording.ID) (recording.Order, recording.Started, error) {
	var adopted wire.Adopted
	err := c.request(ctx, wire.KindAdopt, wire.Adopt{ID: id, Traceparent: observe.Traceparent(ctx)}, &adopted)
	return adopted.Order, adopted.Started, err
}

// Status returns the state of the recorder.
func (c *Client) Status(ctx context.Context) (recording.Status, error) {
	var s recording.Status
	err := c.request(ctx, wire.KindStatus, struct{}{}, &s)
	return s, err
}

// Shutdown makes the recorder finish its recording and end.
func (c *Client) Shutdown(ctx context.Context) error {
	return c.request(ctx, wire.KindShutdown, wire.Shutdown{}, &struct{}{})
}

// shutdownIdle makes the recorder end if it records nothing; else the error has scout.CodeAlreadyRecording.
func (c *Client) shutdownIdle(ctx context.Context) error {
	return c.request(ctx, wire.KindShutdown, wire.Shutdown{IfIdle: true}, &struct{}{})
}

// Metrics returns the metrics of the recorder's process.
func (c *Client) Metrics(ctx context.Context) ([]metric.Family, error) {
	var m wire.Metrics
	err := c.request(ctx, wire.KindMetrics, struct{}{}, &m)
	return m.Metrics, err
}

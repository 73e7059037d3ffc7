package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/fault"
)

// Time constants of talking to the sound server.
const (
	// pulseRequest bounds one question to the server.
	pulseRequest = 2 * time.Second
	// pulseReconnect is how often a server that is gone is looked for. Asking a socket that is not
	// there costs some 30 us.
	pulseReconnect = 100 * time.Millisecond
)

// pulseAddress returns network and address of the server: the one given, PULSE_SERVER, or the user's
// own. Of several the first that can be understood counts.
func pulseAddress(server string) (network, address string) {
	if server == "" {
		server = os.Getenv("PULSE_SERVER")
	}
	for _, one := range strings.Fields(server) {
		if strings.HasPrefix(one, "{") { // a machine's ID in front
			if _, rest, ok := strings.Cut(one, "}"); ok {
				one = rest
			}
		}
		kind, rest, found := strings.Cut(one, ":")
		switch {
		case strings.HasPrefix(one, "/"):
			return "unix", one
		case found && kind == "unix":
			return "unix", rest
		case found && (kind == "tcp" || kind == "tcp4" || kind == "tcp6"):
			if _, _, err := net.SplitHostPort(rest); err != nil {
				rest = net.JoinHostPort(rest, "4713")
			}
			return kind, rest
		}
	}
	dir := os.Getenv("PULSE_RUNTIME_PATH")
	if dir == "" {
		runtime := os.Getenv("XDG_RUNTIME_DIR")
		if runtime == "" { // where systems with logind put it
			runtime = filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
		}
		dir = filepath.Join(runtime, "pulse")
	}
	return "unix", filepath.Join(dir, "native")
}

// diagnosePulse says why the sound server could not be reached.
func diagnosePulse(server string, cause error) error {
	network, address := pulseAddress(server)
	conn, err := net.DialTimeout(network, address, pulseRequest)
	switch {
	case err == nil:
		_ = conn.Close() // it was opened to see whether it can be
		return scout.Errorf(scout.CodeSoundServer, "the sound server at %s refused the connection: %w", address, cause)
	case errors.Is(err, fs.ErrPermission):
		return scout.Errorf(scout.CodeDevicePermission, "no permission to use the sound server at %s: %w", address, err)
	}
	return scout.Errorf(scout.CodeSoundServer, "no sound server at %s: %w", address, err)
}

// pulseFormats are the encodings that the server and Scout both know, by the server's number.
var pulseFormats = map[byte]audio.Encoding{
	proto.FormatUint8: audio.Uint8, proto.FormatInt16LE: audio.Int16, proto.FormatInt32LE: audio.Int32,
	proto.FormatFloat32LE: audio.Float32, 9: audio.Int24, // PA_SAMPLE_S24LE
}

// pulseDevices lists the sources of the server with their formats. The error has scout.CodeSoundServer or
// scout.CodeDevicePermission. miniaudio is not asked: see askForNoDevice.
func pulseDevices(ctx context.Context, server string) ([]Device, error) {
	connection, err := dialPulse(ctx, server)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, diagnosePulse(server, err)
	}
	defer connection.close()
	defer context.AfterFunc(ctx, func() { _ = connection.conn.Close() })() // ends a question under way
	var of proto.GetServerInfoReply
	var sources proto.GetSourceInfoListReply
	if err = connection.client.Request(&proto.GetServerInfo{}, &of); err == nil {
		err = connection.client.Request(&proto.GetSourceInfoList{}, &sources)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, scout.Errorf(scout.CodeSoundServer, "list the devices of the sound server: %w", err)
	}
	devices := make([]Device, 0, len(sources))
	for _, source := range sources {
		d := Device{
			ID: source.SourceName, Name: source.Device, Default: source.SourceName == of.DefaultSourceName,
			Monitor: strings.HasSuffix(source.SourceName, monitorSuffix),
		}
		if encoding, ok := pulseFormats[source.Format]; ok {
			d.Formats = []DeviceFormat{deviceFormat(int(source.Rate), int(source.Channels), encoding)}
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// watchPulse sends what the server looks like, now and after each change, until ctx ends.
func watchPulse(ctx context.Context, server string, faults fault.Points) <-chan System {
	states := make(chan System, 1)
	go func() { // ends with ctx
		defer close(states)
		timer := time.NewTimer(0)
		defer timer.Stop()
		for up := true; ; {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			_, err := recovered(func() (struct{}, error) {
				if err := faults.At(GoroutineWatch); err != nil {
					return struct{}{}, err
				}
				return struct{}{}, watchOnce(ctx, server, func(s System) { up = true; replace(states, s) })
			})
			if err != nil && up {
				up = false
				replace(states, System{})
			}
			timer.Reset(pulseReconnect)
		}
	}()
	return states
}

// replace puts s in the place of an unread state. There is one sender.
func replace(states chan System, s System) {
	select {
	case <-states:
	default:
	}
	states <- s
}

// watchOnce follows one connection until it or ctx ends.
func watchOnce(ctx context.Context, server string, tell func(System)) error {
	connection, err := dialPulse(ctx, server)
	if err != nil {
		return err
	}
	defer connection.close()
	defer context.AfterFunc(ctx, func() { _ = connection.conn.Close() })() // ends a question under way
	if err := connection.client.Request(&proto.Subscribe{Mask: proto.SubscriptionMaskSource |
		proto.SubscriptionMaskSourceInput | proto.SubscriptionMaskServer}, nil); err != nil {
		return fmt.Errorf("subscribe to the sound server's events: %w", err)
	}
	for {
		state, err := connection.state()
		if err != nil {
			return err
		}
		tell(state)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-connection.dead:
			return io.EOF
		case <-connection.changed:
		}
	}
}

// pulseConnection is a connection that asks and is told of changes.
type pulseConnection struct {
	client  *proto.Client
	conn    *dyingConn
	changed chan struct{} // capacity 1: something changed since it was last read
	dead    chan struct{} // closed when the connection ended
}

// dyingConn is a connection as the library needs it. It hands over whole messages only: the library
// loops for ever where a list breaks off. It tells when the connection ends, which the library does
// for io.EOF alone. And it can hold back what is written.
type dyingConn struct {
	net.Conn
	once sync.Once
	dead chan struct{}
	in   []byte // of the message being handed over; of the library's reader alone

	mu      sync.Mutex
	holding bool
	held    []byte
	writes  chan struct{} // told of each write that is held back
}

// Write writes, or holds back until release.
func (c *dyingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.holding {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	select {
	case c.writes <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (c *dyingConn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = true
}

// release writes what was held back, at once.
func (c *dyingConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = false
	_, err := c.Conn.Write(c.held)
	c.held = nil
	return err
}

// heldBack is how many whole messages are held back.
func (c *dyingConn) heldBack() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	messages := 0
	for rest := c.held; len(rest) >= pulseHeader; messages++ {
		size := pulseHeader + int(binary.BigEndian.Uint32(rest))
		if len(rest) < size {
			break
		}
		rest = rest[size:]
	}
	return messages
}

// pulseHeader is the size of what is before each message: its length and 16 bytes more.
const pulseHeader = 20

// pulseMessage bounds a message; PulseAudio itself sends at most 1 MiB (FRAME_SIZE_MAX_ALLOW).
const pulseMessage = 1 << 20

// Read hands over what is there of the next whole message.
func (c *dyingConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		if err := c.receive(); err != nil {
			c.once.Do(func() { close(c.dead) })
			return 0, err
		}
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

// receive reads one message.
func (c *dyingConn) receive() error {
	header := make([]byte, pulseHeader)
	if _, err := io.ReadFull(c.Conn, header); err != nil {
		return fmt.Errorf("read from the sound server: %w", err)
	}
	size := binary.BigEndian.Uint32(header)
	if size > pulseMessage {
		return fmt.Errorf("read from the sound server: a message of %d bytes", size)
	}
	message := make([]byte, pulseHeader+int(size))
	copy(message, header)
	if _, err := io.ReadFull(c.Conn, message[pulseHeader:]); err != nil {
		return fmt.Errorf("read from the sound server: %w", err)
	}
	c.in = message
	return nil
}

// dialPulse connects and logs in. proto.Connect sets the callback when its reader runs already, which
// is a data race, so the same steps are taken here in another order.
func dialPulse(ctx context.Context, server string) (*pulseConnection, error) {
	network, address := pulseAddress(server)
	dialer := net.Dialer{Timeout: pulseRequest}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to the sound server: %w", err)
	}
	dead := make(chan struct{})
	c := &pulseConnection{
		client: &proto.Client{}, conn: &dyingConn{Conn: conn, dead: dead, writes: make(chan struct{}, 1)},
		changed: make(chan struct{}, 1), dead: dead,
	}
	c.client.SetTimeout(pulseRequest)
	c.client.Callback = func(message any) {
		if _, ok := message.(*proto.SubscribeEvent); ok {
			select {
			case c.changed <- struct{}{}:
			default:
			}
		}
	}
	c.client.Open(c.conn)
	var auth proto.AuthReply
	if err := c.client.Request(&proto.Auth{Version: c.client.Version(), Cookie: pulseCookie()}, &auth); err != nil {
		c.close()
		return nil, fmt.Errorf("log in to the sound server: %w", err)
	}
	c.client.SetVersion(auth.Version)
	properties := proto.PropList{"application.name": proto.PropListString("Scout (watching)")}
	if err := c.client.Request(&proto.SetClientName{Props: properties}, &proto.SetClientNameReply{}); err != nil {
		c.close()
		return nil, fmt.Errorf("send the client name to the sound server: %w", err)
	}
	return c, nil
}

// pulseCookie returns the user's secret for the server. A server on a local socket knows the user
// without it, so that none at all is not an error.
func pulseCookie() []byte {
	const size = 256
	paths := []string{os.Getenv("PULSE_COOKIE")}
	if dir, err := os.UserConfigDir(); err == nil {
		paths = append(paths, filepath.Join(dir, "pulse", "cookie"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		paths = append(paths, filepath.Join(home, ".pulse-cookie"))
	}
	for _, path := range paths {
		if cookie, err := os.ReadFile(path); err == nil && len(cookie) == size {
			return cookie
		}
	}
	return make([]byte, size)
}

// close ends the connection and waits until its reader, a goroutine of the library's, saw it.
func (c *pulseConnection) close() {
	_ = c.conn.Close() // nothing was written that could be lost
	<-c.dead
}

// state asks what the server looks like.
func (c *pulseConnection) state() (System, error) {
	var server proto.GetServerInfoReply
	var sources proto.GetSourceInfoListReply
	var outputs proto.GetSourceOutputInfoListReply
	for _, question := range []struct {
		ask    proto.RequestArgs
		answer proto.Reply
	}{
		{&proto.GetServerInfo{}, &server},
		{&proto.GetSourceInfoList{}, &sources},
		{&proto.GetSourceOutputInfoList{}, &outputs},
	} {
		if err := c.client.Request(question.ask, question.answer); err != nil {
			return System{}, fmt.Errorf("ask the sound server: %w", err)
		}
	}
	s := System{
		Up: true, Default: server.DefaultSourceName,
		Sources: make(map[string]Source, len(sources)), Streams: make(map[string]string, len(outputs)),
	}
	byIndex := make(map[uint32]string, len(sources))
	const suspended = 2 // PA_SOURCE_SUSPENDED
	for _, source := range sources {
		byIndex[source.SourceIndex] = source.SourceName
		s.Sources[source.SourceName] = Source{Name: source.Device, Suspended: source.State == suspended}
	}
	for _, output := range outputs {
		s.Streams[output.MediaName] = byIndex[output.SourceIndex]
	}
	return s, nil
}

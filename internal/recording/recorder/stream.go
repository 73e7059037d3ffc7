package recorder

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
)

const (
	// eventBuffer is how many events a client may be behind before it misses some.
	eventBuffer = 64
	// levelEvery is the shortest time between two levels, 50 Hz (S9).
	levelEvery = 20 * time.Millisecond
)

// work sends a stream, each frame with the id of the request, until it is over or ctx ends.
type work func(ctx context.Context, id uint64) error

// stream answers a request for a stream and sends it. From then on the connection belongs to the stream: it ends when
// the client closes it, or sends anything. began is false if the request was refused.
func (c *client) stream(ctx context.Context, in *wire.Reader, f wire.Frame) (began bool, err error) {
	send, reply, err := c.prepare(f)
	if err != nil {
		return false, c.out.WriteJSON(wire.KindFailure, f.ID, wire.FailureOf(err))
	}
	id := f.ID
	if err := c.out.WriteJSON(wire.KindReply, id, reply); err != nil {
		return true, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	said := make(chan error, 1)
	c.commands.Go(func() { // ended by the client, or at the latest with the connection, whose end waits for it
		defer cancel()
		_, err := in.Next()
		if err == nil {
			err = scout.Errorf(scout.CodeRecorderProtocol, "a frame from a client that has a stream")
		}
		said <- err
	})
	err = c.recorder.failures.Guard("stream", func() error { return send(ctx, id) })
	if ctx.Err() != nil { // the client left, which is how most streams end, or the recorder is ending
		select {
		case err := <-said:
			return true, err
		default:
			return true, context.Cause(ctx)
		}
	}
	if err != nil {
		return true, c.out.WriteJSON(wire.KindFailure, id, wire.FailureOf(err))
	}
	return true, io.EOF
}

// prepare returns the work for a stream request, and its reply.
func (c *client) prepare(f wire.Frame) (send work, reply any, err error) {
	switch f.Kind {
	case wire.KindListen:
		var request wire.Listen
		if err := wire.DecodeJSON(f, &request); err != nil {
			return nil, nil, err
		}
		t, err := c.recorder.takeOf(request.ID)
		if err != nil {
			return nil, nil, err
		}
		send = func(ctx context.Context, id uint64) error { return c.listen(ctx, id, t, request.From) }
		return send, wire.Listening{Format: t.writer.Format()}, nil
	case wire.KindWatchLevel:
		var request wire.WatchLevel
		if err := wire.DecodeJSON(f, &request); err != nil {
			return nil, nil, err
		}
		send = func(ctx context.Context, id uint64) error {
			return c.watchLevel(ctx, id, max(request.Every, levelEvery))
		}
		return send, struct{}{}, nil
	}
	// No event from now on is missed: the subscription begins before the reply.
	events := c.recorder.events.Subscribe(eventBuffer)
	send = func(ctx context.Context, id uint64) error { return c.watchEvents(ctx, id, events) }
	return send, struct{}{}, nil
}

// listening is one listener of one take.
type listening struct {
	client *client
	id     uint64
	take   *take
	part   *stretch // whose ring the reader reads
	reader *ring.Reader
	pos    scout.Position // of the next frame to send
	size   uint64         // of a frame
	end    func()         // ends the subscription
}

// listen sends the frames of a take from a position on until its end. A listener that is too slow learns what it
// missed: the recording does not wait for it.
func (c *client) listen(ctx context.Context, id uint64, t *take, from scout.Position) error {
	l := &listening{client: c, id: id, take: t, pos: from, size: uint64(t.writer.Format().FrameBytes())}
	defer func() { l.leave() }()
	changed, end := t.changes.Listen()
	defer end()
	var news [2]<-chan struct{}
	for {
		if current := t.current.Load(); l.part != current {
			var err error
			if news, err = l.follow(current); err != nil {
				return err
			}
		}
		if err := c.recorder.options.Faults.At(GoroutineStream); err != nil {
			return err
		}
		select {
		case <-t.done:
			return l.last()
		default:
		}
		if err := l.send(scout.Position(l.part.pump.Readable())); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.done:
		case <-changed:
		case <-news[0]:
		case <-news[1]:
		}
	}
}

// follow makes the listener follow a stretch; frames before its first one are in the file. The channels report frames
// that were written, and frames that came from the device: the latter count if writing is late.
func (l *listening) follow(s *stretch) (news [2]<-chan struct{}, err error) {
	l.leave()
	if err := l.skip(s.first); err != nil {
		return news, err
	}
	l.part = s
	l.reader = s.device.session.Ring().NewReader("listener", s.pump.InRing(l.pos))
	written, endWritten := s.pump.Listen()
	heard, endHeard := s.device.session.Ring().Listen()
	l.end = func() { endWritten(); endHeard() }
	return [2]<-chan struct{}{written, heard}, nil
}

// leave ends the following of a stretch.
func (l *listening) leave() {
	if l.reader != nil {
		l.reader.Close()
		l.end()
	}
}

// last sends the rest of a finished take, and its end.
func (l *listening) last() error {
	frames := l.take.manifest.Frames
	if err := l.send(scout.Position(frames)); err != nil {
		return err
	}
	if err := l.skip(scout.Position(frames)); err != nil {
		return err
	}
	return l.client.out.Write(wire.KindEnd, l.id, func(b []byte) ([]byte, error) { return wire.AppendEnd(b, frames), nil })
}

// skip tells the listener that the frames before to are in the file.
func (l *listening) skip(to scout.Position) error {
	if l.pos >= to {
		return nil
	}
	from := l.pos
	l.pos = to
	return l.client.out.Write(wire.KindMissed, l.id, func(b []byte) ([]byte, error) { return wire.AppendMissed(b, from, to), nil })
}

// send sends the frames of the ring before limit.
func (l *listening) send(limit scout.Position) error {
	for l.pos < limit {
		err := l.sendBlock(limit)
		var evicted *ring.EvictedError
		switch {
		case errors.As(err, &evicted):
			if err := l.skip(l.part.pump.InRecording(evicted.To)); err != nil {
				return err
			}
		case errors.Is(err, ring.ErrNotYet), errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// sendBlock sends one frame of the protocol, read from the ring into the frame itself.
func (l *listening) sendBlock(limit scout.Position) error {
	var sent uint64
	err := l.client.out.Write(wire.KindFrames, l.id, func(b []byte) ([]byte, error) {
		b = wire.AppendFrames(b, l.pos)
		start := len(b)
		b = slices.Grow(b, wire.MaxAudioBytes)
		room := min(wire.MaxAudioBytes/l.size, limit.Sub(l.pos)) * l.size
		n, err := l.reader.Read(b[start : start+int(room)])
		sent = n
		return b[:start+int(n*l.size)], err
	})
	if err == nil {
		l.pos = l.pos.Add(sent)
	}
	return err
}

// watchLevel sends the present level.
func (c *client) watchLevel(ctx context.Context, id uint64, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		c.recorder.mu.Lock()
		d := c.recorder.device
		c.recorder.mu.Unlock()
		var l recording.Level
		if d != nil {
			reading := d.session.Meter().Reading()
			l = recording.Level{RMS: float32(reading.SmoothRMS), Peak: float32(reading.SmoothPeak), Position: uint64(d.session.Ring().Head())}
		}
		if err := c.out.Write(wire.KindLevel, id, func(b []byte) ([]byte, error) { return wire.AppendLevel(b, l), nil }); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// watchEvents sends events.
func (c *client) watchEvents(ctx context.Context, id uint64, events *fanout.Subscription[recording.Event]) error {
	defer events.Close()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case item, open := <-events.Items():
			if !open {
				return nil
			}
			e := item.Value
			e.Missed = item.Missed
			if err := c.out.WriteJSON(wire.KindEvent, id, e); err != nil {
				return err
			}
		}
	}
}

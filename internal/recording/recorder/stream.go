package recorder

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
)

const (
	// listenEvery is how often a listener gets what came: live text adds it to its own delay.
	listenEvery = 20 * time.Millisecond
	// levelEvery is the quickest rhythm of levels, 50 Hz (S9).
	levelEvery = 20 * time.Millisecond
)

// begin starts what a Watch request asks for, in a goroutine of its own.
func (c *client) begin(ctx context.Context, f wire.Frame) error {
	work, reply, err := c.prepare(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	if !c.keep(f.ID, cancel) {
		cancel()
		return scout.Errorf(scout.CodeInvalidArgument, "stream %d: the id is in use, or there are %d already", f.ID, maxStreams)
	}
	id := f.ID
	if err := c.out.WriteJSON(wire.KindReply, id, reply); err != nil {
		c.end(id)
		return err
	}
	c.streams.Go(func() { // ended by Cancel or with the connection, which waits for it
		defer c.end(id)
		err := c.recorder.failures.Guard("stream", func() error { return work(ctx, id) })
		if err == nil || ctx.Err() != nil {
			return
		}
		if err := c.out.WriteJSON(wire.KindFailure, id, wire.FailureOf(err)); err != nil {
			c.log.Debug(EventClientLeft, slog.String(observe.KeyError, err.Error()))
		}
	})
	return nil
}

// keep remembers how to end the stream with that id; false where there is no room for it.
func (c *client) keep(id uint64, cancel context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.cancel[id]; taken || len(c.cancel) >= maxStreams {
		return false
	}
	c.cancel[id] = cancel
	return true
}

// end ends the stream with that id, if there is one.
func (c *client) end(id uint64) {
	c.mu.Lock()
	cancel := c.cancel[id]
	delete(c.cancel, id)
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// prepare returns the work that a Watch request asks for and its reply.
func (c *client) prepare(f wire.Frame) (work func(context.Context, uint64) error, reply any, err error) {
	switch f.Kind {
	case wire.KindListen:
		var request wire.ListenRequest
		if err := wire.DecodeJSON(f, &request); err != nil {
			return nil, nil, err
		}
		t, err := c.recorder.takeOf(request.ID)
		if err != nil {
			return nil, nil, err
		}
		work = func(ctx context.Context, id uint64) error { return c.listen(ctx, id, t, request.From) }
		return work, wire.Listening{Format: t.writer.Format()}, nil
	case wire.KindWatchLevel:
		var request wire.WatchLevelRequest
		if err := wire.DecodeJSON(f, &request); err != nil {
			return nil, nil, err
		}
		work = func(ctx context.Context, id uint64) error {
			return c.watchLevel(ctx, id, max(request.Every, levelEvery))
		}
		return work, struct{}{}, nil
	case wire.KindWatchEvents:
		return c.watchEvents, struct{}{}, nil
	}
	return nil, nil, scout.Errorf(scout.CodeRecorderProtocol, "frame of kind %d begins no stream", f.Kind)
}

// listening is one listener to one take.
type listening struct {
	client *client
	id     uint64
	take   *take
	reader *ring.Reader
	pos    uint64 // of the next frame to send
	size   uint64 // of a frame
}

// listen sends the frames of a take from a position on until its end. A listener that is too slow is
// told what it missed: the recording does not wait for it.
func (c *client) listen(ctx context.Context, id uint64, t *take, from uint64) error {
	l := &listening{client: c, id: id, take: t, pos: from, size: uint64(t.writer.Format().FrameBytes())}
	if err := l.skip(t.first); err != nil { // what an earlier process recorded is in the file only
		return err
	}
	l.reader = t.device.session.Ring().NewReader("listener", t.pump.Base()+l.pos)
	defer l.reader.Close()
	ticker := time.NewTicker(listenEvery)
	defer ticker.Stop()
	for {
		select {
		case <-t.done:
			return l.last()
		default:
		}
		if err := l.send(t.pump.Readable()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.done:
		case <-ticker.C:
		}
	}
}

// last sends the rest of a take that is done, and its end.
func (l *listening) last() error {
	frames := l.take.manifest.Frames
	if err := l.send(frames); err != nil {
		return err
	}
	if err := l.skip(frames); err != nil {
		return err
	}
	return l.client.out.Write(wire.KindEnd, l.id, func(b []byte) ([]byte, error) { return wire.AppendEnd(b, frames), nil })
}

// skip tells the listener that it finds the frames before to in the file.
func (l *listening) skip(to uint64) error {
	if l.pos >= to {
		return nil
	}
	from := l.pos
	l.pos = to
	return l.client.out.Write(wire.KindMissed, l.id, func(b []byte) ([]byte, error) { return wire.AppendMissed(b, from, to), nil })
}

// send sends what the ring has before limit.
func (l *listening) send(limit uint64) error {
	for l.pos < limit {
		err := l.sendBlock(limit)
		var evicted *ring.EvictedError
		switch {
		case errors.As(err, &evicted):
			if err := l.skip(evicted.To - l.take.pump.Base()); err != nil {
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
func (l *listening) sendBlock(limit uint64) error {
	var sent uint64
	err := l.client.out.Write(wire.KindFrames, l.id, func(b []byte) ([]byte, error) {
		b = wire.AppendFrames(b, l.pos)
		start := len(b)
		b = slices.Grow(b, wire.MaxAudioBytes)
		room := min(wire.MaxAudioBytes/l.size, limit-l.pos) * l.size
		n, err := l.reader.Read(b[start : start+int(room)])
		sent = n
		return b[:start+int(n*l.size)], err
	})
	if err == nil {
		l.pos += sent
	}
	return err
}

// watchLevel sends the level of what is being heard.
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
			l = recording.Level{RMS: float32(reading.SmoothRMS), Peak: float32(reading.SmoothPeak), Position: d.session.Ring().Head()}
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

// watchEvents sends what happens.
func (c *client) watchEvents(ctx context.Context, id uint64) error {
	s := c.recorder.events.add()
	defer c.recorder.events.remove(s)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e, open := <-s.events:
			if !open {
				return nil
			}
			if err := c.out.WriteJSON(wire.KindEvent, id, e); err != nil {
				return err
			}
		}
	}
}

package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
)

// streamID is the id of the frames of a stream. Each stream has its own connection, so that a slow one does not block
// the others.
const streamID = 1

// Live gives frames of current recordings; it implements recording.Live with a connection for each listener.
type Live struct {
	// Dir is the folder of recordings, Name that of the program, for the recorder's log.
	Dir, Name string
}

// Listen implements recording.Live.
func (l Live) Listen(ctx context.Context, id recording.ID, from scout.Position) (recording.LiveStream, error) {
	var listening wire.Listening
	link, err := openStream(ctx, l.Dir, Options{Name: l.Name}, wire.KindListen, wire.Listen{ID: id, From: from}, &listening)
	if err != nil {
		return nil, err
	}
	if err := listening.Format.Validate(); err != nil {
		return nil, errors.Join(scout.Errorf(scout.CodeRecorderProtocol, "listen to the recorder: %w", err), link.connection.Close())
	}
	return &liveStream{link: link, frameBytes: listening.Format.FrameBytes()}, nil
}

// openStream opens a connection for a stream and begins it.
func openStream(ctx context.Context, dir string, options Options, kind wire.Kind, request, reply any) (*link, error) {
	l, _, err := connect(ctx, dir, options)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.connection.Close() }) // only to end the wait
	defer stop()
	err = l.out.WriteJSON(kind, streamID, request)
	if err == nil {
		var f wire.Frame
		if f, err = l.in.Next(); err == nil {
			if err := expect(f, wire.KindReply, reply); err != nil {
				return nil, errors.Join(err, l.connection.Close())
			}
			return l, nil
		}
	}
	return nil, errors.Join(lost("watch recorder", err), l.connection.Close())
}

type liveStream struct {
	*link
	frameBytes int
}

// Next implements recording.LiveStream.
func (s *liveStream) Next() (recording.LivePart, error) {
	f, err := s.in.Next()
	if err != nil {
		return recording.LivePart{}, lost("listen to recorder", err)
	}
	switch f.Kind {
	case wire.KindFrames:
		position, audio, err := wire.DecodeFrames(f.Body, s.frameBytes)
		return recording.LivePart{Position: position, Frames: audio}, err
	case wire.KindMissed:
		_, to, err := wire.DecodeMissed(f.Body)
		return recording.LivePart{Position: to}, err
	case wire.KindEnd:
		if _, err := wire.DecodeEnd(f.Body); err != nil {
			return recording.LivePart{}, err
		}
		return recording.LivePart{}, io.EOF
	}
	return recording.LivePart{}, expect(f, wire.KindFrames, nil)
}

// Close implements recording.LiveStream.
func (s *liveStream) Close() error {
	if err := s.connection.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return scout.Errorf(scout.CodeRecorderUnreachable, "leave recorder: %w", err)
	}
	return nil
}

// WatchLevel calls each with the level at that interval, at most every 20 ms, until ctx ends, each returns false, or
// the recorder ends. Only in the first two cases the error is nil.
func (c *Client) WatchLevel(ctx context.Context, every time.Duration, each func(recording.Level) bool) error {
	return c.watch(ctx, wire.KindWatchLevel, wire.WatchLevel{Every: every}, nil, func(f wire.Frame) (bool, error) {
		if f.Kind != wire.KindLevel {
			return false, expect(f, wire.KindLevel, nil)
		}
		l, err := wire.DecodeLevel(f.Body)
		return err == nil && each(l), err
	})
}

// WatchEvents calls each for every event, as WatchLevel does.
func (c *Client) WatchEvents(ctx context.Context, each func(recording.Event) bool) error {
	return c.WatchEventsFrom(ctx, nil, each)
}

// WatchEventsFrom is WatchEvents with a first call of heard, once no more events can be missed; it may end the watch by
// returning false.
func (c *Client) WatchEventsFrom(ctx context.Context, heard func() bool, each func(recording.Event) bool) error {
	return c.watch(ctx, wire.KindWatchEvents, struct{}{}, heard, func(f wire.Frame) (bool, error) {
		var e recording.Event
		err := expect(f, wire.KindEvent, &e)
		return err == nil && each(e), err
	})
}

// watch opens a stream and calls each for every frame. opened, if set, is called first and may end the watch by
// returning false.
func (c *Client) watch(ctx context.Context, kind wire.Kind, request any, opened func() bool, each func(wire.Frame) (bool, error)) error {
	l, err := openStream(ctx, c.dir, c.options, kind, request, &struct{}{})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.connection.Close() }) // only to end the wait
	defer stop()
	defer func() { _ = l.connection.Close() }() // nothing is lost by it
	if opened != nil && !opened() {
		return nil
	}
	for {
		f, err := l.in.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return lost("watch recorder", err)
		}
		more, err := each(f)
		if err != nil || !more {
			return err
		}
	}
}

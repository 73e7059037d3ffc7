package browser

import (
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// Connection is what one connection has of a session, until it is closed or another one takes its place. Its methods may be called from any
// goroutine.
type Connection struct {
	session *session            // nil where the session has ended already
	ended   *recording.Manifest // of such a session

	acked chan struct{} // gets a value, if it is empty, when more is safe
	once  sync.Once
	gone  chan struct{} // closed with why
	why   error
}

// ended is the connection of a session that has ended.
func ended(m *recording.Manifest) *Connection {
	return &Connection{ended: m, acked: make(chan struct{}), gone: make(chan struct{})}
}

// ID is that of the recording.
func (c *Connection) ID() recording.ID {
	if c.ended != nil {
		return c.ended.ID
	}
	return c.session.id
}

// Format is that of the frames.
func (c *Connection) Format() scout.Format {
	if c.ended != nil {
		return c.ended.Format
	}
	return c.session.format
}

// Safe is how many frames of the recording are on the disk, whatever happens: they are the sender's no more.
func (c *Connection) Safe() uint64 {
	if c.ended != nil {
		return c.ended.Frames
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.session.safe
}

// Acked gets a value when Safe may have grown.
func (c *Connection) Acked() <-chan struct{} { return c.acked }

// Gone is closed when the connection has the session no more; Err says why then.
func (c *Connection) Gone() <-chan struct{} { return c.gone }

// Err is why the connection has the session no more.
func (c *Connection) Err() error {
	select {
	case <-c.gone:
		return c.why
	default:
		return nil
	}
}

// closedChannel is closed.
var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }() //nolint:gochecknoglobals // it never changes

// Done is closed when the file is final. End says why it ended, empty before.
func (c *Connection) Done() <-chan struct{} {
	if c.ended != nil {
		return closedChannel
	}
	return c.session.done
}

// Ended is the recording after Done, and why it could not be made final.
func (c *Connection) Ended() (recording.Manifest, error) {
	if c.ended != nil {
		return *c.ended, nil
	}
	<-c.session.done
	return c.session.manifest, c.session.failed
}

func (c *Connection) ack() {
	select {
	case c.acked <- struct{}{}:
	default: // it looks anyway
	}
}

func (c *Connection) lose(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.gone)
	})
}

// Close gives the session back. It waits for the next connection.
func (c *Connection) Close() {
	if c.session != nil {
		c.session.mu.Lock()
		c.session.detach(c)
		c.session.mu.Unlock()
	}
	c.lose(errClosed)
}

var errClosed = errors.New("the connection was closed")

// Write takes frames. Those that are there already are dropped, and a jump ahead becomes a gap. Safe tells when they are safe. After an
// error none of them counts that Safe does not tell.
//
//	at   position of the first frame
//	pcm  whole frames in the session's format; it is not kept
//
// The errors: scout.CodeInvalidArgument for what are no whole frames, or are too far ahead; scout.CodeDiskLow and those of the disk; and that
// of Err.
func (c *Connection) Write(at uint64, pcm []byte) error {
	size := c.Format().FrameBytes()
	if len(pcm)%size != 0 {
		return scout.Errorf(scout.CodeInvalidArgument, "%d bytes are not whole frames of %d bytes", len(pcm), size)
	}
	if c.ended != nil {
		return nil // it was told so
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.holder != c:
		return c.Err()
	case s.closed || s.reason != "":
		return nil // it is told so in a moment
	case at > s.most:
		return scout.Errorf(scout.CodeInvalidArgument, "frame %d is behind the longest recording, which has %d", at, s.most).WithHint("the setting limits.audio_seconds allows more")
	}
	return s.take(at, pcm)
}

// take writes frames. The caller holds mu.
func (s *session) take(at uint64, pcm []byte) error {
	size := uint64(s.format.FrameBytes())
	next, limit := s.writer.Frames(), s.most
	if !s.stopBy.IsZero() {
		limit = min(limit, s.stopAt) // the sender said that there are no more
	}
	end := min(at+uint64(len(pcm))/size, max(limit, at))
	if end <= next {
		return nil
	}
	if at < next {
		pcm, at = pcm[(next-at)*size:], next
	}
	pcm = pcm[:(end-at)*size]
	n := int64(len(pcm))
	if err := s.grant.Room(n, math.MaxInt64); err != nil {
		return s.refuse(err)
	}
	if at > next {
		if err := s.lost(at - next); err != nil {
			return s.refuse(err)
		}
	}
	written, err := s.writer.Write(pcm)
	s.grant.Wrote(int64(written) * int64(size))
	s.owner.metrics.bytes.Add(float64(written) * float64(size))
	if s.pending.IsZero() {
		s.pending = time.Now()
	}
	if s.writer.Frames() >= s.most {
		s.finishLocked(recording.EndMaxDuration)
	}
	s.tellGrown()
	s.hurry()
	if err != nil {
		return s.refuse(err)
	}
	s.works(&s.unwritten, nil)
	return nil
}

// refuse ends the connection whose frames cannot be written. The caller holds mu.
func (s *session) refuse(err error) error {
	s.log.Warn(eventNotWritten, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
	s.works(&s.unwritten, err)
	s.brokenLocked(err)
	return err
}

// mostGaps bounds what the manifest grows by, which is written whole.
const mostGaps = 1000

// lost notes that the next frames will never come. The caller holds mu.
func (s *session) lost(frames uint64) error {
	gap := scout.Gap{Start: scout.Position(s.writer.Frames()), Frames: frames, Reason: recording.GapClientLost}
	if len(s.writer.Gaps()) >= mostGaps {
		return scout.Errorf(scout.CodeInvalidArgument, "the recording has %d gaps, which is the limit", mostGaps)
	}
	if err := s.writer.Silence(frames); err != nil {
		return err
	}
	s.writer.AddGap(gap)
	s.owner.metrics.lost.Add(s.format.Duration(frames).Seconds())
	at := time.Now()
	s.owner.texts.Happened(recording.Event{Kind: recording.KindGap, At: at, ID: s.id, Gap: &gap})
	s.noteGap(gap)
	return nil
}

// Stop says that the recording has this many frames. Those that have not come are waited for; what is missing then is a gap.
func (c *Connection) Stop(frames uint64) error {
	if c.ended != nil {
		return nil
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.holder != c:
		return c.Err()
	case frames > s.most:
		return scout.Errorf(scout.CodeInvalidArgument, "%d frames are more than the longest recording has, which is %d", frames, s.most).WithHint("the setting limits.audio_seconds allows more")
	case !s.stopBy.IsZero(): // a client that came back says it again
		s.hurry()
		return nil
	}
	s.stopAt, s.stopBy = max(frames, s.writer.Frames()), time.Now().Add(s.owner.options.MissingWithin)
	s.owner.texts.Stopping(s.id, false)
	s.hurry()
	return nil
}

// Cancel ends the session without text. Its sound is kept.
func (c *Connection) Cancel() error {
	if c.ended != nil {
		return nil
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holder != c {
		return c.Err()
	}
	s.cancelled = true
	s.finishLocked(recording.EndStopped)
	return nil
}

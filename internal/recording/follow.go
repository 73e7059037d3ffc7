package recording

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/scout-speech/scout"
)

// Live gives the frames of a recording that is under way, from its recorder. Package remote has the
// one over the recorder's socket.
type Live interface {
	// Listen begins at frame from. It fails where no recorder answers or it records something else.
	Listen(ctx context.Context, id ID, from scout.Position) (LiveStream, error)
}

// LiveStream is one listener to a recording. One goroutine uses it; Close may be called from another.
type LiveStream interface {
	// Next waits for more. After io.EOF, which says that the recording ended, and every other error
	// the stream is over.
	Next() (LivePart, error)
	Close() error
}

// LivePart is the next part of a stream: frames, or where they go on.
type LivePart struct {
	// Position is that of the first frame of Frames, or, where those are empty, of the first frame
	// that will follow: the ones in between are in the file.
	Position scout.Position
	// Frames belong to the stream and are valid until its next call of Next.
	Frames []byte
}

// FollowOptions are the settings of Follow.
type FollowOptions struct {
	// From is the first frame wanted.
	From scout.Position
	// Live is where frames come from while they are recorded; nil to read the file alone.
	Live Live
	// Poll is how often the file is looked at, and how long it takes until a recorder that was gone is
	// asked again; default 100 ms.
	Poll time.Duration
	// Linger is how long a recording that was recovered after a crash may still be gone on with before
	// its end is taken for the end; default 3 s.
	Linger time.Duration
}

// Follower reads a recording from a position to its end, while it is being recorded and after, from
// the recorder or the file, whichever has the frames. It goes on through a restart of the recorder
// and of the program it is part of (which begins anew at the position it had reached). One goroutine
// uses it.
type Follower struct {
	folder *Folder
	id     ID
	format scout.Format
	live   Live
	poll   time.Duration

	linger time.Duration

	reader    *Reader
	stream    LiveStream
	ask       time.Time      // when the recorder may be asked again
	pos       scout.Position // of the next frame
	recovered time.Time      // when the recording was first seen to be recovered; zero while it is not
	gone      time.Time      // when the manifest was first seen to be missing; zero while it is there
	buffer    []byte
}

// Block is a stretch of frames.
type Block struct {
	// Position of the first frame.
	Position scout.Position
	// Frames are bytes in the recording's format, valid until the follower's next call of Next.
	Frames []byte
}

// followBytes is how much Next returns at most: a third of a second of 48 kHz stereo.
const followBytes = 64 << 10

// Follow returns a follower of a recording. The caller closes it.
func (f *Folder) Follow(id ID, options FollowOptions) (*Follower, error) {
	reader, err := f.OpenAudio(id)
	if err != nil {
		return nil, err
	}
	if options.Poll <= 0 {
		options.Poll = 100 * time.Millisecond
	}
	if options.Linger <= 0 {
		options.Linger = 3 * time.Second
	}
	size := reader.Format().FrameBytes()
	return &Follower{
		folder: f, id: id, format: reader.Format(), live: options.Live, poll: options.Poll, linger: options.Linger,
		reader: reader, pos: options.From, buffer: make([]byte, followBytes/size*size),
	}, nil
}

// Format returns the format of the frames.
func (f *Follower) Format() scout.Format { return f.format }

// Position returns the position of the next frame.
func (f *Follower) Position() scout.Position { return f.pos }

// Next waits for the next frames: every frame from the first one wanted comes exactly once, in order.
// It returns io.EOF after the last frame of a recording that ended, by its manifest, and the cause of
// ctx when that is done. A recording that a crash interrupted is waited for until it is gone on with
// or recovered.
func (f *Follower) Next(ctx context.Context) (Block, error) {
	for {
		if ctx.Err() != nil {
			return Block{}, context.Cause(ctx)
		}
		block, err := f.step(ctx)
		if err != nil || len(block.Frames) > 0 {
			return block, err
		}
	}
}

// step returns the next frames, from the file as long as it has more, then from the recorder. Empty
// means that something else happened.
func (f *Follower) step(ctx context.Context) (Block, error) {
	if f.stream != nil {
		return f.fromLive(ctx), nil
	}
	block, err := f.fromFile()
	if err != nil || len(block.Frames) > 0 {
		return block, err
	}
	if again, err := f.reopen(); err != nil || again {
		return Block{}, err
	}
	ended, err := f.ended()
	if err != nil {
		return Block{}, err
	}
	if ended {
		return Block{}, io.EOF
	}
	if f.listen(ctx) {
		return Block{}, nil
	}
	return Block{}, f.wait(ctx)
}

// Close ends the follower.
func (f *Follower) Close() error {
	f.drop()
	return f.reader.Close()
}

// reopen opens the file again where another one is under its name: the recording was saved again because
// somebody deleted or moved the first one. It returns false where nothing changed.
func (f *Follower) reopen() (bool, error) {
	mine, err := f.reader.file.Stat()
	if err != nil {
		return false, scout.FileError(scout.CodeReadFailed, "follow recording", err)
	}
	there, err := os.Stat(f.folder.AudioPath(f.id))
	if err != nil || os.SameFile(mine, there) {
		return false, nil //nolint:nilerr // it is saved again in a moment, or the manifest tells that it is lost
	}
	reader, err := f.folder.OpenAudio(f.id)
	if err != nil {
		return false, nil //nolint:nilerr // as above
	}
	old := f.reader
	f.reader = reader
	return true, old.Close()
}

// fromFile returns frames that are in the file, or none.
func (f *Follower) fromFile() (Block, error) {
	n, err := f.reader.ReadAt(f.pos, f.buffer)
	if errors.Is(err, io.EOF) {
		return Block{}, nil
	}
	if err != nil {
		return Block{}, err
	}
	return f.give(f.pos, f.buffer[:n*f.format.FrameBytes()]), nil
}

// give hands out frames that begin at position, without those that were handed out before.
func (f *Follower) give(position scout.Position, frames []byte) Block {
	if position < f.pos {
		skip := min(f.pos.Sub(position)*uint64(f.format.FrameBytes()), uint64(len(frames)))
		frames = frames[skip:]
	}
	block := Block{Position: f.pos, Frames: frames}
	f.pos = f.pos.Add(uint64(len(frames) / f.format.FrameBytes()))
	return block
}

// fromLive returns the next frames of the recorder. Where that has nothing to say any more, or says
// that the next ones are in the file, the file goes on.
func (f *Follower) fromLive(ctx context.Context) Block {
	stream := f.stream
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() }) // only to end the waiting
	part, err := stream.Next()
	stop()
	if err != nil || part.Position > f.pos {
		f.drop()
		if errors.Is(err, io.EOF) {
			f.ask = time.Now() // the recording ended: if it is gone on with, that is another recorder
		}
		return Block{}
	}
	return f.give(part.Position, part.Frames)
}

// listen asks the recorder for frames, not more often than every poll.
func (f *Follower) listen(ctx context.Context) bool {
	if f.live == nil || time.Now().Before(f.ask) {
		return false
	}
	f.ask = time.Now().Add(f.poll)
	stream, err := f.live.Listen(ctx, f.id, f.pos)
	if err != nil {
		return false
	}
	f.stream = stream
	return true
}

// drop ends the listening. What fails of that does not matter: the file has everything.
func (f *Follower) drop() {
	if f.stream != nil {
		_ = f.stream.Close() // see above
		f.stream = nil
	}
	f.ask = time.Now().Add(f.poll)
}

// ended tells whether the recording ended and everything was handed out. It looks at the manifest
// after the file had no more.
func (f *Follower) ended() (bool, error) {
	m, err := f.folder.Manifest(f.id)
	if scout.CodeOf(err) == scout.CodeRecordingNotFound { // somebody deleted it: the recorder writes it again
		if f.gone.IsZero() {
			f.gone = time.Now()
		}
		if time.Since(f.gone) < f.linger {
			return false, nil
		}
	}
	if err != nil {
		return false, err
	}
	f.gone = time.Time{}
	if m.State != StateRecovered {
		f.recovered = time.Time{}
		return m.State == StateFinished && f.pos >= scout.Position(m.Frames), nil
	}
	if f.recovered.IsZero() {
		f.recovered = time.Now()
	}
	return f.pos >= scout.Position(m.Frames) && time.Since(f.recovered) >= f.linger, nil
}

func (f *Follower) wait(ctx context.Context) error {
	timer := time.NewTimer(f.poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

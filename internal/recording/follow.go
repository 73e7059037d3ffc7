package recording

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/scout-speech/scout"
)

// Live gives the frames of a current recording, from its recorder. Package remote implements it over the recorder's
// socket.
type Live interface {
	// Listen begins at frame from. It fails if no recorder answers or it records something else.
	Listen(ctx context.Context, id ID, from scout.Position) (LiveStream, error)
}

// LiveStream is one listener to a recording. One goroutine uses it; Close may be called from another.
type LiveStream interface {
	// Next waits for more. io.EOF says that the recording ended. After it and every other error the stream is over.
	Next() (LivePart, error)
	Close() error
}

// LivePart is the next part of a stream: frames, or the position where they continue.
type LivePart struct {
	// Position is that of the first frame of Frames. If Frames is empty, it is the first frame that will follow; the
	// frames before it are in the file.
	Position scout.Position
	// Frames belong to the stream and are valid until its next call of Next.
	Frames []byte
}

// FollowOptions are the settings of Follow.
type FollowOptions struct {
	// From is the first frame wanted.
	From scout.Position
	// Live is where frames come from while they are recorded; nil to read only the file.
	Live Live
	// Poll is how often the file is checked, and how long to wait before asking a recorder that was gone again; default
	// 100 ms.
	Poll time.Duration
	// Linger is how long a recording that was recovered after a crash may still be resumed before its end counts as
	// final; default 3 s.
	Linger time.Duration
}

// Follower reads a recording from a position to its end, while it is being recorded and after. It reads from the
// recorder or the file, whichever has the frames. It continues through restarts of the recorder. After a restart of its
// own program a new one can begin at the position that was reached. One goroutine uses it.
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
	recovered time.Time      // when the recording was first seen as recovered; zero if it is not
	gone      time.Time      // when the manifest was first missing; zero if it exists
	buffer    []byte
}

// Block is a stretch of frames.
type Block struct {
	// Position of the first frame.
	Position scout.Position
	// Frames are bytes in the recording's format, valid until the follower's next call of Next.
	Frames []byte
}

// followBytes is the most that Next returns: a third of a second of 48 kHz stereo.
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

// Next waits for the next frames: every frame from the first requested one comes exactly once, in order. It returns
// io.EOF after the last frame of a recording whose manifest says that it ended, and the cause of ctx when ctx ends. If
// a crash interrupted the recording, Next waits until it is resumed or recovered.
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

// step returns the next frames, from the file as long as it has more, then from the recorder. An empty block means that
// something else happened.
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

// reopen opens the file again if another one has its name: the recording was saved again because somebody deleted or
// moved the first file. It returns false if nothing changed.
func (f *Follower) reopen() (bool, error) {
	mine, err := f.reader.file.Stat()
	if err != nil {
		return false, scout.FileError(scout.CodeReadFailed, "follow recording", err)
	}
	there, err := os.Stat(f.folder.AudioPath(f.id))
	if err != nil || os.SameFile(mine, there) {
		return false, nil //nolint:nilerr // it is saved again in a moment, or the manifest says that it is lost
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

// give returns frames that begin at position, without those that were returned before.
func (f *Follower) give(position scout.Position, frames []byte) Block {
	if position < f.pos {
		skip := min(f.pos.Sub(position)*uint64(f.format.FrameBytes()), uint64(len(frames)))
		frames = frames[skip:]
	}
	block := Block{Position: f.pos, Frames: frames}
	f.pos = f.pos.Add(uint64(len(frames) / f.format.FrameBytes()))
	return block
}

// fromLive returns the next frames of the recorder. If it has no more, or says that the next ones are in the file, the
// file is read next.
func (f *Follower) fromLive(ctx context.Context) Block {
	stream := f.stream
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() }) // only to end the wait
	part, err := stream.Next()
	stop()
	if err != nil || part.Position > f.pos {
		f.drop()
		if errors.Is(err, io.EOF) {
			f.ask = time.Now() // the recording ended: if it is resumed, another recorder does that
		}
		return Block{}
	}
	return f.give(part.Position, part.Frames)
}

// listen asks the recorder for frames, at most once per poll.
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

// drop ends the listening. Its errors do not matter: the file has everything.
func (f *Follower) drop() {
	if f.stream != nil {
		_ = f.stream.Close() // see above
		f.stream = nil
	}
	f.ask = time.Now().Add(f.poll)
}

// ended reports whether the recording ended and everything was returned. It reads the manifest after the end of the
// file.
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

package realtime

import (
	"context"
	"io"
	"os"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/freespace"
)

// tape keeps the sound of a session: samples at 16 kHz in files without a name, which vanish with the process. What nobody needs any more is
// given back file by file. One goroutine writes and drops; any may read.
type tape struct {
	dir   string
	grant *freespace.Grant
	bytes []byte // of what is written

	mu     sync.Mutex
	files  []*os.File // of tapeFrames each, the first one begins at first
	first  int64
	head   int64
	closed bool
}

// tapeFrames is how many frames a file of a tape has: a step of what is asked for.
const (
	sampleBytes = 4
	tapeFrames  = freespace.Step / sampleBytes
)

// newTape asks for the room of the first file. Its error has scout.CodeDiskLow.
func newTape(dir string, budget *freespace.Budget) (*tape, error) {
	t := &tape{dir: dir, grant: budget.New(), bytes: make([]byte, partSamples*sampleBytes)}
	if err := t.grant.Room(freespace.Step, freespace.Step); err != nil {
		t.grant.Close()
		return nil, err
	}
	return t, nil
}

// write appends samples.
func (t *tape) write(samples []float32) error {
	for len(samples) > 0 {
		f, at, err := t.last()
		if err != nil {
			return err
		}
		n := min(int64(len(samples)), tapeFrames-at, int64(len(t.bytes))/sampleBytes)
		if err := t.grant.Room(n*sampleBytes, freespace.Step); err != nil {
			return err
		}
		audio.Encode(t.bytes, samples[:n], audio.Float32)
		if _, err := f.WriteAt(t.bytes[:n*sampleBytes], at*sampleBytes); err != nil {
			return scout.Errorf(scout.CodeWriteFailed, "keep the sound of a session: %w", err)
		}
		t.grant.Wrote(n * sampleBytes)
		samples = samples[n:]
		t.mu.Lock()
		t.head += n
		t.mu.Unlock()
	}
	return nil
}

// last returns the file that is written, and where in it.
func (t *tape) last() (*os.File, int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, 0, io.ErrClosedPipe
	}
	at := t.head - t.first - int64(len(t.files)-1)*tapeFrames
	if len(t.files) > 0 && at < tapeFrames {
		return t.files[len(t.files)-1], at, nil
	}
	f, err := nameless(t.dir)
	if err != nil {
		return nil, 0, err
	}
	if len(t.files) == 0 {
		t.first = t.head
	}
	t.files = append(t.files, f)
	return f, 0, nil
}

// nameless makes a file that vanishes with the process. Not by atomicfile: nobody else sees the file.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".realtime-*")
	if err != nil {
		return nil, scout.Errorf(scout.CodeWriteFailed, "make a file for the sound of a session: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close() // the file stays, and is empty
		return nil, scout.Errorf(scout.CodeWriteFailed, "make a file for the sound of a session: %w", err)
	}
	return f, nil
}

// read fills dst from a position on, with what is there.
func (t *tape) read(dst []float32, at int64) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock() // a file is not closed while it is read
	if at < t.first || t.closed {
		return 0, scout.Errorf(scout.CodeInternal, "the sound of a session at %d is not kept any more", at)
	}
	n := int(max(0, min(int64(len(dst)), t.head-at)))
	bytes := make([]byte, min(n, partSamples)*sampleBytes)
	for done := 0; done < n; {
		from := at + int64(done) - t.first
		file, within := from/tapeFrames, from%tapeFrames
		part := min(int64(n-done), tapeFrames-within, partSamples)
		if _, err := t.files[file].ReadAt(bytes[:part*sampleBytes], within*sampleBytes); err != nil {
			return done, scout.Errorf(scout.CodeReadFailed, "read the sound of a session: %w", err)
		}
		audio.Decode(dst[done:done+int(part)], bytes[:part*sampleBytes], audio.Float32)
		done += int(part)
	}
	return n, nil
}

// drop gives back the files that lie before a position.
func (t *tape) drop(before int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.files) > 0 && t.first+tapeFrames <= min(before, t.head) {
		_ = t.files[0].Close() // it is not needed any more
		t.files[0] = nil
		t.files = t.files[1:]
		t.first += tapeFrames
	}
}

func (t *tape) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.files {
		_ = f.Close() // as above
	}
	t.files, t.closed = nil, true
	t.grant.Close()
}

// stretch is the part of a tape that begins at a position, for speech.Live.
type stretch struct {
	tape *tape
	from int64
}

// ReadAt implements speech.Recorded.
func (s stretch) ReadAt(ctx context.Context, dst []float32, at int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.tape.read(dst, s.from+at)
	if err == nil && n < len(dst) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

//go:build linux

package recorder_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/copies"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/wire"
)

// What a frame may cost on its way, in copies of its bytes (requirement S11). Whoever makes one of these larger
// has to say in docs/ARCHITECTURE.md what the flow needs the copy for.
const (
	copiesToRing     = 2 // device to queue, queue to ring
	copiesToDisk     = 2 // ring to write buffer, write buffer to kernel
	copiesToListener = 3 // ring to frame, frame to kernel, kernel to the listener's frame
)

// ledger counts bytes that were copied, and those of copies that nobody told of: they are seen by memory that is not
// the one that the step before left its bytes in.
type ledger struct {
	mu     sync.Mutex
	bytes  map[string]int // by what was done
	unseen map[string]int // by where, bytes at least
	last   map[string][]byte
}

func newLedger() *ledger {
	return &ledger{bytes: make(map[string]int), unseen: make(map[string]int), last: make(map[string][]byte)}
}

func inside(part, whole []byte) bool {
	if len(part) == 0 {
		return true
	}
	from, to := uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	return from >= to && from+uintptr(len(part)) <= to+uintptr(len(whole))
}

// left notes that audio was copied into that memory.
func (l *ledger) left(what string, memory []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes[what] += len(memory)
	l.last[what] = memory
}

// took notes that audio is copied from that memory, where the last of before should have left it. Audio may be a
// part of the memory, as with a frame's head, and the memory a part of what was left.
func (l *ledger) took(what, before string, memory []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.last[before]
	n := len(memory)
	if inside(left, memory) {
		n = len(left)
	} else if !inside(memory, left) {
		l.unseen[before+" → "+what] += n
	}
	l.bytes[what] += n
}

// arrived notes that audio came from the kernel and is found in that memory, which the kernel should have filled.
func (l *ledger) arrived(audio, filled []byte) {
	l.left("kernel → listener", audio)
	if !inside(audio, filled) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unseen["kernel → listener"] += len(audio)
	}
}

func (l *ledger) watch(step copies.Step, reader string, memory []byte) {
	switch step {
	case copies.Queued:
		l.left("device → queue", memory)
	case copies.IntoRing:
		l.took("queue → ring", "device → queue", memory)
	case copies.OutOfRing:
		l.left("ring → "+reader, memory)
	case copies.ToSocket:
		if len(memory) > frameHead && wire.Kind(memory[4]) == wire.KindFrames {
			l.took("frame → kernel", "ring → listener", memory)
		}
	}
}

// frameHead is what stands in front of the audio in a frame: length, kind, id, position.
const frameHead = 4 + 1 + 8 + 8

// watchedDisk sees what is written.
type watchedDisk struct {
	recording.Disk
	ledger *ledger
}

type watchedFile struct {
	recording.File
	ledger *ledger
}

func (d watchedDisk) OpenFile(path string, flag int) (recording.File, error) {
	f, err := d.Disk.OpenFile(path, flag)
	if err == nil && filepath.Ext(path) == ".wav" {
		f = watchedFile{f, d.ledger}
	}
	return f, err
}

func (f watchedFile) WriteAt(p []byte, at int64) (int, error) {
	if at >= recording.HeaderBytes { // the header is written again and again, and is no audio
		f.ledger.took("buffer → kernel", "ring → writer", p)
	}
	return f.File.WriteAt(p, at)
}

// watchedSocket sees where a listener's bytes arrive.
type watchedSocket struct {
	net.Conn
	last []byte // what the last Read filled
}

func (s *watchedSocket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if len(s.last) > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(p))) == uintptr(unsafe.Pointer(unsafe.SliceData(s.last)))+uintptr(len(s.last)) {
		s.last = s.last[:len(s.last)+n] // the frame came in parts
	} else {
		s.last = p[:n:cap(p)]
	}
	return n, err
}

// stream is a listener of its own, so that the test has its socket.
type stream struct {
	socket *watchedSocket
	in     *wire.Reader
	ledger *ledger
	format scout.Format
	live   bool // frames came this way
}

func (f *fixture) listen(t *testing.T, l *ledger, id recording.ID) *stream {
	t.Helper()
	endpoint, err := wire.ReadEndpoint(f.Folder().Dir())
	if err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("unix", endpoint.Socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{socket: &watchedSocket{Conn: connection}, ledger: l}
	s.in = wire.NewReader(s.socket)
	out := wire.NewWriter(connection)
	for _, send := range []struct {
		kind wire.Kind
		body any
	}{
		{wire.KindHello, wire.Hello{Protocol: wire.ProtocolVersion, Name: "test"}},
		{wire.KindListen, wire.Listen{ID: id}},
	} {
		if err := out.WriteJSON(send.kind, 1, send.body); err != nil {
			t.Fatal(err)
		}
		if f, err := s.in.Next(); err != nil || f.Kind != wire.KindWelcome && f.Kind != wire.KindReply {
			t.Fatalf("answer %+v, %v", f, err)
		}
	}
	return s
}

// Listen makes the stream what a follower listens to.
func (s *stream) Listen(context.Context, recording.ID, scout.Position) (recording.LiveStream, error) {
	return s, nil
}

func (s *stream) Next() (recording.LivePart, error) {
	f, err := s.in.Next()
	if err != nil || f.Kind == wire.KindEnd {
		return recording.LivePart{}, errors.Join(err, io.EOF)
	}
	if f.Kind != wire.KindFrames {
		return recording.LivePart{}, errors.New("no frames: it missed some")
	}
	position, audio, err := wire.DecodeFrames(f.Body, s.format.FrameBytes())
	s.live = true
	s.ledger.arrived(audio, s.socket.last)
	return recording.LivePart{Position: position, Frames: audio}, err
}

func (s *stream) Close() error { return s.socket.Close() }

// TestEveryCopyOfAFrameIsNeeded counts the bytes that are copied for a frame from the device's callback to the disk
// and to a listener, as the engine's side is one, on the path that a user's recording takes: the sound server, the
// callback, ring, file and socket. A copy more, told of or not, makes it fail.
func TestEveryCopyOfAFrameIsNeeded(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	mic := server.AddMicrophone("mic", 48_000, 1)
	l := newLedger()
	f := run(t, func(o *recorder.Options) {
		o.Disk, o.System, o.Copies = watchedDisk{recording.OSDisk{}, l}, server.System(), l.watch
	})
	c := f.client(t)
	studio := scout.Format{SampleRateHz: 48_000, Channels: 1, Sample: scout.SampleS16}
	r := recording.Order{ID: recording.NewID(time.Now()), Format: studio, Device: "mic.monitor", Preroll: -1}
	if _, err := c.Start(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	mic.PlayEndless(seed, 48_000, 1)
	live := f.listen(t, l, r.ID)
	live.format = studio
	ended := make(chan int, 1)
	go func() { ended <- hear(t, l, f.Folder(), r.ID, live) }() // ended by the end of the recording
	f.until(t, "two seconds", written(96_000))
	m, err := c.Stop(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	heard := <-ended
	if len(m.Gaps) > 0 || uint64(heard) != m.Frames*2 {
		t.Fatalf("heard %d bytes of %d frames; gaps %v: nothing to count", heard, m.Frames, m.Gaps)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for where, n := range l.unseen {
		t.Errorf("%s: %d bytes were copied in between", where, n)
	}
	queued, written := l.bytes["device → queue"], int(m.Frames)*2
	if queued < written {
		t.Fatalf("%d bytes came, %d were recorded: %v", queued, written, l.bytes)
	}
	for what, way := range map[string]struct{ copied, of, want int }{
		"from the callback to the ring": {queued + l.bytes["queue → ring"], queued, copiesToRing},
		"from the ring to the disk":     {l.bytes["ring → writer"] + l.bytes["buffer → kernel"], written, copiesToDisk},
		"from the ring to a listener": {
			l.bytes["ring → listener"] + l.bytes["frame → kernel"] + l.bytes["kernel → listener"], written, copiesToListener,
		},
	} {
		if way.copied != way.of*way.want {
			t.Errorf("%s: %.3f copies of each byte, want %d: %v", what, float64(way.copied)/float64(way.of), way.want, l.bytes)
		}
	}
	t.Logf("%d frames: %v", m.Frames, l.bytes)
}

// hear follows a recording to its end and returns how many bytes it was given.
func hear(t *testing.T, l *ledger, folder *recording.Folder, id recording.ID, live *stream) (heard int) {
	follower, err := folder.Follow(id, recording.FollowOptions{Live: live})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() {
		if err := follower.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}()
	for {
		block, err := follower.Next(t.Context())
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			return heard
		}
		heard += len(block.Frames)
		if live.live { // what was recorded before it began to listen is from the file
			l.took("listener", "kernel → listener", block.Frames)
		}
	}
}

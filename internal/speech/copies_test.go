package speech_test

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech"
)

// The cost of a sample on its way to the engine (requirement S11), for each sample of a piece, context included. A
// change that makes one of these larger must explain in docs/ARCHITECTURE.md what the flow needs the copy for.
const (
	bytesMade  = 4 + 4 // allocated memory: the piece and the engine's samples; all other buffers are reused
	bytesMoved = 4 + 4 // into the pipe and out of it, as float32
	overhead   = 0.5   // headers, answers, and buffers that are larger because the longest piece is longer
)

// pipe is both ends of an engine's pipe, in one process: requests are encoded, written, read and decoded as between two
// processes. It recognises nothing.
type pipe struct {
	out      *wire.Writer
	answers  chan *wire.Request
	requests atomic.Int64
	samples  atomic.Int64 // in the requests
	changed  atomic.Int64 // requests that arrived with other samples than were sent
	moved    atomic.Int64 // bytes written and read
	writes   atomic.Int64
}

type countedWriter struct {
	io.Writer
	p *pipe
}

func (w countedWriter) Write(b []byte) (int, error) {
	w.p.moved.Add(int64(len(b)))
	w.p.writes.Add(1)
	return w.Writer.Write(b)
}

type countedReader struct {
	io.Reader
	p *pipe
}

func (r countedReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.p.moved.Add(int64(n))
	return n, err
}

// serve is the engine's end. It ends with the pipe.
func (p *pipe) serve(in io.Reader) {
	defer close(p.answers)
	frames := wire.NewReader(countedReader{in, p})
	for {
		f, err := frames.Next()
		if err != nil {
			return
		}
		request, err := wire.DecodeRequest(f.Body)
		if err != nil {
			return
		}
		p.answers <- request
	}
}

// Transcribe implements speech.Recognizer.
func (p *pipe) Transcribe(_ context.Context, r engine.Request) (*scout.Hypothesis, error) {
	p.requests.Add(1)
	p.samples.Add(int64(len(r.Samples)))
	if err := p.out.Write(wire.KindRequest, 1, wire.AppendRequest(&wire.Request{Samples: r.Samples})); err != nil {
		return nil, err
	}
	got := <-p.answers
	if got == nil || !slices.Equal(got.Samples, r.Samples) {
		p.changed.Add(1)
	}
	return &scout.Hypothesis{}, nil
}

// TestEveryCopyOfASampleIsNeeded counts the bytes allocated and moved per sample between the file of a recording and
// the engine's side of the pipe, on the path that scout transcribe takes. Comparing two lengths leaves out buffers that
// are allocated once.
func TestEveryCopyOfASampleIsNeeded(t *testing.T) { // not parallel: it counts what the process allocates
	little, much := send(t, 100), send(t, 300)
	samples := float64(much.samples - little.samples)
	made, moved := float64(much.made-little.made)/samples, float64(much.moved-little.moved)/samples
	t.Logf("for each of %.0f samples: %.2f bytes allocated and %.2f moved", samples, made, moved)
	if made > bytesMade+overhead {
		t.Errorf("%.2f bytes are allocated for each sample, want %d", made, bytesMade)
	}
	if moved > bytesMoved+overhead {
		t.Errorf("%.2f bytes move through the pipe for each sample, want %d", moved, bytesMoved)
	}
}

// sent is the cost of sending a file to the engine.
type sent struct{ samples, made, moved int64 }

// send transcribes a file of so many seconds.
func send(t *testing.T, seconds int) sent {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.wav")
	writeNoise(t, path, seconds*scout.EngineSampleRateHz)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &pipe{answers: make(chan *wire.Request)}
	p.out = wire.NewWriter(countedWriter{out, p})
	go p.serve(in) // ends when out is closed
	source, err := file.Open(t.Context(), path, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	scope := observe.Scope{}
	transcriber := speech.New(scope, observe.NewFailures(scope), p)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	transcript, err := transcriber.Transcribe(t.Context(), source, speech.Options{Effort: speech.EffortQuick})
	runtime.ReadMemStats(&after)
	if err != nil || transcript.Duration != time.Duration(seconds)*time.Second {
		t.Fatalf("%+v, %v", transcript, err)
	}
	for _, end := range []io.Closer{source, out} {
		if err := end.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, more := <-p.answers; more { // closed by the end of serve
		t.Error("an answer without a request")
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if got := p.samples.Load(); got < int64(seconds*scout.EngineSampleRateHz) || p.changed.Load() > 0 {
		t.Fatalf("%d samples of %d s reached the engine, %d requests were changed: nothing to count", got, seconds, p.changed.Load())
	}
	if p.writes.Load() != p.requests.Load() {
		t.Errorf("%d writes for %d requests", p.writes.Load(), p.requests.Load())
	}
	return sent{p.samples.Load(), int64(after.TotalAlloc - before.TotalAlloc), p.moved.Load()}
}

// writeNoise writes a WAV file of 16 kHz, mono, s16: the format of a recording for the engine.
func writeNoise(t *testing.T, path string, samples int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	size := uint32(2 * samples)
	content := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+size)...)
	content = append(content, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	content = binary.LittleEndian.AppendUint32(content, scout.EngineSampleRateHz)
	content = binary.LittleEndian.AppendUint32(content, 2*scout.EngineSampleRateHz)
	content = append(content, "\x02\x00\x10\x00data"...)
	content = binary.LittleEndian.AppendUint32(content, size)
	for range samples {
		content = binary.LittleEndian.AppendUint16(content, uint16(random.Uint32()%4096))
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

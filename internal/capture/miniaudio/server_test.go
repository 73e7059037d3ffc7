package miniaudio_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testrun.Contain(m)) }

// openFiles is how many files this process has open.
func openFiles(tb testing.TB) int {
	tb.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Skip("no /proc/self/fd here")
	}
	return len(files)
}

// A recorder looks for a server that is gone several times a second, for as long as it takes.
func TestAServerThatIsGoneCostsNothing(t *testing.T) { // not parallel: it counts the files of the process
	before := openFiles(t)
	for range 100 {
		_, err := miniaudio.Open(t.Context(), sound.Options{Server: "unix:" + filepath.Join(t.TempDir(), "nobody")})
		if scout.CodeOf(err) != scout.CodeSoundServer {
			t.Fatal(err)
		}
	}
	if now := openFiles(t); now > before+5 {
		t.Errorf("%d files open, %d before 100 attempts", now, before)
	}
}

// A device that goes while it is being opened. The server takes 64 clients: one that is left behind by each attempt shuts all
// programs of the user out.
func TestADeviceThatGoesWhileItIsOpened(t *testing.T) { // not parallel: as above
	server := pulsetest.Start(t)
	server.AddMicrophone("mic", 48_000, 1)
	backend := server.Backend()
	before := openFiles(t)
	for range 100 {
		watched, err := miniaudio.InitGone(backend)
		if err == nil || !watched {
			t.Fatalf("opened: %v; its questions to the server are watched: %v", err, watched)
		}
	}
	if now := openFiles(t); now > before+5 {
		t.Errorf("%d files open, %d before 100 attempts", now, before)
	}
	if clients := server.Control("list", "short", "clients"); strings.Count(clients, "\n") > 5 {
		t.Errorf("the server has these clients:\n%s", clients)
	}
}

// heard is a sink that keeps what it gets.
type heard struct {
	mu     sync.Mutex
	frames []byte
	news   chan struct{} // capacity 1
}

func (h *heard) Deliver(frames []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames = append(h.frames, frames...)
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// loudest is the largest sample so far, full scale 1.
func (h *heard) loudest(encoding audio.Encoding) (peak float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	samples := make([]float32, len(h.frames)/encoding.Bytes())
	audio.Decode(samples, h.frames, encoding)
	for _, s := range samples {
		peak = max(peak, math.Abs(float64(s)))
	}
	return peak
}

// Sound cards deliver what they like; 24 bits in words of 32 are common.
func TestEveryFormatOfASourceIsRecorded(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	backend := server.Backend()
	for format, want := range map[string]audio.Encoding{
		"u8": audio.Uint8, "s16le": audio.Int16, "s24le": audio.Int24, "s32le": audio.Int32, "float32le": audio.Float32,
		"s16be": audio.Float32, "s24be": audio.Float32, "s32be": audio.Float32, "float32be": audio.Float32,
		"s24-32le": audio.Float32, "s24-32be": audio.Float32, "alaw": audio.Float32, "ulaw": audio.Float32,
	} {
		mic := server.AddMicrophoneIn(format, strings.ReplaceAll(format, "-", "_"), 44_100, 2)
		t.Run(format, func(t *testing.T) { // one after another: the server has two cores to convert on
			got := &heard{news: make(chan struct{}, 1)}
			stream, err := backend.Open(t.Context(), mic.ID, func(sound.Format) (sound.Sink, error) { return got, nil }, sound.OpenOptions{Follow: true})
			if err != nil {
				t.Fatalf("%v (%s)", err, scout.CodeOf(err))
			}
			defer func() {
				if err := stream.Close(); err != nil {
					t.Error(err)
				}
			}()
			if f := stream.Format(); f != sound.NewFormat(44_100, 2, want) {
				t.Errorf("it delivers %v", f)
			}
			if err := stream.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			mic.PlayRaw(tone(), 44_100, 2)
			deadline := time.After(10 * time.Second)
			for got.loudest(stream.Format().Encoding) < 0.4 {
				select {
				case <-got.news:
				case <-deadline:
					t.Fatalf("a tone of half of full scale was heard as %.2f", got.loudest(stream.Format().Encoding))
				}
			}
			if peak := got.loudest(stream.Format().Encoding); peak > 0.6 {
				t.Errorf("a tone of half of full scale was heard as %.2f", peak)
			}
		})
	}
}

// tone is half a second of 440 Hz at half of full scale, in 16-bit stereo at 44.1 kHz.
func tone() (frames []byte) {
	for i := range 22_050 {
		sample := uint16(int16(0.5 * math.MaxInt16 * math.Sin(2*math.Pi*440*float64(i)/44_100)))
		frames = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(frames, sample), sample)
	}
	return frames
}

// A server that stands still holds up whatever asks it, and nobody for longer than they want to wait.
func TestAServerThatHangs(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(ctx context.Context, b sound.Backend, s sound.Stream) error{
		"connect": func(ctx context.Context, _ sound.Backend, _ sound.Stream) error { return ctx.Err() }, // below
		"list":    func(ctx context.Context, b sound.Backend, _ sound.Stream) error { _, err := b.Devices(ctx); return err },
		"open": func(ctx context.Context, b sound.Backend, _ sound.Stream) error {
			_, err := b.Open(ctx, "", func(sound.Format) (sound.Sink, error) { return &heard{news: make(chan struct{}, 1)}, nil }, sound.OpenOptions{})
			return err
		},
		"start": func(ctx context.Context, _ sound.Backend, s sound.Stream) error { return s.Start(ctx) },
		"wake": func(ctx context.Context, _ sound.Backend, s sound.Stream) error {
			return s.(sound.Waker).Wake(ctx, "mic.monitor") //nolint:errcheck,forcetypeassert // streams of PulseAudio can be woken
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pulsetest.Start(t)
			server.AddMicrophone("mic", 48_000, 1)
			backend := server.Backend()
			stream, err := backend.Open(t.Context(), "", func(sound.Format) (sound.Sink, error) { return &heard{news: make(chan struct{}, 1)}, nil }, sound.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			server.Signal(syscall.SIGSTOP)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if name == "connect" {
				_, err = miniaudio.Open(ctx, server.System())
			} else {
				err = call(ctx, backend, stream)
			}
			if !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				t.Errorf("%v", err)
			}
			if err == nil {
				t.Error("a server that stands still answered")
			}
			closed := make(chan error, 1)
			go func() { closed <- stream.Close() }() // ends when the server continues
			server.Signal(syscall.SIGCONT)
			if err := <-closed; err != nil {
				t.Error(err)
			}
		})
	}
}

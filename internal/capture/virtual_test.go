package capture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/capture/virtual"
)

// writeWAV writes 16-bit mono frames of the coded signal as the simplest of WAV files.
func writeWAV(tb testing.TB, frames int) string {
	tb.Helper()
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, field := range []any{
		uint32(36 + 2*frames), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1),
		uint32(rate), uint32(2 * rate), uint16(2), uint16(16), []byte("data"), uint32(2 * frames),
	} {
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range frames {
		b.Write(binary.LittleEndian.AppendUint16(nil, uint16(virtual.Coded(1, uint64(i), 0))))
	}
	path := filepath.Join(tb.TempDir(), "coded.wav")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// readWait reads when there is something to read.
func readWait(ctx context.Context, reader *ring.Reader, dst []byte) (uint64, error) {
	if err := reader.Wait(ctx); err != nil {
		return 0, err
	}
	return reader.Read(dst)
}

// readToEnd reads a recording as a slow writer would, until the ring is closed.
func readToEnd(tb testing.TB, s *capture.Session, from ring.Position) []byte {
	tb.Helper()
	reader := s.Ring().NewReader("writer", from)
	defer reader.Close()
	var all []byte
	buffer := make([]byte, 4000)
	for {
		n, err := readWait(tb.Context(), reader, buffer)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			tb.Fatalf("after %d bytes: %v", len(all), err)
		}
		all = append(all, buffer[:int(n)*s.Format().FrameBytes()]...)
	}
}

func TestFileIsADevice(t *testing.T) {
	t.Parallel()
	const frames = 5*rate + 123
	path := writeWAV(t, frames)
	for name, speed := range map[string]string{"real time": "", "eight times": "?speed=8", "as fast as it goes": "?speed=max"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A ring much shorter than the file: as fast as it goes must still mean that nothing is lost.
			s := run(t, capture.Options{Device: "file:" + path + speed, Format: speech, Buffer: time.Second})
			events := s.Subscribe(10)
			started := start(t, s)
			all := readToEnd(t, s, started.From)
			await(t, events, capture.KindInputEnded)
			if len(all) != 2*frames {
				t.Errorf("%d bytes, want %d", len(all), 2*frames)
			}
			if runs := pulsetest.Decode(all, 1, 1, frames); len(runs) != 1 || runs[0].Frames != frames {
				t.Errorf("runs %+v", runs)
			}
			stopped, err := s.Stop(t.Context())
			if scout.CodeOf(err) != scout.CodeNotRecording || stopped.End-stopped.From != frames || len(stopped.Gaps) > 0 {
				t.Errorf("stopped %+v, %v", stopped, err)
			}
			if _, err := s.Start(t.Context()); scout.CodeOf(err) != scout.CodeDeviceUnavailable {
				t.Errorf("start after the end: %v", err)
			}
		})
	}
}

func TestToneInFakeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := run(t, capture.Options{Device: "tone:1000?rate=16000&level=0.5", Format: speech})
		started := start(t, s)
		if started.Device.ID != "tone:1000?rate=16000&level=0.5" || started.DeviceFormat.SampleRateHz != 16_000 {
			t.Errorf("started %+v", started)
		}
		time.Sleep(5 * time.Second)
		if r := s.Meter().Reading(); r.SmoothRMS < 0.34 || r.SmoothRMS > 0.36 || r.Peak < 0.49 {
			t.Errorf("meter %+v", r)
		}
		stopped := stop(t, s)
		if length := speech.Duration(stopped.End.Sub(stopped.From)); length < 5*time.Second || length > 5100*time.Millisecond || len(stopped.Gaps) > 0 {
			t.Errorf("%v recorded, gaps %+v", length, stopped.Gaps)
		}
	})
}

func TestFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := run(t, capture.Options{Device: "file:nothing.wav", Format: speech})
	if _, err := s.Start(t.Context()); scout.CodeOf(err) != scout.CodeFileNotFound {
		t.Errorf("got %v", err)
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]capture.Options{
		"no format":      {},
		"unknown policy": {Format: speech, OnLoss: "panic"},
		"endless buffer": {Format: speech, Buffer: 1000 * time.Hour},
	} {
		if _, err := capture.New(o); err == nil {
			t.Errorf("%s: a session", name)
		}
	}
}

// A device that is faster than real time waits for whoever reads, not for a clock: minutes of it pass through a short ring while
// the clock of the bubble stands still.
func TestAsFastAsItIsTakenWaitsForNoClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := run(t, capture.Options{Device: "signal:1?rate=16000&seconds=60&speed=max", Format: speech, Buffer: time.Second})
		began := time.Now()
		started := start(t, s)
		all := readToEnd(t, s, started.From)
		if len(all) != 2*60*rate {
			t.Errorf("%d bytes, want %d", len(all), 2*60*rate)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it waited %v for a clock", took)
		}
	})
}

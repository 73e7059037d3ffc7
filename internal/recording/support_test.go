package recording_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
)

var speech = scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}

func openFolder(t testing.TB) (*recording.Folder, *recordingtest.Disk) {
	t.Helper()
	disk := recordingtest.New()
	folder, err := recording.OpenFolderOn(disk, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return folder, disk
}

func create(t testing.TB, folder *recording.Folder, format scout.Format) *recording.Writer {
	t.Helper()
	w, err := folder.Create(recording.Settings{Format: format, StartedAt: time.Now(), Device: recording.Device{ID: "mic", Name: "Microphone"}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// write appends coded frames.
func write(t testing.TB, w *recording.Writer, frames int) {
	t.Helper()
	size := w.Format().FrameBytes()
	block := make([]byte, frames*size)
	recordingtest.Coded(block, size, w.Frames())
	if n, err := w.Write(block); err != nil || n != frames {
		t.Fatalf("Write = %d, %v; want %d frames", n, err, frames)
	}
}

func finish(t testing.TB, w *recording.Writer) recording.Manifest {
	t.Helper()
	m, err := w.Finish(recording.End{At: w.StartedAt().Add(w.Format().Duration(w.Frames())), Reason: recording.EndStopped})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func repair(t testing.TB, folder *recording.Folder) recording.RepairReport {
	t.Helper()
	report, err := folder.Repair()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// audio returns the bytes behind the header of a recording's file.
func audio(t testing.TB, folder *recording.Folder, id recording.ID) []byte {
	t.Helper()
	content, err := os.ReadFile(folder.AudioPath(id))
	if err != nil {
		t.Fatal(err)
	}
	return content[recording.HeaderBytes:]
}

// checkAudio holds the file against the coded signal: every frame is the one of its position, but for
// gaps, which are silent.
func checkAudio(t testing.TB, folder *recording.Folder, m recording.Manifest) {
	t.Helper()
	size := m.Format.FrameBytes()
	data := audio(t, folder, m.ID)
	if got, want := len(data)/size, int(m.Frames); got != want {
		t.Fatalf("%d frames in the file, %d in the manifest", got, want)
	}
	var pos scout.Position
	for _, g := range append(m.Gaps, scout.Gap{Start: scout.Position(m.Frames)}) {
		if at, differs := recordingtest.FirstDifference(data[int(pos)*size:int(g.Start)*size], size, uint64(pos)); differs {
			t.Fatalf("frame %d is not what was recorded there", at)
		}
		if !recordingtest.Silent(data[int(g.Start)*size : int(g.End())*size]) {
			t.Fatalf("gap of %d frames at %d is not silent", g.Frames, g.Start)
		}
		pos = g.End()
	}
}

// newRing returns a ring of at least that length whose frames are coded from position 0.
func newRing(t testing.TB, format scout.Format, length time.Duration) *ring.Ring {
	t.Helper()
	r, err := ring.New(ring.Options{FrameBytes: format.FrameBytes(), Frames: int(format.Frames(length))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// deliver writes coded frames into the ring as a device would: 10 ms blocks, in time, until the ring
// holds so much or ctx ends.
func deliver(ctx context.Context, r *ring.Ring, format scout.Format, length time.Duration) {
	block := make([]byte, int(format.Frames(10*time.Millisecond))*format.FrameBytes())
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for uint64(r.Head()) < format.Frames(length) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		recordingtest.Coded(block, format.FrameBytes(), uint64(r.Head()))
		r.Write(block)
	}
}

// ffprobe asks another program about a file: its duration in seconds, its sample rate and channels.
func ffprobe(t testing.TB, path string) string {
	t.Helper()
	program, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed (Debian: apt-get install ffmpeg)")
	}
	out, err := exec.Command(program, "-v", "error", "-show_entries", "stream=codec_name,sample_rate,channels,duration_ts",
		"-of", "csv=p=0", path).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// claimed returns how many frames the header of a speech recording claims.
func claimed(t testing.TB, path string) uint64 {
	t.Helper()
	content := readFile(t, path)
	if len(content) < recording.HeaderBytes || string(content[:4]) != "RIFF" {
		t.Fatalf("%s does not begin with a header", path)
	}
	return uint64(binary.LittleEndian.Uint32(content[recording.HeaderBytes-4:])) / uint64(speech.FrameBytes())
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// betweenLooks is a moment in which no pump looks at its file: one that is overwritten is empty for an instant, which would be a second damage.
const betweenLooks = 500 * time.Microsecond

func restoreFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// reserved is a disk that is full for manifests as long as the reserve is there.
type reserved struct {
	recording.OSDisk
	replaced int
}

func (d *reserved) Replace(path string, data []byte) error {
	d.replaced++
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), ".reserve")); err == nil && d.replaced > 1 {
		return syscall.ENOSPC
	}
	return d.OSDisk.Replace(path, data)
}

// gapAt is a gap of a frame at a position.
func gapAt(start scout.Position) scout.Gap {
	return scout.Gap{Start: start, Frames: 1, Reason: recording.GapDiskFull}
}

// faults makes goroutines fail that pass fault.Points.
type faults struct {
	mu      sync.Mutex
	changed *sync.Cond
	how     map[string]string
}

func newFaults() *faults {
	f := &faults{how: make(map[string]string)}
	f.changed = sync.NewCond(&f.mu)
	return f
}

// set makes the goroutine panic, return an error or hang; empty ends that.
func (f *faults) set(goroutine, how string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.how[goroutine] = how
	f.changed.Broadcast()
}

func (f *faults) at(goroutine string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.how[goroutine] == "hang" {
		f.changed.Wait()
	}
	switch f.how[goroutine] {
	case "panic":
		panic("injected into " + goroutine)
	case "error":
		return errors.New("injected into " + goroutine)
	}
	return nil
}

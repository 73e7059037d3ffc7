package recording_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

func TestEveryFormatIsRecordedBitByBit(t *testing.T) {
	t.Parallel()
	codecs := map[scout.SampleFormat]string{scout.SampleS16: "pcm_s16le", scout.SampleS24: "pcm_s24le", scout.SampleF32: "pcm_f32le"}
	for _, rate := range []int{8000, 16000, 44100, 48000, 192000} {
		for _, channels := range []int{1, 2, 3, 8} {
			for sample, codec := range codecs {
				format := scout.Format{SampleRateHz: rate, Channels: channels, Sample: sample}
				t.Run(fmt.Sprintf("%d Hz, %d channels, %s", rate, channels, sample), func(t *testing.T) {
					t.Parallel()
					folder, _ := openFolder(t)
					w := create(t, folder, format)
					write(t, w, 1000)
					write(t, w, 337) // an odd number of bytes for s24 mono
					m := finish(t, w)
					checkAudio(t, folder, m)
					if _, err := folder.Verify(m.ID); err != nil {
						t.Error(err)
					}
					if rate == 44100 { // the other rates differ in one number of the header
						want := fmt.Sprintf("%s,%d,%d,%d", codec, rate, channels, 1337)
						if got := ffprobe(t, folder.AudioPath(m.ID)); got != want {
							t.Errorf("ffprobe says %s, want %s", got, want)
						}
					}
				})
			}
		}
	}
}

func TestHeaderIsValidAtAllTimes(t *testing.T) {
	t.Parallel()
	folder, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		format := scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS24}
		w, err := folder.Create(recording.Settings{Format: format, StartedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		check := func() {
			content, err := os.ReadFile(folder.AudioPath(w.ID()))
			if err != nil {
				t.Fatal(err)
			}
			claimed := binary.LittleEndian.Uint32(content[recording.HeaderBytes-4:])
			riff := binary.LittleEndian.Uint32(content[4:])
			if int(claimed) > len(content)-recording.HeaderBytes || claimed%2 != 0 || riff != claimed+recording.HeaderBytes-8 {
				t.Fatalf("RIFF of %d bytes and data of %d bytes claimed in a file of %d", riff, claimed, len(content))
			}
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				n, err := w.Write(make([]byte, 3*rapid.IntRange(0, 50).Draw(t, "frames")))
				if err != nil {
					t.Fatal(n, err)
				}
			case 2:
				if err := w.Silence(rapid.Uint64Range(0, 50).Draw(t, "silence")); err != nil {
					t.Fatal(err)
				}
			case 3:
				if err := w.ShowHeader(rapid.Uint64Range(w.Shown(), w.Frames()+10).Draw(t, "show")); err != nil {
					t.Fatal(err)
				}
			case 4:
				if err := w.Sync(); err != nil {
					t.Fatal(err)
				}
			}
			check()
		}
		if err := w.Abandon(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRecordingGrowsBeyondFourGiB(t *testing.T) {
	t.Parallel()
	folder, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	format := scout.Format{SampleRateHz: 192000, Channels: 8, Sample: scout.SampleF32}
	w, err := folder.Create(recording.Settings{Format: format, StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	// Silence is a hole in the file: four gigabytes take no room, only the time of the checksum.
	const frames = 1<<32/32 + 1000
	if err := w.Silence(frames - 1000); err != nil {
		t.Fatal(err)
	}
	write(t, w, 1000)
	if err := w.ShowHeader(w.Frames()); err != nil {
		t.Fatal(err)
	}
	m := finish(t, w)
	if m.Frames != frames {
		t.Fatalf("%d frames, want %d", m.Frames, frames)
	}
	if got, want := ffprobe(t, folder.AudioPath(m.ID)), fmt.Sprintf("pcm_f32le,192000,8,%d", frames); got != want {
		t.Errorf("ffprobe says %s, want %s", got, want)
	}
	if report := repair(t, folder); len(report.Repaired)+len(report.Problems) != 0 {
		t.Errorf("a long recording is found damaged: %+v", report)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	folder, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := create(t, folder, speech)
	block := make([]byte, 320)
	n := testing.AllocsPerRun(500, func() {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
		if err := w.ShowHeader(w.Frames()); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for each block", n)
	}
	finish(t, w)
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	folder, disk := openFolder(t)
	taken := create(t, folder, speech)
	for _, c := range []struct {
		name     string
		settings recording.Settings
		room     int64
		want     scout.Code
	}{
		{"an id that is a path", recording.Settings{ID: "../x", Format: speech}, -1, scout.CodeInvalidArgument},
		{"an id that exists", recording.Settings{ID: taken.ID(), Format: speech}, -1, scout.CodeInvalidArgument},
		{"a format that cannot be", recording.Settings{Format: scout.Format{SampleRateHz: 1}}, -1, scout.CodeAudioUnsupported},
		{"a full disk", recording.Settings{Format: speech}, 0, scout.CodeDiskFull},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk.Fill(c.room)
			before := names(t, folder.Dir())
			if _, err := folder.Create(c.settings); scout.CodeOf(err) != c.want {
				t.Errorf("Create = %v (%s), want %s", err, scout.CodeOf(err), c.want)
			}
			if after := names(t, folder.Dir()); c.room < 0 && after != before {
				t.Errorf("left behind: %s", after)
			}
		})
	}
}

func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestFoldersAndFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/deep/folder"
	folder, err := recording.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := finish(t, create(t, folder, speech))
	for path, want := range map[string]os.FileMode{dir: 0o700, folder.AudioPath(m.ID): 0o600, folder.ManifestPath(m.ID): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

func BenchmarkWriteBlock(b *testing.B) {
	folder, err := recording.OpenFolder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	w := create(b, folder, scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleS16})
	block := make([]byte, 2*1200) // 25 ms
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	finish(b, w)
}

// BenchmarkSync prints what docs/adr/0023-sync-rhythm.md is built on: the time of a sync of so much
// audio, and the processor time of writing and syncing it.
func BenchmarkSync(b *testing.B) {
	format := scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleS16}
	for _, every := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 150 * time.Millisecond, 250 * time.Millisecond, time.Second} {
		b.Run(every.String(), func(b *testing.B) {
			folder, err := recording.OpenFolder(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			w := create(b, folder, format)
			block := make([]byte, int(format.Frames(every))*format.FrameBytes())
			var took []time.Duration
			before := processorTime(b)
			for b.Loop() {
				if _, err := w.Write(block); err != nil {
					b.Fatal(err)
				}
				if err := w.ShowHeader(w.Synced()); err != nil {
					b.Fatal(err)
				}
				began := time.Now()
				if err := w.Sync(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			used := processorTime(b) - before
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(100*used.Seconds()/(every.Seconds()*float64(len(took))), "%-of-a-core")
			finish(b, w)
		})
	}
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
